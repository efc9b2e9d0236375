import assert from "node:assert/strict";
import type { Fields } from "../../lib/http/fields.ts";
import { TmdbApi } from "../../lib/upstream_type/tmdb_api.ts";
import type { KeyEvent } from "../../lib/upstream_type/upstream_type.ts";
import { outgoing, readToken, requestFor, typeOptions, userToken } from "./_requests.ts";

const KEYS = ["a".repeat(32), "b".repeat(32), "c".repeat(32)];
const JSON_TYPE: Fields = [["content-type", "application/json;charset=utf-8"]];
const HTML: Fields = [["content-type", "text/html"]];

Deno.test("TmdbApi.keyTarget() is one key for all applications and spellings", () => {
  const type = new TmdbApi(typeOptions());
  const targets = [
    "/3/movie/550?append_to_response=credits,images&language=de",
    `/3/movie/550?api_key=${KEYS[0]}&&language=de&append_to_response=images%2Ccredits`,
    `/3/movie/550?language=de&api_key=${KEYS[1]}&append_to_response=images,credits,images`,
  ];
  const keys = targets.map((target) => type.keyTarget(requestFor(target)));
  assert.deepEqual(new Set(keys), new Set(["/3/movie/550?append_to_response=credits,images&language=de"]));
  assert.equal(type.keyTarget(requestFor("/3/movie/550?api_key=x")), "/3/movie/550");
  assert.notEqual(
    type.keyTarget(requestFor("/3/movie/550?a=1%26b=2")),
    type.keyTarget(requestFor("/3/movie/550?a=1&b=2")),
  );
});

Deno.test("TmdbApi.keyTarget() never holds a credential of a request that may be stored", () => {
  const type = new TmdbApi(typeOptions());
  const secret = "deadbeefdeadbeefdeadbeefdeadbeef";
  const spellings = [
    "api_key=S",
    "API_KEY=S",
    "api%5Fkey=S",
    "%61pi_key=S",
    "a=1;api_key=S",
    "a=1%26api_key=S",
    "a=1&session_id=S",
  ];
  for (const spelling of spellings) {
    const request = requestFor(`/3/movie/550?${spelling.replace("S", secret)}`);
    const storable = type.classify(request).private === null;
    assert.ok(!storable || !type.keyTarget(request).includes(secret), spelling);
  }
});

Deno.test("TmdbApi.outgoing() fixes what a shared response must not depend on, and leaves users' requests", () => {
  const type = new TmdbApi(typeOptions({ apiKeys: [KEYS[0]!] }));
  const shared = new Map(outgoing(type, requestFor("/3/movie/550")).set);
  assert.equal(shared.get("accept"), "application/json");
  for (const name of ["cookie", "accept-language", "origin", "x-http-method-override"]) {
    assert.equal(shared.get(name), null);
  }
  const user = outgoing(type, requestFor("/3/account?session_id=1"));
  assert.equal(user.query, `session_id=1&api_key=${KEYS[0]}`);
  assert.equal(new Map(user.set).get("accept"), undefined);
  const token = outgoing(type, requestFor("/4/account/1/lists", { fields: { authorization: `Bearer ${userToken}` } }));
  assert.deepEqual([token.query, token.credential, new Map(token.set).get("authorization")], ["", null, undefined]);
});

Deno.test("TmdbApi.outgoing() gives a read token as Authorization", () => {
  const type = new TmdbApi(typeOptions({ apiKeys: [readToken] }));
  const { query, set } = outgoing(type, requestFor("/3/movie/550?language=de"));
  assert.equal(query, "language=de");
  assert.equal(new Map(set).get("authorization"), `Bearer ${readToken}`);
});

Deno.test("TmdbApi.judge() tells answers, limits, failures and block pages apart", () => {
  const type = new TmdbApi(typeOptions());
  const rows: Array<readonly [status: number, fields: Fields, judgement: string]> = [
    [200, JSON_TYPE, "ok"],
    [200, [["content-type", "text/javascript"]], "ok"],
    [200, HTML, "wrong_content"],
    [200, [], "wrong_content"],
    [200, [["content-type", "image/png"]], "wrong_content"],
    [201, JSON_TYPE, "ok"],
    [204, [], "ok"],
    [304, [], "ok"],
    [302, HTML, "wrong_content"],
    [400, HTML, "ok"],
    [401, JSON_TYPE, "ok"],
    [403, HTML, "wrong_content"],
    [404, JSON_TYPE, "ok"],
    [404, HTML, "wrong_content"],
    [429, HTML, "limited"],
    [500, JSON_TYPE, "failed"],
    [503, HTML, "wrong_content"],
    [504, [], "failed"],
    [401, HTML, "wrong_content"],
    [401, JSON_TYPE, "ok"],
  ];
  for (const [status, fields, judgement] of rows) {
    assert.equal(type.judge({ status, fields }, null), judgement, `${status} ${fields}`);
  }
});

