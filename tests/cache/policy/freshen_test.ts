import assert from "node:assert/strict";
import { type Field, fieldValue } from "../../../lib/http/fields.ts";
import type { CacheRequest, PolicyOptions } from "../../../lib/cache/policy/policy_options.ts";
import { freshen, type Freshened, headUpdate } from "../../../lib/cache/policy/freshen.ts";
import type { StoredResponse } from "../../../lib/cache/stored_response.ts";
import { at, NOW_MS, request, RFC9111, store, TTL } from "./policy_case.ts";

const ETAG: Field = ["etag", '"1"'];
const SHORT: Field = ["cache-control", "max-age=2"];
/** When the news comes: the stored response is stale by then. */
const LATER_SECONDS = 100;
const LATER_MS = NOW_MS + LATER_SECONDS * 1000;

interface News {
  readonly fields: Field[];
  readonly status?: number;
  readonly asked?: CacheRequest;
  readonly options?: PolicyOptions;
}

function context({ asked = request(), options = RFC9111 }: News) {
  return { request: asked, times: { requestTimeMs: LATER_MS - 50, responseTimeMs: LATER_MS }, options };
}

function tryFreshen(stored: StoredResponse, news: News): Freshened | null {
  return freshen(stored, { status: news.status ?? 304, fields: news.fields }, context(news));
}

function freshened(stored: StoredResponse, news: News): Freshened {
  const result = tryFreshen(stored, news);
  assert.ok(result !== null);
  return result;
}

Deno.test("freshen() keeps stored fields and takes the new ones (RFC 9111 §3.2, §4.3.4)", () => {
  const stored = store({ fields: [SHORT, ETAG, ["test", "A"], ["kept", "1"], ["content-type", "text/plain"]] });
  const fields: Field[] = [ETAG, ["test", "B"], ["content-type", "text/plain;charset=utf-8"], [
    "cache-control",
    "max-age=3600",
  ]];
  const { response, keep } = freshened(stored, { fields });
  assert.equal(keep, "replace");
  assert.equal(fieldValue(response.fields, "test"), "B");
  assert.equal(fieldValue(response.fields, "kept"), "1");
  assert.equal(fieldValue(response.fields, "content-type"), "text/plain;charset=utf-8");
  assert.equal(fieldValue(response.fields, "cache-control"), "max-age=3600");
  assert.equal(response.freshness.lifetimeMs, 3_600_000);
  assert.equal(response.responseTimeMs, LATER_MS);
  assert.equal(response.status, 200);
  assert.equal(response.body.buffer, stored.body.buffer);
});

Deno.test("freshen() replaces all lines of a name by all new ones (RFC 9111 §3.2)", () => {
  const stored = store({ fields: [SHORT, ETAG, ["link", "a"], ["link", "b"]] });
  const { response } = freshened(stored, { fields: [["link", "c"], ["link", "d"]] });
  assert.equal(fieldValue(response.fields, "link"), "c, d");
});

Deno.test("freshen() never takes what speaks of the 304's own content or connection (RFC 9111 §3.2)", () => {
  const stored = store({ fields: [SHORT, ETAG, ["content-encoding", "gzip"], ["x", "1"]] }, "body!");
  const fields: Field[] = [
    ["content-length", "10"],
    ["content-encoding", "br"],
    ["content-range", "bytes 0-1/2"],
    ["connection", "x"],
    ["x", "2"],
    ["keep-alive", "timeout=5"],
    ["transfer-encoding", "chunked"],
  ];
  const { response } = freshened(stored, { fields });
  assert.equal(fieldValue(response.fields, "content-length"), "5");
  assert.equal(fieldValue(response.fields, "content-encoding"), "gzip");
  assert.equal(fieldValue(response.fields, "x"), "1");
  for (const name of ["content-range", "connection", "keep-alive", "transfer-encoding"]) {
    assert.equal(fieldValue(response.fields, name), null, name);
  }
});

Deno.test("freshen() counts the age anew, from the 304's own Date and Age (RFC 9111 §4.3.4)", () => {
  const stored = store({ fields: [SHORT, ETAG, ["date", at(0)]] });
  const bare = freshened(stored, { fields: [ETAG] }).response;
  assert.equal(bare.freshness.initialAgeMs, 50, "the old date does not make it old");
  assert.equal(fieldValue(bare.fields, "date"), at(LATER_SECONDS));
  const aged = freshened(stored, { fields: [ETAG, ["date", at(LATER_SECONDS - 20)], ["age", "30"]] }).response;
  assert.equal(aged.freshness.initialAgeMs, 30_050);
  assert.equal(fieldValue(aged.fields, "age"), null);
});

