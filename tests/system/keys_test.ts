import assert from "node:assert/strict";
import { readExposition } from "../metrics/exposition_text.ts";
import { startTmdbOrigin, type TmdbOrigin } from "../origins/tmdb_origin.ts";
import { eventually } from "../eventually.ts";
import { type RunningGateway, startGateway } from "./_gateway.ts";
import { testConfig } from "./test_config.ts";

const REVOKED = "1111aaaa2222bbbb3333cccc4444dddd";
const LIMITED = "5555aaaa6666bbbb7777cccc8888dddd";
const GOOD = "9999aaaa0000bbbb1111cccc2222dddd";

function uses(origin: TmdbOrigin, key: string): number {
  return origin.requests.filter(({ target }) => target.includes(key)).length;
}

/** Asks for paths that nobody asked for before, each over a connection of its own, so that both workers get some. */
async function askCold(gateway: RunningGateway, { from, times, atOnce }: Record<"from" | "times" | "atOnce", number>) {
  const client = Deno.createHttpClient({ poolMaxIdlePerHost: 0 });
  const statuses = new Set<number>();
  let next = from;
  const askOneByOne = async () => {
    while (next < from + times) {
      const url = `${gateway.url}/3/search/movie?query=fight%20${next++}`;
      const response = await fetch(url, { client, headers: { connection: "close" } });
      statuses.add(response.status);
      assert.equal((await response.json()).status_code, undefined);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, askOneByOne));
  client.close();
  return statuses;
}

async function metricsOf(gateway: RunningGateway) {
  const text = await (await fetch(`${gateway.adminUrl}/metrics`)).text();
  const { samples } = readExposition(text);
  const value = (name: string, labels: Record<string, string>) =>
    samples.find((sample) =>
      sample.name === name && Object.entries(labels).every(([label, wanted]) => sample.labels[label] === wanted)
    )?.value;
  return { text, value };
}

async function keysOf(gateway: RunningGateway): Promise<readonly Record<string, unknown>[]> {
  const [pool] = (await gateway.status()).pools;
  return (pool as unknown as { keys: readonly Record<string, unknown>[] }).keys;
}

Deno.test("with a revoked and a limited key among three clients see no error, and metrics, status and log say which", async (t) => {
  const origin = await startTmdbOrigin({ keys: [LIMITED, GOOD] });
  origin.keys.set(LIMITED, "limited");
  origin.accounts.retryAfterSeconds = 300;
  const gateway = await startGateway({
    config: (places) =>
      testConfig(places, {
        logging: { format: "json", access: "all" },
        pools: {
          films: {
            type: "tmdb-api",
            health: false,
            api_keys: [REVOKED, LIMITED, GOOD],
            key_limits: { max_rps: 5_000, burst: 500 },
            upstreams: [origin.url],
          },
        },
        listeners: [{ name: "api", prefix: "/3", pool: "films" }],
      }),
  });

  await t.step("one request finds both out, for both workers", async () => {
    assert.deepEqual([...await askCold(gateway, { from: 0, times: 1, atOnce: 1 })], [200]);
    assert.deepEqual([...await askCold(gateway, { from: 1, times: 300, atOnce: 8 })], [200]);
    const serving = (await gateway.status()).workers.filter(({ name }) => name.startsWith("serving"));
    assert.ok(serving.every(({ requests }) => requests > 0), "both workers took part");
    assert.deepEqual([REVOKED, LIMITED, GOOD].map((key) => uses(origin, key)), [1, 1, 301]);
  });

  await t.step("metrics", async () => {
    const { value } = await metricsOf(gateway);
    const key = (place: number, more = {}) => ({ pool: "films", key: String(place), ...more });
    assert.deepEqual([1, 2, 3].map((place) => value("usher_key_requests_total", key(place))), [1, 1, 301]);
    assert.equal(value("usher_key_rejections_total", key(1, { reason: "refused" })), 1);
    assert.equal(value("usher_key_rejections_total", key(2, { reason: "limited" })), 1);
    assert.equal(value("usher_key_rejections_total", key(3, { reason: "limited" })), 0);
    const states = ["refused", "limited", "ready"];
    assert.deepEqual(states.map((state, at) => value("usher_key_state", key(at + 1, { state }))), [1, 1, 1]);
    assert.deepEqual([2, 3].map((place) => value("usher_key_rate", key(place))), [2_500, 5_000]);
  });

  await t.step("status", async () => {
    const keys = await keysOf(gateway);
    assert.deepEqual(keys.map(({ key, state, requests }) => [key, state, requests]), [
      [1, "refused", 1],
      [2, "limited", 1],
      [3, "ready", 301],
    ]);
    assert.deepEqual(keys.map(({ until }) => until === null), [false, false, true]);
  });

  await t.step("the log says each once, and nothing shows a key", async () => {
    await gateway.logged("limits an API key");
    const lines = gateway.log().split("\n").filter((line) => line.includes("an API key"));
    assert.deepEqual(lines.map((line) => [/refuses|limits/.exec(line)?.[0], JSON.parse(line).key]), [
      ["refuses", 1],
      ["limits", 2],
    ]);
    const shown = gateway.log() + (await metricsOf(gateway)).text + JSON.stringify(await gateway.status());
    for (const key of [REVOKED, LIMITED, GOOD]) {
      for (const part of [key.slice(0, 8), key.slice(-8)]) assert.ok(!shown.includes(part));
    }
  });

  await t.step("a reload does not ask for them again", async () => {
    gateway.signal("SIGHUP");
    await gateway.logged("Configuration reloaded");
    assert.deepEqual([...await askCold(gateway, { from: 1_000, times: 40, atOnce: 4 })], [200]);
    assert.deepEqual([REVOKED, LIMITED].map((key) => uses(origin, key)), [1, 1]);
  });
  await gateway.close();
  await origin.close();
});

