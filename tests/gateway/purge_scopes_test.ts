import assert from "node:assert/strict";
import { type PurgeOrder, purgeScopes } from "../../lib/gateway/purge_scopes.ts";
import { configOf } from "./config_of.ts";

const upstreams = ["http://127.0.0.1:9"];
const config = await configOf({
  pools: {
    api: { type: "tmdb-api", health: false, upstreams },
    art: { type: "custom", health: false, upstreams },
    images: { type: "tmdb-image", health: false, upstreams },
  },
  listeners: [
    { name: "api", listen: "127.0.0.1:1", prefix: "/3", pool: "api" },
    {
      name: "art",
      listen: "127.0.0.1:1",
      prefix: "/art",
      strip_prefix: true,
      pool: "art",
      cache: { query: { exclude: ["utm_*"] } },
    },
    { name: "small", listen: "127.0.0.1:3", prefix: "/t/p", pool: "images", images: { max_size: { width: 500 } } },
    { name: "site", listen: "127.0.0.1:2", host: ["site.example", "*.site.example"], pool: "art" },
    { name: "rest", listen: "127.0.0.1:2", pool: "art" },
  ],
});

function planOf(order: Partial<PurgeOrder>): unknown {
  const plan = purgeScopes(config, { by: "all", value: "", listener: null, hard: false, ...order });
  return plan.ok ? plan.scopes : plan.problem;
}

Deno.test("purgeScopes() finds the listeners that a URL's request would come to, and its key there", () => {
  const url = (value: string, listener: string | null = null) => planOf({ by: "url", value, listener });
  assert.deepEqual(url("/3/movie/550?language=de&api_key=secret&a=%62"), [
    { kind: "url", listener: "api", target: "/3/movie/550?a=b&language=de" },
    { kind: "url", listener: "site", target: "/3/movie/550?language=de&api_key=secret&a=%62" },
    { kind: "url", listener: "rest", target: "/3/movie/550?language=de&api_key=secret&a=%62" },
  ]);
  assert.deepEqual(url("http://anything:8080/art/a.jpg?utm_source=x&v=1#top", "art"), [
    { kind: "url", listener: "art", target: "/a.jpg?v=1" },
  ]);
  assert.deepEqual(url("/t/p/original//a.jpg", "small"), [{
    kind: "url",
    listener: "small",
    target: "/t/p/w500/a.jpg",
  }]);
  const names = (scopes: unknown) => (scopes as { listener: string }[]).map(({ listener }) => listener);
  assert.deepEqual(names(url("http://www.site.example/a")), ["site"]);
  assert.deepEqual(names(url("http://other.example/a")), ["rest"]);
  assert.equal(url("/artful", "art"), 'No listener "art" serves "/artful"');
});

Deno.test("purgeScopes() finds listeners in whatever spelling of the same bytes a path is given", () => {
  const art = (by: PurgeOrder["by"], value: string) => planOf({ by, value, listener: "art" });
  assert.deepEqual(art("url", "/%61rt/%7ea.jpg"), [{ kind: "url", listener: "art", target: "/~a.jpg" }]);
  assert.deepEqual(art("url", "/x/../art/./caf\u00e9"), [{ kind: "url", listener: "art", target: "/caf%C3%A9" }]);
  assert.deepEqual(art("prefix", "/ar%74/caf%c3%a9/"), [{ kind: "prefix", listener: "art", prefix: "/caf%C3%A9/" }]);
  assert.deepEqual(art("glob", "/%61rt/*"), [{ kind: "glob", listener: "art", pattern: "/art/*", base: "/art" }]);
  assert.equal(art("url", "/%2561rt/a"), 'No listener "art" serves "/%2561rt/a"');
});

Deno.test("purgeScopes() finds what rules make of a URL, beside the URL itself", async () => {
  const rules = [{
    when: { path: "/v3/**" },
    request: { rewrite: { to: "/api/$1" }, query: { remove: ["utm_*"] } },
  }];
  const ruled = await configOf({
    pools: { any: { type: "custom", health: false, upstreams } },
    listeners: [{ name: "any", listen: "127.0.0.1:1", prefix: "/pre", strip_prefix: true, pool: "any", rules }],
  });
  const order = { by: "url", listener: null, hard: false } as const;
  const targets = (value: string) => {
    const plan = purgeScopes(ruled, { ...order, value });
    return plan.ok ? plan.scopes.map((scope) => scope.kind === "url" ? scope.target : scope.kind) : plan.problem;
  };
  assert.deepEqual(targets("/pre/v3/film?utm_source=x&q=1"), ["/v3/film?utm_source=x&q=1", "/api/film?q=1"]);
  assert.deepEqual(targets("/pre/film"), ["/film"]);
});

