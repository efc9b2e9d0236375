import assert from "node:assert/strict";
import type { Field } from "../../../lib/http/fields.ts";
import { allowsStaleIfError, evaluate, type FailureContext, type Verdict } from "../../../lib/cache/policy/policy.ts";
import type { CacheRequest, PolicyOptions } from "../../../lib/cache/policy/policy_options.ts";
import { staleSince } from "../../../lib/cache/purge/purge_rules.ts";
import type { StoredResponse } from "../../../lib/cache/stored_response.ts";
import { NOW_MS, request, RFC9111, store, TTL } from "./policy_case.ts";

const ETAG: Field = ["etag", '"1"'];

/** A stored response with this `Cache-Control`. */
function stored(cacheControl: string, ...fields: Field[]): StoredResponse {
  return store({ fields: [["cache-control", cacheControl], ...fields, ETAG] });
}

interface Asking {
  readonly asked?: CacheRequest;
  readonly options?: PolicyOptions;
  /** Seconds since the response came. */
  readonly afterSeconds?: number;
}

function judge(found: StoredResponse | undefined, { asked = request(), options = RFC9111, afterSeconds = 0 }: Asking) {
  return evaluate(asked, found, { options, nowMs: NOW_MS + afterSeconds * 1000 });
}

/** The verdict as text: kind and, where it is forwarded, why. */
function verdict(found: StoredResponse | undefined, asking: Asking = {}): string {
  const { kind, fwd, onlyIfCached } = judge(found, asking);
  return [kind, fwd, onlyIfCached ? "504" : null].filter((part) => part !== null).join(" ");
}

Deno.test("evaluate() a fresh response is a hit, a stale one is validated (RFC 9111 §4, §4.2)", () => {
  assert.equal(verdict(undefined), "miss uri-miss");
  assert.equal(verdict(stored("max-age=60")), "hit");
  assert.equal(verdict(stored("max-age=60"), { afterSeconds: 59.999 }), "hit");
  assert.equal(verdict(stored("max-age=60"), { afterSeconds: 60 }), "validate stale");
  assert.equal(verdict(stored("max-age=60", ["age", "59"]), { afterSeconds: 1 }), "validate stale");
  assert.equal(verdict(stored("max-age=0")), "validate stale");
  assert.equal(verdict(stored("max-age=3600", ["age", "7200"])), "validate stale");
  assert.equal(verdict(stored("max-age=99999999999"), { afterSeconds: 86_400 * 365 }), "hit");
});

Deno.test("evaluate() validates what the clock says is from the future", () => {
  assert.equal(verdict(stored("max-age=60"), { afterSeconds: -5 }), "hit");
  assert.equal(verdict(stored("max-age=60"), { afterSeconds: -11 }), "validate stale");
});

Deno.test("evaluate() serves a fresh must-revalidate response (RFC 9111 §5.2.2.2)", () => {
  for (const directive of ["must-revalidate", "proxy-revalidate"]) {
    assert.equal(verdict(stored(`max-age=60, ${directive}`)), "hit", directive);
    assert.equal(verdict(stored(`max-age=60, ${directive}`), { afterSeconds: 61 }), "validate stale", directive);
  }
});

Deno.test("evaluate() validates a no-cache response on each use (RFC 9111 §5.2.2.4)", () => {
  assert.equal(verdict(stored("max-age=60, no-cache")), "validate stale");
  assert.equal(verdict(stored("max-age=60, no-cache, stale-while-revalidate=60")), "validate stale");
  assert.equal(verdict(stored('max-age=60, no-cache="a"')), "hit");
});

Deno.test("evaluate() GET and HEAD share what is stored, other methods are forwarded (RFC 9111 §4)", () => {
  assert.equal(verdict(stored("max-age=60"), { asked: request({}, { method: "HEAD" }) }), "hit");
  for (const method of ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "M-SEARCH"]) {
    assert.equal(verdict(stored("max-age=60"), { asked: request({}, { method }) }), "bypass method", method);
  }
});

