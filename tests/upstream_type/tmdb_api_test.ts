import assert from "node:assert/strict";
import type { Fields } from "../../lib/http/fields.ts";
import { findTmdbRoute, tmdbRoutes } from "../../lib/upstream_type/_tmdb_routes.ts";
import { removedFromAll, tmdbDropFields } from "../../lib/upstream_type/_tmdb_type.ts";
import { upstreamTypes } from "../../lib/upstream_type/registry.ts";
import { TmdbApi } from "../../lib/upstream_type/tmdb_api.ts";
import type { KeyEvent } from "../../lib/upstream_type/upstream_type.ts";
import { outgoing, readToken, requestFor, typeOptions, userToken } from "./_requests.ts";

const plain = new TmdbApi(typeOptions());
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

const links = upstreamTypes.traits("tmdb-api")!.links!;
const places = (path: string, query = "") => links.places({ method: "GET", path, query, header: () => null });

Deno.test("TmdbApi.links are the two base addresses of the configuration, and nothing of other documents", () => {
  const both = [["images", "base_url"], ["images", "secure_base_url"]];
  assert.deepEqual(places("/3/configuration"), both);
  assert.deepEqual(places("/3/configuration", "append_to_response=countries"), both);
  assert.deepEqual(places("/3/configuration/"), both);
  for (const path of ["/3/configuration/countries", "/4/configuration", "/configuration", "/3/movie/550"]) {
    assert.equal(places(path), null, path);
  }
});

Deno.test("TmdbApi.links lead to a type that there is, and belong to the API alone", () => {
  assert.equal(upstreamTypes.traits(links.type)?.links, null);
  assert.equal(upstreamTypes.traits("custom")?.links, null);
});

/** Real paths of every pattern of the table. */
function pathsOf(pattern: string): string[] {
  if (pattern.endsWith("/**")) return ["", "/x", "/x/y"].flatMap((rest) => pathsOf(pattern.slice(0, -3) + rest));
  const filled = pattern.replaceAll("*", "1");
  const choice = /\{([^}]*)\}/.exec(filled);
  if (choice === null) return [filled];
  return choice[1]!.split(",").flatMap((word) => pathsOf(filled.replace(choice[0], word)));
}

Deno.test("TmdbApi.classify() shares no private path of the table, by any method", () => {
  const rows = tmdbRoutes.filter((route) => route.private !== null);
  const paths = rows.flatMap((route) => route.paths.flatMap(pathsOf));
  assert.ok(paths.length >= 25, String(paths.length));
  for (const path of paths) {
    for (const method of ["GET", "HEAD", "POST", "PUT", "DELETE"]) {
      const found = plain.classify(requestFor(path, { method }));
      assert.ok(found.private !== null && found.ttl === null && !found.sharedAuthorization, `${method} ${path}`);
    }
  }
});

Deno.test("TmdbApi.classify() shares every other path of the table, for GET and HEAD of applications alone", () => {
  for (const route of tmdbRoutes.filter((route) => route.private === null)) {
    for (const path of route.paths.flatMap(pathsOf)) {
      const fields = { authorization: `Bearer ${readToken}` };
      for (const request of [requestFor(path), requestFor(path, { method: "HEAD" }), requestFor(path, { fields })]) {
        assert.deepEqual(plain.classify(request), {
          name: route.name,
          private: null,
          sharedAuthorization: true,
          ttl: route.ttl,
        });
      }
      for (const method of ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"]) {
        assert.notEqual(plain.classify(requestFor(path, { method })).private, null, `${method} ${path}`);
      }
    }
  }
});

Deno.test("TmdbApi.classify() shares nothing that names a user", () => {
  const authorizations = [`Bearer ${userToken}`, "Bearer opaque", "Basic YTpi"];
  for (const authorization of authorizations) {
    assert.notEqual(
      plain.classify(requestFor("/3/movie/550", { fields: { authorization } })).private,
      null,
      authorization,
    );
  }
  for (const query of ["session_id=1", "guest_session_id=1", "append_to_response=account_states&session_id=1"]) {
    assert.notEqual(plain.classify(requestFor(`/3/movie/550?${query}`)).private, null, query);
  }
});

Deno.test("TmdbApi.classify() shares appended account states where nobody is named: by a key or a read token, but not by a user's token", () => {
  const target = "/3/movie/550?append_to_response=account_states,credits";
  assert.equal(plain.classify(requestFor(target)).private, null);
  const byUser = requestFor(target, { fields: { authorization: `Bearer ${userToken}` } });
  assert.equal(plain.classify(byUser).private, "user-authorization");
  assert.equal(plain.classify(requestFor("/3/movie/550/account_states")).private, "user-state");
});

Deno.test("TmdbApi.classify() does not tell values of the request in its reason", () => {
  const found = plain.classify(requestFor("/3/movie/550?session_id=secret"));
  assert.ok(!found.private!.includes("secret"));
});

Deno.test("findTmdbRoute() proves a key only where a 401 cannot be about a session", () => {
  assert.ok(findTmdbRoute("/3/movie/550").provesKey && findTmdbRoute("/3/configuration").provesKey);
  for (const path of ["/3/account", "/3/list/1", "/4/list/1", "/3/movie/550/account_states", "/3/unknown"]) {
    assert.ok(!findTmdbRoute(path).provesKey, path);
  }
});

Deno.test("removedFromAll names fields in lower case, each once, and removes them", () => {
  const names = removedFromAll.map(([name]) => name);
  assert.equal(new Set(names).size, names.length);
  assert.ok(removedFromAll.every(([name, value]) => name === name.toLowerCase() && value === null));
  const ofUsers = ["cookie", "dnt", "origin", "purpose", "referer", "sec-gpc", "sec-purpose", "x-requested-with"];
  const ofBrowsers = ["dest", "mode", "site", "user"].map((name) => `sec-fetch-${name}`);
  const ofOthers = ["x-http-method", "x-http-method-override", "x-method-override", "x-original-url", "x-rewrite-url"];
  const hints = ["sec-ch-ua", "sec-ch-ua-mobile", "sec-ch-ua-platform", "upgrade-insecure-requests"];
  for (const name of [...ofUsers, ...ofBrowsers, ...ofOthers, ...hints]) assert.ok(names.includes(name), name);
});

Deno.test("tmdbDropFields holds what would mislead clients, and nothing that they need", () => {
  for (const name of ["x-memc", "alt-svc", "set-cookie", "x-ratelimit-remaining"]) {
    assert.ok(tmdbDropFields.has(name), name);
  }
  for (const name of ["etag", "cache-control", "content-type", "vary", "retry-after"]) {
    assert.ok(!tmdbDropFields.has(name));
  }
});
