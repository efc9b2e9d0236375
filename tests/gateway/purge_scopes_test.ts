import assert from "node:assert/strict";
import { type PurgeOrder, purgeScopes } from "../../lib/gateway/purge_scopes.ts";
import { configOf } from "./config_of.ts";

const config = await configOf({
  pools: {
    p: { type: "custom", upstreams: ["http://127.0.0.1:9"] },
    tmdb: { type: "tmdb-api", upstreams: ["http://127.0.0.1:9"] },
  },
  listeners: [
    { name: "kept", listen: "127.0.0.1:6635", prefix: "/kept", pool: "p" },
    { name: "stripped", listen: "127.0.0.1:6635", prefix: "/stripped", strip_prefix: true, pool: "p" },
    { name: "hosted", listen: "127.0.0.1:6635", host: "films.test", pool: "tmdb" },
  ],
});

function planOf(order: Partial<PurgeOrder>) {
  return purgeScopes(config, { by: "all", value: "", listener: null, hard: true, ...order });
}

function scopesOf(order: Partial<PurgeOrder>) {
  const plan = planOf(order);
  assert.ok(plan.ok, JSON.stringify(plan));
  return plan.scopes;
}

Deno.test("purgeScopes() takes a URL as clients send it to the listener that serves it", () => {
  assert.deepEqual(scopesOf({ by: "url", value: "http://any.test/kept/a?q=1" }), [{
    kind: "url",
    listener: "kept",
    target: "/kept/a?q=1",
  }]);
  assert.deepEqual(scopesOf({ by: "url", value: "http://any.test/stripped/a#part" }), [{
    kind: "url",
    listener: "stripped",
    target: "/a",
  }]);
});

Deno.test("purgeScopes() keys a URL as the type does: credentials and the order of parameters do not matter", () => {
  const [one] = scopesOf({ by: "url", value: "http://films.test/3/movie/1?language=de&api_key=x&page=2" });
  const [two] = scopesOf({ by: "url", value: "http://films.test/3/movie/1?page=2&language=de" });
  assert.deepEqual(one, two);
  assert.equal(one!.listener, "hosted");
});

Deno.test("purgeScopes() takes a path to every listener that could serve it", () => {
  assert.deepEqual(scopesOf({ by: "url", value: "/kept/a" }).map(({ listener }) => listener), ["kept", "hosted"]);
});

Deno.test("purgeScopes() takes a beginning of paths to what lies under it, on segment boundaries", () => {
  const of = (value: string, listener: string) => scopesOf({ by: "prefix", value, listener });
  assert.deepEqual(of("/kept", "kept"), [{ kind: "all", listener: "kept" }]);
  assert.deepEqual(of("/", "kept"), [{ kind: "all", listener: "kept" }]);
  assert.deepEqual(of("/kept/a", "kept"), [{ kind: "prefix", listener: "kept", prefix: "/kept/a" }]);
  assert.deepEqual(of("/stripped/a", "stripped"), [{ kind: "prefix", listener: "stripped", prefix: "/a" }]);
  assert.equal(planOf({ by: "prefix", value: "/keptnot", listener: "kept" }).ok, false);
});

Deno.test("purgeScopes() takes patterns, tags and everything", () => {
  assert.deepEqual(scopesOf({ by: "glob", value: "/stripped/*", listener: "stripped" }), [
    { kind: "glob", listener: "stripped", pattern: "/stripped/*", base: "/stripped" },
  ]);
  assert.deepEqual(scopesOf({ by: "tag", value: "film", listener: "kept" }), [{
    kind: "tag",
    listener: "kept",
    tag: "film",
  }]);
  assert.deepEqual(scopesOf({ by: "all" }), [{ kind: "all", listener: null }]);
});

Deno.test("purgeScopes() says which listener may be meant, and that none serves a path", () => {
  const unknown = planOf({ by: "all", listener: "keptt" });
  assert.deepEqual(unknown, { ok: false, problem: 'There is no listener "keptt"; did you mean "kept"?' });
  const unserved = planOf({ by: "url", value: "/other", listener: "kept" });
  assert.deepEqual(unserved, { ok: false, problem: 'No listener "kept" serves "/other"' });
});