Deno.test("evaluate() a window of stale-while-revalidate, unless something forbids stale use (RFC 5861 §3)", () => {
  const within = stored("max-age=1, stale-while-revalidate=4");
  assert.equal(verdict(within, { afterSeconds: 3 }), "stale_while_revalidate");
  assert.equal(verdict(within, { afterSeconds: 5 }), "validate stale");
  for (const directive of ["must-revalidate", "proxy-revalidate", "s-maxage=1"]) {
    const forbidden = stored(`max-age=1, stale-while-revalidate=60, ${directive}`);
    assert.equal(verdict(forbidden, { afterSeconds: 3 }), "validate stale", directive);
  }
});

Deno.test("evaluate() selects by Vary (RFC 9111 §4.1)", () => {
  const varying = store({
    fields: [["cache-control", "max-age=60"], ["vary", "Foo, Bar, Accept-Language"]],
    request: request({ foo: "1", bar: "abc", "accept-language": "en, de" }),
  });
  const same = { foo: "1", bar: "abc", "accept-language": "en, de" };
  const cases: [fields: Record<string, string>, expected: string][] = [
    [same, "hit"],
    [{ ...same, "accept-language": " De ,eN;q=1.0" }, "hit"],
    [{ ...same, other: "x" }, "hit"],
    [{ ...same, foo: "2" }, "miss vary-miss"],
    [{ ...same, bar: "abcde" }, "miss vary-miss"],
    [{ bar: "abc", "accept-language": "en, de" }, "miss vary-miss"],
    [{}, "miss vary-miss"],
  ];
  for (const [fields, expected] of cases) {
    assert.equal(verdict(varying, { asked: request(fields) }), expected, JSON.stringify(fields));
  }
  const without = store({ fields: [["cache-control", "max-age=60"], ["vary", "Foo"]] });
  assert.equal(verdict(without), "hit");
  assert.equal(verdict(without, { asked: request({ foo: "" }) }), "miss vary-miss");
});

Deno.test("evaluate() honours what a request asks for (RFC 9111 §5.2.1)", () => {
  const cases: [asked: string, cacheControl: string, age: string, afterSeconds: number, expected: string][] = [
    ["max-age=0", "max-age=3600", "0", 0, "validate request"],
    ["max-age=1", "max-age=3600", "0", 3, "validate request"],
    ["max-age=600", "max-age=3600", "1800", 0, "validate request"],
    ["max-age=600", "max-age=3600", "599", 0, "hit"],
    ["min-fresh=2000", "max-age=1500", "0", 0, "validate request"],
    ["min-fresh=1000", "max-age=1500", "1000", 0, "validate request"],
    ["min-fresh=400", "max-age=1500", "1000", 0, "hit"],
    ["max-stale=1000", "max-age=1", "0", 3, "hit"],
    ["max-stale=1000", "max-age=1500", "2000", 0, "hit"],
    ["max-stale=100", "max-age=1500", "2000", 0, "validate stale"],
    ["max-stale", "max-age=1", "0", 86_400, "hit"],
    ["max-stale", "max-age=1, must-revalidate", "0", 3, "validate stale"],
    ["max-stale, max-age=10", "max-age=1", "0", 20, "validate request"],
    ["no-cache", "max-age=3600", "0", 0, "validate request"],
    ["no-cache, max-stale", "max-age=1", "0", 20, "validate request"],
    ["no-cache", "max-age=1, stale-while-revalidate=60", "0", 3, "validate request"],
    ["min-fresh=1", "max-age=1, stale-while-revalidate=60", "0", 3, "validate request"],
    ["no-store", "max-age=3600", "0", 0, "hit"],
    ["max-age=x", "max-age=3600", "0", 0, "hit"],
    ["foo", "max-age=3600", "0", 0, "hit"],
  ];
  for (const [cacheControl, response, age, afterSeconds, expected] of cases) {
    const found = stored(response, ["age", age]);
    const asked = request({ "cache-control": cacheControl });
    assert.equal(verdict(found, { asked, afterSeconds }), expected, `${cacheControl} of ${response}`);
  }
});

