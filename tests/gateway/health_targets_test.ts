import assert from "node:assert/strict";
import { monitoredPools } from "../../lib/gateway/health_targets.ts";
import { type CheckSpec, runCheck } from "../../lib/health/check.ts";
import { OUTLIER_DEFAULTS } from "../../lib/health/outlier_detector.ts";
import { WEIGHT_DEFAULTS } from "../../lib/health/weights.ts";
import type { Transport, UpstreamRequest } from "../../lib/upstream_client/transport.ts";
import { configOf, type Mapping } from "./config_of.ts";

const KEY = "0123456789abcdef0123456789abcdef";

/** The pools to monitor, with a transport that is only handed through. */
async function targetsOf(pool: Mapping) {
  const config = await configOf({
    pools: { p: { upstreams: ["https://one.example"], ...pool } },
    listeners: [{ name: "l", listen: "127.0.0.1:6635", pool: "p" }],
  });
  const transports = new Map<string, Transport>();
  const transportOf = ({ url }: { url: string }) => {
    const transport = {} as Transport;
    transports.set(url, transport);
    return transport;
  };
  return { pools: monitoredPools(config, { clock: { now: () => 0 }, transportOf }), transports };
}

/** The request that a check of the pool's first upstream sends. */
async function requestOf(pool: Mapping): Promise<UpstreamRequest> {
  const { pools, transports } = await targetsOf(pool);
  const { id, check, transport } = pools[0]!.upstreams[0]!;
  const sent: UpstreamRequest[] = [];
  transports.get(id)!.send = (request) => {
    sent.push(request);
    return Promise.reject(new Error("There is no host"));
  };
  await runCheck(check!, transport, { now: () => 0, schedule: () => () => {} });
  return sent[0]!;
}

async function checkOf(pool: Mapping): Promise<CheckSpec | null> {
  return (await targetsOf(pool)).pools[0]!.upstreams[0]!.check;
}

Deno.test("monitoredPools() names every upstream with its weight and the transport that it was given", async () => {
  const { pools, transports } = await targetsOf({
    type: "custom",
    upstreams: ["https://one.example", { url: "https://two.example/base", weight: 3 }],
    health: { enabled: false, max_failures: 7 },
  });
  assert.deepEqual(pools.map(({ name }) => name), ["p"]);
  const { upstreams, outliers } = pools[0]!;
  assert.deepEqual(upstreams.map(({ id, weight }) => [id, weight]), [["https://one.example", 1], [
    "https://two.example/base",
    3,
  ]]);
  assert.deepEqual(upstreams.map(({ id, transport }) => transports.get(id) === transport), [true, true]);
  assert.equal(outliers?.consecutiveFailures, 7);
});

Deno.test("monitoredPools() asks as requests are asked: base path, host, the type's own path, its key and fields", async () => {
  const custom = await requestOf({
    type: "custom",
    upstreams: [{ url: "https://one.example/base", host: "films.example" }],
  });
  assert.deepEqual([custom.method, custom.target], ["HEAD", "/base/"]);
  assert.deepEqual(custom.fields.filter(([name]) => name === "host"), [["host", "films.example"]]);

  const own = await requestOf({ type: "custom", health: { path: "/healthz?of=a?b&c" } });
  assert.equal(own.target, "/healthz?of=a?b&c");

  const tmdb = await requestOf({ type: "tmdb-api", api_keys: [KEY] });
  assert.equal(tmdb.method, "GET");
  assert.ok(tmdb.target.startsWith("/3/configuration"));
  assert.ok(tmdb.target.includes(`api_key=${KEY}`));
});

Deno.test("monitoredPools() takes what the configuration says before what the type does", async () => {
  const check = await checkOf({
    type: "custom",
    health: {
      path: "/healthz?full=1",
      method: "GET",
      fields: { "X-Probe": "1" },
      status: "204",
      contains: "fine",
      interval: "7s",
      unhealthy_interval: "2s",
      timeout: "1s",
      rise: 3,
      fall: 4,
    },
  });
  const { method, target, status, contains, intervalMs, unhealthyIntervalMs, timeoutMs, rise, fall } = check!;
  assert.deepEqual({ method, target, status, contains }, {
    method: "GET",
    target: "/healthz?full=1",
    status: [[204, 204]],
    contains: "fine",
  });
  assert.deepEqual([intervalMs, unhealthyIntervalMs, timeoutMs, rise, fall], [7_000, 2_000, 1_000, 3, 4]);
  assert.deepEqual(check!.fields.filter(([name]) => name === "x-probe"), [["x-probe", "1"]]);
});

Deno.test("monitoredPools() has no check where checks are off", async () => {
  assert.equal(await checkOf({ type: "custom", health: false }), null);
});

Deno.test("monitoredPools() judges: a refused key and a limit are no fault of the host, a page and a server error are", async () => {
  const { judge } = (await checkOf({ type: "tmdb-api", api_keys: [KEY] }))!;
  const json: [string, string][] = [["content-type", "application/json"], ["content-length", "2"]];
  const page: [string, string][] = [["content-type", "text/html"], ["content-length", "2"]];
  assert.equal(judge!(200, json, "{}"), "pass");
  assert.notEqual(judge!(401, json, "{}"), "fail");
  assert.notEqual(judge!(429, json, "{}"), "fail");
  assert.equal(judge!(500, json, "{}"), "fail");
  assert.equal(judge!(200, page, "<>"), "fail");
});

Deno.test("monitoredPools() wants the text that the configuration names", async () => {
  const { judge } = (await checkOf({ type: "custom", health: { path: "/healthz", contains: "fine" } }))!;
  assert.equal(judge!(200, [], "all is fine"), "pass");
  assert.equal(judge!(200, [], "not well"), "fail");
  assert.equal(judge!(404, [], "fine"), "fail");
});

Deno.test("monitoredPools() has the modules' own limits and weights where nothing is configured, else the configured ones", async () => {
  const standard = (await targetsOf({ type: "custom" })).pools[0]!;
  assert.deepEqual(standard.outliers, OUTLIER_DEFAULTS);
  assert.deepEqual(standard.weights, WEIGHT_DEFAULTS);
  const own = (await targetsOf({
    type: "custom",
    outliers: { min_volume: 7 },
    weights: { base_weight_multiplier: 3 },
  })).pools[0]!;
  assert.deepEqual([own.outliers!.minVolume, own.weights!.baseMultiplier], [7, 3]);
});

Deno.test("a check brings a key of its own each time: a refused one is not the host's fault, the next check has another", async () => {
  const good = "f".repeat(32);
  const { pools, transports } = await targetsOf({ type: "tmdb-api", api_keys: [KEY, good] });
  const { id, check, transport } = pools[0]!.upstreams[0]!;
  const answers: number[] = [];
  transports.get(id)!.send = ({ target }) => {
    const status = target.includes(good) ? 200 : 401;
    answers.push(status);
    const fields: [string, string][] = [["content-type", "application/json"]];
    const body = { lengthBytes: 0, read: () => Promise.resolve(null), readAll: () => Promise.reject(), cancel() {} };
    return Promise.resolve({ status, fields, body, receivedAtMs: 0 });
  };
  const verdicts = [];
  for (let turn = 0; turn < 3; turn++) {
    verdicts.push((await runCheck(check!, transport, { now: () => 0, schedule: () => () => {} })).verdict);
  }
  assert.deepEqual(answers, [401, 200, 200]);
  assert.deepEqual(verdicts, ["credential", "pass", "pass"]);
});