Deno.test("purgeScopes() finds what rules make of paths, for clients of which it knows nothing too", async () => {
  const rules = [
    { when: { path: "/v3/**" }, request: { rewrite: { from: "^/v3/(.*)$", to: "/api/$1" } } },
    { when: { path: "/k/**", header: { "x-app": "kodi*" } }, request: { rewrite: { to: "/kodi/$1" } } },
    { when: { path: "/t/*/cast", client: "10.0.0.0/8" }, request: { rewrite: { to: "/cast/$1" } } },
    { when: { path: "/gone" }, redirect: { to: "/v3/gone" } },
  ];
  for (const prefix of ["", "/pre"]) {
    const ruled = await configOf({
      pools: { any: { type: "custom", health: false, upstreams } },
      listeners: [{
        name: "any",
        listen: ":1",
        pool: "any",
        rules,
        ...(prefix === "" ? {} : { prefix, strip_prefix: true }),
      }],
    });
    const found = (by: PurgeOrder["by"], value: string) => {
      const plan = purgeScopes(ruled, { by, value: prefix + value, listener: null, hard: false });
      assert.ok(plan.ok);
      return plan.scopes.map((scope) =>
        scope.kind === "url"
          ? scope.target
          : scope.kind === "prefix"
          ? scope.prefix
          : scope.kind === "glob"
          ? scope.pattern.slice(scope.base?.length ?? 0)
          : scope.kind
      );
    };
    assert.deepEqual(found("url", "/k/a?q=1"), ["/k/a?q=1", "/kodi/a?q=1"]);
    assert.deepEqual(found("url", "/gone"), ["/gone"]);
    assert.deepEqual(found("prefix", "/v3/film/"), ["/v3/film/", "/api/film/"]);
    assert.deepEqual(found("prefix", "/t/"), ["/t/", "/cast/"]);
    assert.deepEqual(found("prefix", "/other/"), ["/other/"]);
    assert.deepEqual(found("glob", "/v3/*/x?q=*"), ["/v3/*/x?q=*", "/api/*/x?q=*"]);
    assert.deepEqual(found("glob", "/t/*/cast"), ["/t/*/cast", "/cast/*"]);
  }
});

Deno.test("purgeScopes() reads prefixes as clients do, where the listener strips its own too", () => {
  const prefix = (value: string, listener: string | null = null) => planOf({ by: "prefix", value, listener });
  assert.deepEqual(prefix("/art/posters/", "art"), [{ kind: "prefix", listener: "art", prefix: "/posters/" }]);
  assert.deepEqual(prefix("/art?v=", "art"), [{ kind: "prefix", listener: "art", prefix: "/?v=" }]);
  for (const whole of ["/", "/ar", "/art", "/art/"]) {
    assert.deepEqual(prefix(whole, "art"), [{ kind: "all", listener: "art" }], whole);
  }
  assert.equal(prefix("/artful/", "art"), 'No listener "art" serves "/artful/"');
  assert.deepEqual(prefix("/3/movie/5", "api"), [{ kind: "prefix", listener: "api", prefix: "/3/movie/5" }]);
});

Deno.test("purgeScopes() holds patterns against what clients ask for", () => {
  const glob = (value: string, listener: string | null = null) => planOf({ by: "glob", value, listener });
  assert.deepEqual(glob("/art/*.jpg", "art"), [{ kind: "glob", listener: "art", pattern: "/art/*.jpg", base: "/art" }]);
  assert.deepEqual(glob("/3/**/images", "api"), [{ kind: "glob", listener: "api", pattern: "/3/**/images" }]);
  assert.equal(glob("/4/**", "api"), 'No listener "api" serves "/4/**"');
  assert.equal((glob("**/a") as unknown[]).length, config.listeners.length);
});

Deno.test("purgeScopes() leaves tags and everything to the rules, and knows a listener's name from a slip", () => {
  assert.deepEqual(planOf({ by: "tag", value: "movie:550", listener: "api" }), [
    { kind: "tag", listener: "api", tag: "movie:550" },
  ]);
  assert.deepEqual(planOf({}), [{ kind: "all", listener: null }]);
  assert.equal(planOf({ listener: "sites" }), 'There is no listener "sites"; did you mean "site"?');
  assert.equal(planOf({ listener: "xyzzy" }), 'There is no listener "xyzzy"');
});
