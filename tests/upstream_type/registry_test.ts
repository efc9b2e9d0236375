import assert from "node:assert/strict";
import { loadConfig } from "../../lib/config/load.ts";
import { balancerNames } from "../../lib/pool/balancer_registry.ts";
import { tmdbRoutes } from "../../lib/upstream_type/_tmdb_routes.ts";
import { Custom } from "../../lib/upstream_type/custom.ts";
import { UpstreamTypes, upstreamTypes } from "../../lib/upstream_type/registry.ts";
import { plainPool, sentField, withGateway, withOrigins } from "../pipeline/in_process_gateway.ts";
import { FilmArchive } from "./_film_archive.ts";
import { typeOptions } from "./_requests.ts";

Deno.test("UpstreamTypes.create() makes every type it names", () => {
  assert.deepEqual(upstreamTypes.names, ["tmdb-api", "tmdb-image", "custom"]);
  for (const name of upstreamTypes.names) assert.equal(upstreamTypes.create(name, typeOptions()).name, name);
});

Deno.test("UpstreamTypes.create() says which names there are", () => {
  assert.throws(() => upstreamTypes.create("tmdb", typeOptions()), {
    name: "RangeError",
    message: 'Cannot create an upstream type: "tmdb" is none of tmdb-api, tmdb-image, custom',
  });
});

const refusedCheck = (name: string, target: string) => upstreamTypes.traits(name)!.refusedCheck(target);

Deno.test("UpstreamType.refusedCheck() lets no check change anything or ask about a user, over the whole table", () => {
  for (const route of tmdbRoutes) {
    for (const pattern of route.paths) {
      const path = pattern.replaceAll(/\{([^,}]*)[^}]*\}/g, "$1").replace("/**", "/1").replaceAll("*", "1");
      assert.equal(refusedCheck("tmdb-api", path) === null, route.private === null, path);
      assert.notEqual(refusedCheck("tmdb-api", `${path}?guest_session_id=a`), null, path);
    }
  }
  assert.equal(refusedCheck("tmdb-api", "/healthz"), null);
  assert.equal(refusedCheck("tmdb-image", "/t/p/w92/a.jpg"), null);
  assert.equal(refusedCheck("custom", "/3/authentication/token/new"), null);
  assert.equal(upstreamTypes.traits("no-such-type"), null);
});

const types = new UpstreamTypes([
  FilmArchive,
  Custom,
]);

const HOUR_MS = 3_600_000;

/** Mistakes and warnings of a configuration with one pool of the type. */
async function findings(pool: Readonly<Record<string, unknown>>): Promise<string[]> {
  const loaded = await loadConfig("config.yaml", {
    types,
    strategies: balancerNames,
    readTextFile: () =>
      Promise.resolve(JSON.stringify({
        pools: { p: { type: "film-archive", upstreams: ["https://archive.example"], ...pool } },
        listeners: [{ name: "l", pool: "p" }],
      })),
    env: () => undefined,
    cores: 1,
    cwd: "/etc/usher",
  });
  return (loaded.ok ? loaded.warnings : loaded.problems).map(({ path, message }) => `${path}: ${message}`);
}

Deno.test("a fourth type is checked by its traits: the form of its keys, and what only others have", async () => {
  assert.deepEqual(await findings({ api_keys: ["FA-123456"] }), []);
  assert.match((await findings({ api_keys: ["0123456789abcdef0123456789abcdef"] }))[0]!, /a key of the archive/);
  assert.match((await findings({ api_keys: ["FA-000000"] }))[0]!, /the key of the examples/);
  assert.match((await findings({ upgrade: ["websocket"] }))[0]!, /only custom has upgrades/);
  assert.match((await findings({ change_feed: true }))[0]!, /expected none on a pool of type film-archive/);
  assert.match((await findings({ type: "tmdb-api" }))[0]!, /expected one of film-archive, custom/);
});

Deno.test("a fourth type is served by its traits: its key, its legal cap, its cookies, its signature checks", () =>
  withOrigins(
    [
      // Cut short: what says that it is JSON and is none is a failed try.
      (exchange) => exchange.reply({ fields: [["content-type", "application/json"]], body: '{"title":' }),
      (exchange) => exchange.reply({ fields: [["content-type", "application/json"]], body: '{"title":"M"}' }),
    ],
    (broken, sound) => {
      const pool = plainPool([broken!.url, sound!.url], { type: "film-archive", api_keys: ["FA-123456"] });
      const listeners = [{ name: "l", pool: "p", cache: { mode: "ttl", rules: [{ ttl: "30d" }] } }];
      return withGateway({ types, pools: { p: pool }, listeners }, async ({ ask, clock }) => {
        assert.equal((await ask("/films/1")).text, '{"title":"M"}');
        assert.equal(sentField(sound!, "x-archive-key"), "FA-123456");
        const asked = () => broken!.heads.length + sound!.heads.length;
        assert.equal(asked(), 2);
        clock.advance(HOUR_MS - 1_000);
        assert.match((await ask("/films/1", { headers: { cookie: "theme=dark" } })).cacheStatus, /hit/);
        assert.equal(asked(), 2);
        clock.advance(2_000);
        assert.doesNotMatch((await ask("/films/1")).cacheStatus, /; hit/);
      });
    },
  ));
