// Comes first: the modules of the configuration read the names of types once.
import "./_film_archive.ts";
import assert from "node:assert/strict";
import { loadConfig } from "../../lib/config/load.ts";
import { plainPool, sentField, withGateway, withOrigins } from "../pipeline/in_process_gateway.ts";

const HOUR_MS = 3_600_000;

/** Mistakes and warnings of a configuration with one pool of the type. */
async function findings(pool: Readonly<Record<string, unknown>>): Promise<string[]> {
  const loaded = await loadConfig("config.yaml", {
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
  assert.match((await findings({ type: "film" }))[0]!, /expected one of tmdb-api, tmdb-image, custom, film-archive/);
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
      return withGateway({ pools: { p: pool }, listeners }, async ({ ask, clock }) => {
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
