import assert from "node:assert/strict";
import type { Field } from "../../../lib/http/fields.ts";
import type { PolicyOptions } from "../../../lib/cache/policy/policy_options.ts";
import type { RefusalReason } from "../../../lib/cache/policy/storable.ts";
import { at, decide, decideStored, request, type Response, RFC9111, rule, TTL } from "./policy_case.ts";

const FRESH: Field = ["cache-control", "max-age=3600"];
const cacheControl = (value: string): Field => ["cache-control", value];

function refusal(response: Response): RefusalReason | null {
  const decision = decide(response);
  return decision.store ? null : decision.reason;
}

function fieldNames(response: Response): string[] {
  return decideStored(response).fields.map(([name]) => name);
}

Deno.test("storable() only GET (RFC 9111 §3)", () => {
  for (const method of ["HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "M-SEARCH", "get"]) {
    assert.equal(refusal({ fields: [FRESH], request: request({}, { method }) }), "method", method);
  }
});

Deno.test("storable() every final status with a stated lifetime (RFC 9111 §3)", () => {
  for (
    const status of [200, 203, 204, 299, 301, 302, 303, 307, 308, 400, 401, 403, 404, 410, 499, 500, 502, 503, 504, 599]
  ) {
    assert.equal(refusal({ status, fields: [FRESH] }), null, String(status));
    assert.equal(refusal({ status, fields: [["expires", at(3600)], ["date", at(0)]] }), null, String(status));
  }
});

Deno.test("storable() never an interim response, a part or a 304 (RFC 9111 §3, §3.3)", () => {
  for (const status of [100, 102, 103, 199]) assert.equal(refusal({ status, fields: [FRESH] }), "status");
  for (const status of [206, 304]) assert.equal(refusal({ status, fields: [FRESH] }), "partial");
});

Deno.test("storable() a part, where told to, for the same Range only (RFC 9111 §3.3)", () => {
  const options = { ...RFC9111, storePartial: true };
  const part: Field[] = [FRESH, ["content-range", "bytes 4-8/10"], ["vary", "foo"]];
  const asked = request({ range: "bytes=-5", foo: "1" });
  const decision = decideStored({ status: 206, fields: part, request: asked, options });
  assert.deepEqual(decision.selectedBy, [["foo", "1"], ["range", "bytes=-5"]]);
  assert.ok(decision.fields.some(([name]) => name === "content-range"));
  const refused: Response[] = [
    { status: 206, fields: part, request: asked },
    { status: 206, fields: part, options },
    { status: 206, fields: part, request: request({ range: "bytes=-5", "if-range": '"1"' }), options },
    { status: 206, fields: [FRESH, ["content-type", "multipart/byteranges; boundary=x"]], request: asked, options },
    { status: 206, fields: [FRESH, ["content-range", "bytes */10"]], request: asked, options },
    { status: 304, fields: part, request: asked, options },
  ];
  for (const response of refused) assert.equal(refusal(response), "partial", JSON.stringify(response));
});

Deno.test("storable() without a stated lifetime only what may be guessed (RFC 9111 §3, §4.2.2)", () => {
  const guess: Field[] = [["last-modified", at(-86_400)], ["date", at(0)]];
  for (const status of [200, 203, 204, 404, 405, 410, 414, 501]) assert.equal(refusal({ status, fields: guess }), null);
  for (const status of [201, 202, 403, 502, 503, 504, 599]) assert.equal(refusal({ status, fields: guess }), "status");
  assert.equal(refusal({ status: 599, fields: [...guess, cacheControl("public")] }), null);
  assert.equal(refusal({}), "no-freshness");
  assert.equal(refusal({ fields: [["etag", '"1"']] }), null, "good for validation");
  assert.equal(refusal({ fields: [cacheControl("max-age=0")] }), "no-freshness");
  assert.equal(refusal({ fields: [cacheControl("max-age=0, stale-if-error=60")] }), null);
});

Deno.test("storable() obeys no-store (RFC 9111 §5.2.2.5)", () => {
  for (const value of ["no-store", "No-StOrE", "max-age=10000, no-store", "no-store=x"]) {
    const fields: Field[] = [cacheControl(value), ["expires", at(10_000)], ["date", at(0)]];
    assert.equal(refusal({ fields }), "no-store", value);
    assert.equal(refusal({ fields, options: TTL, request: request({}, { routeTtl: ROUTE }) }), "no-store", value);
  }
  assert.equal(refusal({ fields: [FRESH], request: request({ "cache-control": "no-store" }) }), "request-no-store");
});

const ROUTE = { ttlMs: 60_000, staleWhileRevalidateMs: 0, staleIfErrorMs: 0 };

Deno.test("storable() must-understand sets no-store aside for known statuses only (RFC 9111 §5.2.2.3)", () => {
  const fields = [cacheControl("max-age=3600, no-store, must-understand")];
  // IANA's registry, without what is interim, a part or a 304.
  const known = [[200, 205], [207, 208], [226], [300, 303], [305], [307, 308], [400, 417], [421, 426], [428, 429], [
    431,
  ]]
    .concat([[451], [500, 508], [511]]);
  for (let status = 200; status < 600; status++) {
    const isKnown = known.some(([from, to]) => status >= from! && status <= (to ?? from!));
    assert.equal(refusal({ status, fields }) === null, isKnown, String(status));
  }
  assert.equal(refusal({ status: 599, fields }), "status");
  assert.equal(refusal({ status: 599, fields: [cacheControl("max-age=3600, must-understand")] }), "status");
});

Deno.test("storable() obeys private, in every mode (RFC 9111 §5.2.2.7)", () => {
  for (const options of [RFC9111, TTL]) {
    for (const value of ["private", "private, max-age=3600", 'private="", max-age=3600', "Private=x y, max-age=3600"]) {
      const fields = [cacheControl(value)];
      assert.equal(refusal({ fields, options, request: request({}, { routeTtl: ROUTE }) }), "private", value);
    }
  }
});

Deno.test("storable() leaves out the fields that private and no-cache name (RFC 9111 §5.2.2.4, §5.2.2.7)", () => {
  const fields: Field[] = [["a", "1"], ["b", "2"], ["c", "3"], ["date", at(0)]];
  for (const directive of ["private", "no-cache"]) {
    const names = fieldNames({ fields: [...fields, cacheControl(`${directive}="A, b"`), FRESH] });
    assert.deepEqual(names, ["c", "date", "cache-control", "cache-control"]);
  }
  const cookie: Field[] = [["set-cookie", "id=1"], cacheControl('private="set-cookie", max-age=60')];
  assert.deepEqual(fieldNames({ fields: cookie }), ["cache-control", "date"], "what is left may be shared");
});

Deno.test("storable() hands what it leaves out to the client whose request brought the response", () => {
  const fields: Field[] = [["set-cookie", "id=1"], ["a", "1"], ["connection", "b"], ["b", "2"], ["age", "1"], FRESH];
  const own = (response: Response) => decideStored(response).ownFields;
  assert.deepEqual(own({ fields, options: { ...RFC9111, setCookie: "strip" } }), [["set-cookie", "id=1"]]);
  const named: Field[] = [...fields, cacheControl('private="set-cookie, b, age", no-cache="a"')];
  assert.deepEqual(own({ fields: named }), [["set-cookie", "id=1"], ["a", "1"]]);
  assert.deepEqual(own({ fields: [FRESH] }), []);
});

Deno.test("storable() takes a private that names what the body needs for a plain private", () => {
  for (const name of ["content-type", "content-encoding", "Vary", "cache-control"]) {
    assert.equal(refusal({ fields: [cacheControl(`private="${name}", max-age=60`)] }), "private", name);
  }
  const named = cacheControl('no-cache="content-type", max-age=60');
  const kept = fieldNames({ fields: [["content-type", "x/y"], ["etag", '"1"'], named] });
  assert.ok(kept.includes("content-type"));
});

Deno.test("storable() a no-cache that names what the body needs asks for validation (RFC 9111 §5.2.2.4)", () => {
  const { freshness } = decideStored({
    fields: [cacheControl('no-cache="content-type", max-age=60'), ["etag", '"1"']],
  });
  assert.equal(freshness.alwaysValidate, true);
});

Deno.test("storable() no-cache is stored where it can be validated (RFC 9111 §5.2.2.4)", () => {
  const { freshness } = decideStored({ fields: [cacheControl("max-age=10000, No-CaChE"), ["etag", '"1"']] });
  assert.equal(freshness.alwaysValidate, true);
  assert.equal(refusal({ fields: [cacheControl("max-age=10000, no-cache")] }), "no-freshness");
});

Deno.test("storable() a user's Authorization needs the origin's word (RFC 9111 §3.5)", () => {
  const authorized = request({ authorization: "Bearer user" });
  for (const options of [RFC9111, { ...TTL, rules: [rule({ ttlMs: 1000 })] }]) {
    assert.equal(refusal({ fields: [FRESH], request: authorized, options }), "authorization");
    for (const directive of ["public", "must-revalidate", "s-maxage=60"]) {
      assert.equal(
        refusal({ fields: [FRESH, cacheControl(directive)], request: authorized, options }),
        null,
        directive,
      );
    }
    assert.equal(
      refusal({ fields: [FRESH, cacheControl("proxy-revalidate")], request: authorized, options }),
      "authorization",
    );
  }
  const application = request({ authorization: "Bearer app" }, { sharedAuthorization: true });
  assert.equal(refusal({ fields: [FRESH], request: application }), null);
});

Deno.test("storable() targeted directives decide in place of Cache-Control (RFC 9213 §2.2)", () => {
  const targeted = (value: string): Field => ["cdn-cache-control", value];
  const rest: Field[] = [cacheControl("max-age=10000"), ["expires", at(10_000)], ["date", at(0)]];
  assert.equal(refusal({ fields: [targeted("private"), ...rest] }), "private");
  assert.equal(refusal({ fields: [targeted("no-store"), ...rest] }), "no-store");
  assert.equal(refusal({ fields: [targeted("no-cache"), ...rest] }), "no-freshness");
  assert.equal(refusal({ fields: [targeted("max-age=60"), cacheControl("no-store")] }), null);
  assert.equal(refusal({ fields: [targeted('max-age="60"'), cacheControl("no-store")] }), "no-store");
  assert.equal(refusal({ fields: [["surrogate-control", "no-store"], ...rest] }), "no-store");
});

Deno.test("storable() classes of requests that are private, in every mode", () => {
  for (const options of [RFC9111, TTL]) {
    const own = request({}, { private: "session_id", routeTtl: ROUTE });
    assert.equal(refusal({ fields: [cacheControl("public, max-age=60")], request: own, options }), "private-request");
  }
});

Deno.test("storable() Cookie by cache.cookies", () => {
  const asked = request({ cookie: "id=1" });
  assert.equal(refusal({ fields: [FRESH], request: asked }), null);
  assert.equal(refusal({ fields: [FRESH], request: asked, options: { ...RFC9111, cookies: "bypass" } }), "cookie");
});

Deno.test("storable() Set-Cookie by cache.set_cookie", () => {
  const fields: Field[] = [FRESH, ["set-cookie", "a=b"], ["set-cookie2", "c=d"], ["date", at(0)]];
  const options = (setCookie: PolicyOptions["setCookie"]) => ({ ...RFC9111, setCookie });
  assert.equal(refusal({ fields, options: options("bypass") }), "set-cookie");
  assert.deepEqual(fieldNames({ fields, options: options("strip") }), ["cache-control", "date"]);
  assert.deepEqual(fieldNames({ fields, options: options("store") }), [
    "cache-control",
    "set-cookie",
    "set-cookie2",
    "date",
  ]);
});

Deno.test("storable() keeps end-to-end fields only (RFC 9111 §3.1, RFC 9110 §7.6.1)", () => {
  const fields: Field[] = [
    ["connection", "a, b"],
    ["a", "1"],
    ["b", "2"],
    ["c", "3"],
    ["keep-alive", "timeout=5"],
    ["proxy-authenticate", "Basic"],
    ["proxy-authentication-info", "x"],
    ["proxy-authorization", "x"],
    ["proxy-connection", "close"],
    ["te", "trailers"],
    ["trailer", "x"],
    ["transfer-encoding", "chunked"],
    ["upgrade", "h2c"],
    ["age", "5"],
    ["content-length", "11"],
    ["surrogate-control", "max-age=60"],
    ["cdn-cache-control", "max-age=60"],
    ["content-md5", "x"],
    ["clear-site-data", "cache"],
    ["date", at(0)],
  ];
  assert.deepEqual(fieldNames({ fields }), ["c", "cdn-cache-control", "content-md5", "clear-site-data", "date"]);
});

Deno.test("storable() makes sure of a Date (RFC 9110 §6.6.1)", () => {
  const date = (fields: Field[]) =>
    decideStored({ fields: [FRESH, ...fields] }).fields.filter(([name]) => name === "date");
  assert.deepEqual(date([]), [["date", at(0)]]);
  assert.deepEqual(date([["date", "foo"]]), [["date", at(0)]]);
  assert.deepEqual(date([["date", at(-60)]]), [["date", at(-60)]]);
  assert.deepEqual(date([["date", at(-60)], ["date", at(-30)]]), [["date", at(0)]]);
});

Deno.test("storable() Vary selects by the request's fields, * never (RFC 9111 §4.1)", () => {
  const varying = (vary: string, options = RFC9111) =>
    decide({
      fields: [FRESH, ["vary", vary]],
      request: request({ foo: "1, 2", "accept-language": "de, EN" }),
      options,
    });
  const selectedBy = (vary: string, options = RFC9111) => {
    const decision = varying(vary, options);
    return decision.store ? decision.selectedBy : decision.reason;
  };
  assert.deepEqual(selectedBy("Foo, Bar"), [["bar", null], ["foo", "1,2"]]);
  assert.deepEqual(selectedBy("Accept-Language"), [["accept-language", "de,en"]]);
  assert.deepEqual(selectedBy("Accept-Encoding", { ...RFC9111, ignoreVary: new Set(["accept-encoding"]) }), []);
  for (const vary of ["*", "*, *", ", *", "*, Foo", "Foo, *"]) assert.equal(selectedBy(vary), "vary", vary);
  assert.equal(selectedBy("*", { ...RFC9111, ignoreVary: new Set(["*"]) }), "vary");
  const lines: Field[] = [FRESH, ["vary", ""], ["vary", "*"]];
  assert.equal(refusal({ fields: lines }), "vary");
});

Deno.test("storable() nothing selected by a field that the origin never saw (RFC 9110 §7.6.1)", () => {
  const fields: Field[] = [FRESH, ["vary", "Accept-Language"]];
  const asking = (connection: string) => request({ "accept-language": "de", connection });
  assert.equal(refusal({ fields, request: asking("close, Accept-Language") }), "vary");
  assert.equal(refusal({ fields, request: asking("keep-alive, foo") }), null);
});

Deno.test("storable() keeps credentials out of what selects a response", () => {
  for (const name of ["cookie", "authorization", "x-api-key"]) {
    const fields: Field[] = [cacheControl("public, max-age=60"), ["vary", name]];
    assert.equal(refusal({ fields, request: request({ [name]: "secret" }) }), "vary", name);
    assert.deepEqual(decideStored({ fields }).selectedBy, [[name, null]], "the anonymous one is for the anonymous");
  }
});

Deno.test("storable() in mode ttl never what answers one client or one moment", () => {
  const routed = request({}, { routeTtl: ROUTE });
  for (const status of [401, 403, 407, 429, 500, 502, 503, 504]) {
    assert.equal(refusal({ status, fields: [FRESH], request: routed, options: TTL }), "status", String(status));
  }
  const everything = { ...TTL, rules: [rule({ ttlMs: 60_000 })] };
  for (const status of [401, 403, 429, 503]) assert.equal(refusal({ status, options: everything }), "status");
  const named = { ...TTL, rules: [rule({ status: [[400, 599]], ttlMs: 60_000 })] };
  for (const status of [401, 403, 407]) assert.equal(refusal({ status, options: named }), "status");
  for (const status of [429, 503]) assert.equal(refusal({ status, options: named }), null);
  const otherNamed = { ...TTL, rules: [rule({ status: [[404, 404]], ttlMs: 60_000 })] };
  assert.equal(refusal({ status: 503, fields: [FRESH], options: otherNamed }), "status");
});

Deno.test("storable() takes tiers of the rule and tags of the origin", () => {
  const tiers = { memory: false, disk: true, shared: false };
  const options = { ...RFC9111, rules: [rule({ contentType: (type) => type === "image/png", tiers })] };
  const fields: Field[] = [FRESH, ["content-type", "image/png"], ["surrogate-key", "b a"]];
  assert.deepEqual(decideStored({ fields, options }).tiers, tiers);
  assert.deepEqual(decideStored({ fields }).tiers, { memory: true, disk: true, shared: true });
  assert.deepEqual(decideStored({ fields }).tags, ["a", "b"]);
});

Deno.test("storable() remembers as uncacheable what will be so again, not what this request brought about", () => {
  const hitForMissMs = (response: Response) => {
    const decision = decide(response);
    return decision.store ? null : decision.hitForMissMs;
  };
  assert.ok((hitForMissMs({ fields: [cacheControl("no-store")] }) ?? 0) >= 10_000);
  assert.ok((hitForMissMs({ fields: [FRESH, ["set-cookie", "a=b"]] }) ?? 0) >= 10_000);
  assert.ok((hitForMissMs({ status: 503, options: TTL }) ?? Infinity) <= 1000);
  // Else a client with a wrong key would keep a document from being stored for all others.
  for (const status of [401, 403, 407]) {
    assert.equal(hitForMissMs({ status, options: TTL }), 0);
    assert.equal(hitForMissMs({ status, fields: [cacheControl("no-store")] }), 0);
  }
  assert.equal(hitForMissMs({ fields: [FRESH], request: request({ authorization: "x" }) }), 0);
  assert.equal(hitForMissMs({ fields: [FRESH], request: request({ "cache-control": "no-store" }) }), 0);
  assert.equal(hitForMissMs({ fields: [FRESH], request: request({}, { private: "session" }) }), 0);
});

Deno.test("storable() takes a coding for chosen by Accept-Encoding, whether or not Vary says so", () => {
  const asked = request({ "accept-encoding": "gzip, deflate, br", "accept-language": "de" });
  const cases: [fields: Field[], selectedBy: string, vary: string | null][] = [
    [[], "", null],
    [[["content-encoding", "gzip"]], "accept-encoding=br,gzip", "Accept-Encoding"],
    [[["content-encoding", "X-GZIP"], ["vary", "Accept-Encoding"]], "accept-encoding=br,gzip", "Accept-Encoding"],
    [
      [["content-encoding", "br"], ["vary", "Accept-Language"]],
      "accept-encoding=br,gzip accept-language=de",
      "Accept-Language, Accept-Encoding",
    ],
    // No coding that anybody could refuse.
    [[["content-encoding", "identity"]], "", null],
    [[["content-encoding", "utf-8"]], "", null],
  ];
  for (const [fields, selectedBy, vary] of cases) {
    const stored = decideStored({ fields: [FRESH, ...fields], request: asked });
    assert.equal(stored.selectedBy.map((pair) => pair.join("=")).join(" "), selectedBy, JSON.stringify(fields));
    assert.equal(stored.fields.find(([name]) => name === "vary")?.[1] ?? null, vary);
  }
  const known = { ...asked, isNegotiated: true };
  assert.equal(decideStored({ fields: [FRESH], request: known }).selectedBy.length, 1, "its target has coded variants");
  const options = { ...RFC9111, ignoreVary: new Set(["accept-encoding"]) };
  assert.equal(
    decideStored({ fields: [FRESH, ["content-encoding", "gzip"]], request: asked, options }).selectedBy.length,
    0,
  );
});