Deno.test("evaluate() only-if-cached is never forwarded (RFC 9111 §5.2.1.7)", () => {
  const asked = request({ "cache-control": "only-if-cached" });
  assert.equal(verdict(undefined, { asked }), "miss uri-miss 504");
  assert.equal(verdict(stored("max-age=60"), { asked }), "hit");
  assert.equal(verdict(stored("max-age=1"), { asked, afterSeconds: 3 }), "validate stale 504");
  assert.equal(
    verdict(stored("max-age=1, stale-while-revalidate=9"), { asked, afterSeconds: 3 }),
    "stale_while_revalidate",
  );
  assert.equal(verdict(undefined, { asked, options: TTL }), "miss uri-miss 504");
  assert.equal(verdict(undefined, { asked: { ...asked, private: "session" } }), "bypass bypass 504");
});

Deno.test("evaluate() Pragma: no-cache counts where there is no Cache-Control (RFC 9111 §5.4)", () => {
  const found = stored("max-age=60");
  assert.equal(verdict(found, { asked: request({ pragma: "no-cache" }) }), "validate request");
  assert.equal(verdict(found, { asked: request({ pragma: "foo" }) }), "hit");
  assert.equal(verdict(found, { asked: request({ pragma: "foo, no-cache", "cache-control": "x" }) }), "hit");
});

Deno.test("evaluate() in mode ttl a reload does not spend the upstream's requests (RFC 9111 §5.2.1)", () => {
  const found = stored("max-age=60");
  const reloads = ["no-cache", "max-age=0", "max-age=0, no-cache, min-fresh=100"];
  for (const cacheControl of reloads) {
    assert.equal(
      verdict(found, { asked: request({ "cache-control": cacheControl }), options: TTL }),
      "hit",
      cacheControl,
    );
  }
  assert.equal(verdict(found, { asked: request({ pragma: "no-cache" }), options: TTL }), "hit");
});

Deno.test("evaluate() what is private is never looked up", () => {
  for (const options of [RFC9111, TTL]) {
    assert.equal(
      verdict(stored("max-age=60"), { asked: request({}, { private: "session_id" }), options }),
      "bypass bypass",
    );
  }
});

Deno.test("evaluate() a user's request gets a shared response only where the origin allows it (RFC 9111 §3.5)", () => {
  const asked = request({ authorization: "Bearer user" });
  for (const options of [RFC9111, TTL]) {
    assert.equal(verdict(stored("max-age=60"), { asked, options }), "bypass bypass");
    for (const directive of ["public", "s-maxage=60", "must-revalidate"]) {
      assert.equal(verdict(stored(`max-age=60, ${directive}`), { asked, options }), "hit", directive);
    }
  }
  const targeted = store({ fields: [["cdn-cache-control", "max-age=60, public"], ["cache-control", "max-age=1"]] });
  assert.equal(verdict(targeted, { asked }), "hit");
  const application = { ...asked, sharedAuthorization: true };
  assert.equal(verdict(stored("max-age=60"), { asked: application }), "hit");
});

Deno.test("evaluate() Cookie by cache.cookies", () => {
  const asked = request({ cookie: "id=1" });
  assert.equal(verdict(stored("max-age=60"), { asked }), "hit");
  assert.equal(verdict(stored("max-age=60"), { asked, options: { ...RFC9111, cookies: "bypass" } }), "bypass bypass");
});

Deno.test("evaluate() gives the same frozen verdict for the same case", () => {
  const found = stored("max-age=60");
  const first: Verdict = judge(found, {});
  assert.equal(judge(found, {}), first);
  assert.ok(Object.isFrozen(first));
  assert.equal(judge(undefined, {}), judge(undefined, {}));
});

interface Failing extends Asking {
  readonly cause: FailureContext["cause"];
}

function allows(
  found: StoredResponse,
  { asked = request(), options = RFC9111, afterSeconds = 3, cause }: Failing,
): boolean {
  return allowsStaleIfError(asked, found, { options, nowMs: NOW_MS + afterSeconds * 1000, cause });
}

Deno.test("allowsStaleIfError() at any age where the upstream cannot be reached (RFC 9111 §4.2.4)", () => {
  assert.equal(allows(stored("max-age=1"), { cause: "unreachable" }), true);
  assert.equal(allows(stored("max-age=1"), { cause: "unreachable", afterSeconds: 86_400 * 30 }), true);
});