Deno.test("freshen() uses a 304 only of the representation that is stored (RFC 9111 §4.3.4)", () => {
  const lastModified = (deltaSeconds: number): Field => ["last-modified", at(deltaSeconds)];
  const cases: [why: string, ours: Field[], theirs: Field[], isUsed: boolean][] = [
    ["same strong tag", [ETAG], [ETAG], true],
    ["other strong tag", [ETAG], [["etag", '"2"']], false],
    ["weak of the same", [ETAG], [["etag", 'W/"1"']], true],
    ["other weak tag", [["etag", 'W/"1"']], [["etag", 'W/"2"']], false],
    ["no validator said", [ETAG], [], true],
    ["same date", [lastModified(-9)], [lastModified(-9)], true],
    ["other date", [lastModified(-9)], [lastModified(-8)], false],
    ["tag and date, date only said", [ETAG, lastModified(-9)], [lastModified(-9)], true],
    ["tag that was not stored", [lastModified(-9)], [["etag", '"1"']], false],
    ["tag that was not stored, same date", [lastModified(-9)], [["etag", '"1"'], lastModified(-9)], true],
    ["malformed tag, the same", [["etag", "abc"]], [["etag", "abc"]], true],
  ];
  for (const [why, ours, theirs, isUsed] of cases) {
    assert.equal(tryFreshen(store({ fields: [SHORT, ...ours] }), { fields: theirs }) !== null, isUsed, why);
  }
});

Deno.test("freshen() gives up what the 304 forbids to keep, and serves it this once", () => {
  const stored = store({ fields: [SHORT, ETAG] });
  for (const value of ["no-store", "private"]) {
    const { keep, response } = freshened(stored, { fields: [ETAG, ["cache-control", value]] });
    assert.equal(keep, "delete", value);
    assert.equal(fieldValue(response.fields, "cache-control"), value);
    assert.equal(response.body.buffer, stored.body.buffer);
  }
});

Deno.test("freshen() does not let one client's request remove what is stored for all", () => {
  const stored = store({ fields: [SHORT, ETAG] });
  const asked = request({ "cache-control": "no-store" });
  assert.equal(freshened(stored, { fields: [ETAG], asked }).keep, "leave");
  const user = request({ authorization: "Bearer user" });
  assert.equal(freshened(stored, { fields: [ETAG], asked: user }).keep, "leave");
});

Deno.test("freshen() hands a Set-Cookie of the 304 to its client and not to the store", () => {
  const stored = store({ fields: [SHORT, ETAG] });
  const fields: Field[] = [ETAG, ["set-cookie", "id=1"]];
  for (const setCookie of ["bypass", "strip"] as const) {
    const result = freshened(stored, { fields, options: { ...RFC9111, setCookie } });
    assert.equal(result.keep, "replace");
    assert.equal(fieldValue(result.response.fields, "set-cookie"), null);
    assert.deepEqual(result.ownFields, [["set-cookie", "id=1"]]);
  }
  const kept = freshened(stored, { fields, options: { ...RFC9111, setCookie: "store" } });
  assert.equal(fieldValue(kept.response.fields, "set-cookie"), "id=1");
  assert.deepEqual(kept.ownFields, []);
});

Deno.test("freshen() hands what private names to its client and not to the store (RFC 9111 §5.2.2.7)", () => {
  const stored = store({ fields: [SHORT, ETAG] });
  const fields: Field[] = [ETAG, ["cache-control", 'max-age=9, private="x"'], ["x", "1"]];
  const { response, ownFields } = freshened(stored, { fields });
  assert.equal(fieldValue(response.fields, "x"), null);
  assert.deepEqual(ownFields, [["x", "1"]]);
  const shared = store({ fields: [SHORT, ETAG, ["x", "of another client"]] });
  const late = freshened(shared, { fields: [ETAG, ["cache-control", 'max-age=9, private="x"']] });
  assert.equal(fieldValue(late.response.fields, "x"), null);
  assert.deepEqual(late.ownFields, []);
});