Deno.test("TmdbApi takes a revoked and a limited key out of use and says so without naming them", () => {
  const events: KeyEvent[] = [];
  const type = new TmdbApi(typeOptions({ apiKeys: KEYS, onKeyEvent: (event) => events.push(event) }));
  const answers = new Map([[KEYS[0], 401], [KEYS[1], 429], [KEYS[2], 200]]);
  const ask = () => {
    const { query, credential } = outgoing(type, requestFor("/3/movie/550"));
    const status = answers.get(new URLSearchParams(query).get("api_key")!)!;
    return type.judge({ status, fields: [...JSON_TYPE, ["retry-after", "5"]] }, credential);
  };
  assert.deepEqual([1, 2, 3, 4, 5].map(ask), ["credential", "credential", "ok", "ok", "ok"]);
  assert.deepEqual(events, [{ key: 1, event: "refused", untilMs: 60_000 }, {
    key: 2,
    event: "limited",
    untilMs: 5000,
  }]);
  assert.deepEqual(type.credentials().map(({ state }) => state), ["refused", "limited", "ready"]);
});

Deno.test("TmdbApi.judge() passes TMDB's own answer on when no key is left to try", () => {
  const type = new TmdbApi(typeOptions({ apiKeys: [KEYS[0]!] }));
  const judge = (status: number) =>
    type.judge({ status, fields: JSON_TYPE }, outgoing(type, requestFor("/3/movie/1")).credential);
  assert.equal(judge(401), "ok");
  assert.equal(judge(429), "limited");
});

Deno.test("TmdbApi.judge() lets nobody eject keys by asking for what needs a session", () => {
  const type = new TmdbApi(typeOptions({ apiKeys: KEYS }));
  for (
    const target of ["/3/account", "/3/movie/550/account_states", "/4/list/1", "/3/movie/1?session_id=x", "/3/unknown"]
  ) {
    const { credential } = outgoing(type, requestFor(target));
    assert.equal(type.judge({ status: 401, fields: JSON_TYPE }, credential), "ok", target);
  }
  assert.ok(type.credentials().every(({ state }) => state === "ready"));
});

Deno.test("TmdbApi.judge() does not take what something on the way says for TMDB's word on a key", () => {
  const type = new TmdbApi(typeOptions({ apiKeys: KEYS }));
  const judge = (fields: Fields) =>
    type.judge({ status: 401, fields }, outgoing(type, requestFor("/3/movie/1")).credential);
  assert.equal(judge(HTML), "wrong_content");
  assert.equal(judge([["content-type", "text/plain"]]), "ok");
  assert.equal(judge([]), "ok");
  assert.ok(type.credentials().every(({ state }) => state === "ready"));
  assert.equal(judge(JSON_TYPE), "credential");
});

Deno.test("TmdbApi.judge() blames the upstream, not the key, where another upstream takes the key", () => {
  for (const [taker, judgement] of [["b", "refusing"], [null, "disputed"]] as const) {
    const credentials = { upstreams: 2 };
    const type = new TmdbApi(typeOptions({ apiKeys: KEYS.slice(0, 1), credentials, now: () => 1e12 }));
    const judge = (status: number, id: string) => {
      const from = { id, mayAskOther: () => true, asksFor: () => false };
      return type.judge({ status, fields: JSON_TYPE }, outgoing(type, requestFor("/3/movie/1")).credential, from);
    };
    if (taker !== null) assert.equal(judge(200, taker), "ok");
    assert.equal(judge(401, "a"), judgement);
    assert.deepEqual(type.credentials().map(({ state }) => state), ["ready"]);
  }
});

Deno.test("TmdbApi.ignoreVary names what it fixes or removes where a response is shared", () => {
  const names = ["accept", "accept-encoding", "accept-language", "authorization", "cookie", "origin"];
  assert.deepEqual([...new TmdbApi(typeOptions()).ignoreVary].sort(), names);
});

Deno.test("TmdbApi takes content types from its options", () => {
  const type = new TmdbApi(typeOptions({ contentTypes: { allow: ["text/html"], deny: [] } }));
  assert.equal(type.judge({ status: 200, fields: HTML }, null), "ok");
  assert.equal(type.judge({ status: 200, fields: JSON_TYPE }, null), "wrong_content");
});

Deno.test("TmdbApi.check goes out with a key like any request", () => {
  const type = new TmdbApi(typeOptions({ apiKeys: [KEYS[0]!] }));
  assert.ok(!type.check.target.includes("api_key"));
  // A refused key, or one that is limited, says that the host is well.
  assert.deepEqual(type.check.status, [[200, 299], [401, 401], [429, 429]]);
  assert.equal(outgoing(type, requestFor(type.check.target)).query, `api_key=${KEYS[0]}`);
});

Deno.test("TmdbApi.refusedBecause() says in TMDB's words why a key was refused", () => {
  const type = new TmdbApi(typeOptions());
  assert.match(type.refusedBecause('{"status_code":10}')!, /suspended/);
  assert.equal(type.refusedBecause("{}"), null);
});