Deno.test("allowsStaleIfError() never against a directive (RFC 9111 §4.2.4, §5.2.2)", () => {
  const directives = ["must-revalidate", "proxy-revalidate", "no-cache", "s-maxage=2"];
  for (const directive of directives) {
    const found = stored(`max-age=2, stale-if-error=60, ${directive}`);
    for (const cause of ["unreachable", 503] as const) assert.equal(allows(found, { cause }), false, directive);
  }
});

Deno.test("allowsStaleIfError() on a failed answer only within stale-if-error (RFC 5861 §4)", () => {
  const found = stored("max-age=1, stale-if-error=10");
  for (const cause of [500, 502, 503, 504]) {
    assert.equal(allows(found, { cause }), true, String(cause));
    assert.equal(allows(found, { cause, afterSeconds: 12 }), false, String(cause));
    assert.equal(allows(stored("max-age=1"), { cause }), false, String(cause));
  }
  for (const cause of [200, 304, 400, 401, 403, 404, 410, 429, 501]) {
    assert.equal(allows(found, { cause }), false, String(cause));
  }
  const asked = request({ "cache-control": "stale-if-error=60" });
  assert.equal(allows(stored("max-age=1"), { cause: 503, asked }), true);
});

Deno.test("allowsStaleIfError() in mode ttl within the window, for a 429 too", () => {
  const found = stored("max-age=1, stale-if-error=10");
  for (const cause of ["unreachable", 429, 503] as const) {
    assert.equal(allows(found, { cause, options: TTL }), true, String(cause));
    assert.equal(allows(found, { cause, options: TTL, afterSeconds: 12 }), false, String(cause));
  }
});

Deno.test("allowsStaleIfError() not for another variant, another user, or a client that wants none", () => {
  const varying = store({
    fields: [["cache-control", "max-age=1, stale-if-error=60"], ["vary", "foo"]],
    request: request({ foo: "1" }),
  });
  assert.equal(allows(varying, { cause: 503, asked: request({ foo: "1" }) }), true);
  assert.equal(allows(varying, { cause: 503, asked: request({ foo: "2" }) }), false);
  const found = stored("max-age=1, stale-if-error=60");
  assert.equal(allows(found, { cause: 503, asked: request({ authorization: "user" }) }), false);
  assert.equal(allows(found, { cause: "unreachable", asked: request({ "cache-control": "no-cache" }) }), false);
});

Deno.test("evaluate() has a cache that holds on to copies wait for the validation of what was purged", () => {
  const fresh = stored("max-age=60, stale-while-revalidate=600");
  const purged = staleSince(fresh, NOW_MS + 1_000);
  const asks: Record<string, string>[] = [
    {},
    { "if-none-match": '"1"' },
    { "if-modified-since": "x" },
    { "cdn-loop": "usher" },
  ];
  const kinds = (found: StoredResponse, afterSeconds: number) =>
    asks.map((fields) => judge(found, { asked: request(fields), afterSeconds }).kind);
  assert.deepEqual(kinds(purged, 2), ["stale_while_revalidate", "validate", "validate", "validate"]);
  assert.deepEqual(new Set(kinds(fresh, 2)), new Set(["hit"]));
  assert.deepEqual(new Set(kinds(fresh, 70)), new Set(["stale_while_revalidate"]), "its age tells them enough");
});

Deno.test("evaluate() serves no coding that a client's list leaves out, whatever else it means the same as", () => {
  const fields: Field[] = [["cache-control", "max-age=60"], ["content-encoding", "deflate"], ETAG];
  const found = store({ fields, request: request({ "accept-encoding": "gzip, deflate" }) });
  const kind = (list: string) => judge(found, { asked: request({ "accept-encoding": list }) }).kind;
  assert.deepEqual(["gzip, deflate", "deflate;q=0.1, gzip", "gzip", "gzip, deflate;q=0"].map(kind), [
    ...["hit", "hit", "miss", "miss"],
  ]);
});
