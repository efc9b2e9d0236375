import assert from "node:assert/strict";
import { startTmdbOrigin } from "../origins/tmdb_origin.ts";
import { eventually } from "../eventually.ts";
import { fetched, freePort, type GatewayPlaces, type RunningGateway, startGateway } from "./_gateway.ts";
import { startLoad } from "./_load.ts";
import { customPool, testConfig } from "./test_config.ts";

/** What changes from one configuration to the next. */
interface Variant {
  readonly originUrl: string;
  /** Listeners beside the one that is under load. */
  readonly extra?: readonly Readonly<Record<string, unknown>>[];
}

function configOf(places: GatewayPlaces, { originUrl, extra = [] }: Variant): string {
  return testConfig(places, {
    pools: { films: customPool([{ url: originUrl }]) },
    // Nothing of the load is stored, so that every request needs the upstream, whatever changes meanwhile.
    listeners: [{ name: "films", prefix: "/3", pool: "films" }, ...extra],
  });
}

/** Signals a reload and waits until the gateway has told how it went. */
async function reload(gateway: RunningGateway, yaml: string, outcome: "reloaded" | "not reloaded"): Promise<void> {
  const told = () => gateway.log().split(`Configuration ${outcome}`).length;
  const before = told();
  await gateway.writeConfig(yaml);
  gateway.signal("SIGHUP");
  await eventually(`one more "Configuration ${outcome}"`, () => told() > before);
  await gateway.logged(`audit=reload actor=SIGHUP outcome="${outcome === "reloaded" ? "" : "not "}in force"`);
}

async function generations(gateway: RunningGateway): Promise<number[]> {
  const { config, workers } = await gateway.status();
  return [config.generation, ...workers.map(({ generation }) => generation)];
}

Deno.test("twenty reloads under load lose no request, and an invalid file changes nothing", async () => {
  await using stack = new AsyncDisposableStack();
  const origins = [
    stack.adopt(await startTmdbOrigin({ latencyMs: 5 }), (origin) => origin.close()),
    stack.adopt(await startTmdbOrigin({ latencyMs: 5 }), (origin) => origin.close()),
  ] as const;
  let places: GatewayPlaces | undefined;
  const gateway = stack.adopt(
    await startGateway({ config: (given) => configOf(places = given, { originUrl: origins[0].url }) }),
    (running) => running.close(),
  );
  const otherPort = freePort();
  const extras = [
    [],
    [{ name: "second", prefix: "/second", strip_prefix: true, pool: "films" }],
    [{ name: "elsewhere", listen: `127.0.0.1:${otherPort}`, prefix: "/3", pool: "films" }],
  ] as const;
  const load = startLoad({ url: (n) => `${gateway.url}/3/movie/550?api_key=0123456789abcdef0123456789abcdef&n=${n}` });
  let generation = 1;
  for (let round = 0; round < 20; round++) {
    const variant = { originUrl: origins[round % 2]!.url, extra: extras[round % 3] };
    if (round === 7) await reload(gateway, "pools: [\nlisteners: }", "not reloaded");
    else if (round === 13) {
      await reload(
        gateway,
        configOf(places!, { ...variant, extra: [{ name: "x", prefix: "/x", pool: "none" }] }),
        "not reloaded",
      );
    } else {
      await reload(gateway, configOf(places!, variant), "reloaded");
      generation++;
    }
    const isValid = round !== 7 && round !== 13;
    assert.deepEqual(await generations(gateway), [generation, generation, generation, generation]);
    const { config, listeners } = await gateway.status();
    assert.equal(config.last_reload?.problems.length === 0, isValid);
    assert.ok(!listeners.some(({ name }) => name === "x"));
    if (isValid && round % 3 === 1) {
      assert.equal(
        (await fetched(`${gateway.url}/second/3/movie/550?api_key=0123456789abcdef0123456789abcdef`)).status,
        200,
      );
    }
    if (isValid && round % 3 === 2) {
      assert.equal(
        (await fetched(`http://127.0.0.1:${otherPort}/3/genre/movie/list?api_key=0123456789abcdef0123456789abcdef`))
          .status,
        200,
      );
    }
    await load.more(20);
  }
  const { sent, answered, failures } = await load.stop();
  assert.deepEqual(failures, []);
  assert.equal(answered, sent);
  assert.ok(sent >= 400, `${sent} requests`);
  assert.match(gateway.log(), /config\.yaml:1:\d+.*found.*expected/);
});

Deno.test("a reload while workers die and come back reaches every worker", async () => {
  await using stack = new AsyncDisposableStack();
  const origin = stack.adopt(await startTmdbOrigin(), (running) => running.close());
  let places: GatewayPlaces | undefined;
  const gateway = stack.adopt(
    await startGateway({ config: (given) => configOf(places = given, { originUrl: origin.url }) }),
    (running) => running.close(),
  );
  for (let round = 0; round < 6; round++) {
    await fetched(`${gateway.adminUrl}/test/fault/${round % 3}/throw`, { method: "POST" });
    const name = `added-${round}`;
    await Promise.all([
      reload(
        gateway,
        configOf(places!, { originUrl: origin.url, extra: [{ name, prefix: `/${name}`, pool: "films" }] }),
        "reloaded",
      ),
      fetched(`${gateway.adminUrl}/reload`, { method: "POST" }),
    ]);
  }
  await eventually("all workers are up with one configuration", async () => {
    const { workers, config } = await gateway.status();
    return workers.every(({ state, generation }) => state === "up" && generation === config.generation);
  }, 20_000);
});

Deno.test("requests that were under way when their upstream was replaced are finished with it", async () => {
  await using stack = new AsyncDisposableStack();
  const slow = stack.adopt(await startTmdbOrigin({ latencyMs: 700 }), (origin) => origin.close());
  const quick = stack.adopt(await startTmdbOrigin(), (origin) => origin.close());
  let places: GatewayPlaces | undefined;
  const gateway = stack.adopt(
    await startGateway({ config: (given) => configOf(places = given, { originUrl: slow.url }) }),
    (running) => running.close(),
  );
  const before = Array.from(
    { length: 10 },
    (_, n) => fetched(`${gateway.url}/3/movie/550?api_key=0123456789abcdef0123456789abcdef&n=${n}`),
  );
  await eventually("the slow origin has them", () => slow.requests.length === 10);
  await reload(gateway, configOf(places!, { originUrl: quick.url }), "reloaded");
  const after = await fetched(`${gateway.url}/3/movie/550?api_key=0123456789abcdef0123456789abcdef&n=after`);
  assert.equal(after.status, 200);
  assert.equal(quick.requests.length, 1);
  assert.deepEqual((await Promise.all(before)).map(({ status }) => status), Array(10).fill(200));
});