Deno.test("freshen() keeps tags that were not the origin's, adds new ones, and stays bounded", () => {
  const stored = store({ fields: [SHORT, ETAG] }).with({ tags: ["movie:550"] });
  const { response } = freshened(stored, { fields: [ETAG, ["cache-tag", "a"]] });
  assert.deepEqual(response.tags, ["a", "movie:550"]);
  const many = stored.with({ tags: Array.from({ length: 1000 }, (_, index) => `t${index}`) });
  assert.equal(freshened(many, { fields: [ETAG] }).response.tags.length, 256);
});

Deno.test("freshen() in mode ttl gives the configured time again", () => {
  const routeTtl = { ttlMs: 60_000, staleWhileRevalidateMs: 0, staleIfErrorMs: 0 };
  const asked = request({}, { routeTtl });
  const stored = store({ fields: [SHORT, ETAG], request: asked, options: TTL });
  const { response } = freshened(stored, { fields: [ETAG], asked, options: TTL });
  assert.equal(response.freshness.lifetimeMs - response.freshness.initialAgeMs, 60_000);
});

Deno.test("freshen() for a HEAD keeps the stored response a GET's", () => {
  const stored = store({ fields: [SHORT, ETAG] });
  assert.equal(freshened(stored, { fields: [ETAG], asked: request({}, { method: "HEAD" }) }).keep, "replace");
});

const HEAD = request({}, { method: "HEAD" });

function updateKind(stored: StoredResponse, news: News): string {
  return headUpdate(stored, { status: news.status ?? 200, fields: news.fields }, context({ asked: HEAD, ...news }))
    .kind;
}

Deno.test("headUpdate() compares received validators and length (RFC 9111 §4.3.5)", () => {
  const modified: Field = ["last-modified", at(-9)];
  const stored = store({ fields: [SHORT, ETAG, modified] }, "12345");
  const cases: [why: string, fields: Field[], kind: string][] = [
    ["nothing said", [], "none"],
    ["the length alone", [["content-length", "5"]], "none"],
    ["another length alone", [["content-length", "6"]], "changed"],
    ["the date alone", [modified], "updated"],
    ["all the same", [ETAG, modified, ["content-length", "5"]], "updated"],
    ["other tag", [["etag", '"2"']], "changed"],
    ["weak tag", [["etag", 'W/"1"']], "changed"],
    ["other date", [["last-modified", at(-8)]], "changed"],
    ["other length", [ETAG, ["content-length", "6"]], "changed"],
    ["length in another coding", [ETAG, ["content-encoding", "br"], ["content-length", "3"]], "updated"],
  ];
  for (const [why, fields, kind] of cases) assert.equal(updateKind(stored, { fields }), kind, why);
});

Deno.test("headUpdate() takes no word for content that has no validator: it may have changed at the same length", () => {
  const stored = store({ fields: [SHORT] }, "12345");
  assert.equal(updateKind(stored, { fields: [["content-length", "5"]] }), "none");
  assert.equal(updateKind(stored, { fields: [ETAG] }), "changed");
});

Deno.test("headUpdate() wants a HEAD answered by a 200 (RFC 9111 §4.3.5)", () => {
  const stored = store({ fields: [SHORT, ETAG] });
  assert.equal(updateKind(stored, { fields: [], asked: request() }), "none");
  for (const status of [204, 206, 301, 304, 404, 410, 500]) {
    assert.equal(updateKind(stored, { fields: [], status }), "none");
  }
  assert.equal(updateKind(store({ status: 404, fields: [SHORT, ETAG] }), { fields: [] }), "none");
});

Deno.test("headUpdate() brings fields and lifetime up to date (RFC 9111 §4.3.5)", () => {
  const stored = store({ fields: [SHORT, ETAG, ["template-a", "1"], ["kept", "1"]] });
  const fields: Field[] = [ETAG, ["template-a", "2"], ["cache-control", "max-age=1000"]];
  const update = headUpdate(stored, { status: 200, fields }, context({ fields, asked: HEAD }));
  assert.ok(update.kind === "updated");
  const { response, keep } = update.freshened;
  assert.equal(keep, "replace");
  assert.equal(fieldValue(response.fields, "template-a"), "2");
  assert.equal(fieldValue(response.fields, "kept"), "1");
  assert.equal(response.freshness.lifetimeMs, 1_000_000);
});