Deno.test("what a health check finds out of a key spares every client from it", async () => {
  const origin = await startTmdbOrigin({ keys: [GOOD] });
  const gateway = await startGateway({
    config: (places) =>
      testConfig(places, {
        pools: {
          films: { type: "tmdb-api", health: { interval: "50ms" }, api_keys: [REVOKED, GOOD], upstreams: [origin.url] },
        },
        listeners: [{ name: "api", prefix: "/3", pool: "films" }],
      }),
  });
  await eventually("a check has found it", async () => (await keysOf(gateway))[0]!["state"] === "refused");
  await gateway.logged("refuses an API key");
  assert.deepEqual([...await askCold(gateway, { from: 0, times: 20, atOnce: 4 })], [200]);
  assert.deepEqual((await keysOf(gateway)).map(({ requests }) => requests), [0, 20]);
  const stateOf = async () => (await gateway.status()).pools[0]!.upstreams[0]!.state;
  await eventually("a refused key is no fault of the upstream", async () => await stateOf() === "healthy");
  await gateway.close();
  await origin.close();
});

Deno.test("health checks take out a mirror of two that refuses good keys, and leave the keys in", async () => {
  const mirror = await startTmdbOrigin({ keys: [REVOKED] });
  const good = await startTmdbOrigin({ keys: [GOOD, LIMITED] });
  const gateway = await startGateway({
    config: (places) =>
      testConfig(places, {
        pools: {
          films: {
            type: "tmdb-api",
            health: { interval: "50ms" },
            api_keys: [GOOD, LIMITED],
            upstreams: [mirror.url, good.url],
          },
        },
        listeners: [{ name: "api", prefix: "/3", pool: "films" }],
      }),
  });
  const states = async () => (await gateway.status()).pools[0]!.upstreams.map(({ state }) => state);
  await eventually("the mirror is out", async () => (await states()).join() === "unhealthy,healthy");
  const before = mirror.requests.filter(({ target }) => target.includes("/search/")).length;
  assert.deepEqual([...await askCold(gateway, { from: 0, times: 20, atOnce: 4 })], [200]);
  assert.equal(mirror.requests.filter(({ target }) => target.includes("/search/")).length, before);
  assert.deepEqual((await keysOf(gateway)).map(({ state }) => state), ["ready", "ready"]);
  await gateway.close();
  await Promise.all([mirror.close(), good.close()]);
});
