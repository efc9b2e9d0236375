import assert from "node:assert/strict";
import { newListenerCounts, newWorkerCounts, upstreamCounts } from "../../../lib/metrics/gateway_metrics.ts";
import type { HealthTable, UpstreamHealth } from "../../../lib/pool/upstream_health.ts";
import { gauges, type StatusDetails, statusOf } from "../../../lib/workers/figures/status.ts";
import { ReloadCounts } from "../../../lib/workers/supervisor/reload_counts.ts";
import { configOf } from "../../gateway/config_of.ts";
import { slotOf } from "../slots.ts";

const ONE = "https://one.example";
const TWO = "https://two.example/base";
const config = await configOf({
  pools: {
    films: {
      type: "custom",
      health: false,
      strategy: "round-robin",
      upstreams: [{ url: ONE, proxy: "http://someone:secret@127.0.0.1:8080" }, TWO],
    },
    api: { type: "tmdb-api", api_keys: ["0123456789abcdef0123456789abcdef"], upstreams: ["https://api.example"] },
  },
  listeners: [
    { name: "films", listen: "127.0.0.1:6635", prefix: "/films", host: "films.example", pool: "films" },
    { name: "api", listen: "[::1]:6635", prefix: "/3", pool: "api" },
  ],
  admin: { token: "a-token-that-nobody-may-see" },
});

const HEALTHY: UpstreamHealth = {
  state: "healthy",
  reason: "",
  sinceMs: 2_000,
  weightFactor: 1,
  weight: 0.75,
  rampFromMs: 0,
  fastMs: 12,
  slowMs: 15,
  successRate: 0.99,
  checks: 4,
  failedChecks: 1,
  credential: "",
};
const table: HealthTable = {
  pool: "films",
  version: 3,
  atMs: 3_000,
  upstreams: { [ONE]: HEALTHY, [TWO]: { ...HEALTHY, state: "ejected", reason: "5 failures in a row", weight: 0 } },
};

function details(more: Partial<StatusDetails> = {}): StatusDetails {
  const counts = newWorkerCounts();
  counts.listeners["films"] = {
    ...newListenerCounts(),
    requests: 12,
    byClass: [1, 0, 9, 0, 1, 1],
    responseBytes: 500,
    inFlight: 2,
    clients: { kodi: 8 },
    unauthorized: 3,
    authBlocked: 1,
    conversions: { done: 4, refused: 1 },
  };
  Object.assign(upstreamCounts(counts, "films", ONE).outcomes, { ok: 7, timeout: 1 });
  return {
    version: "1.2.3",
    startedAtMs: Date.UTC(2026, 0, 2, 3, 4, 5),
    current: { generation: 4, config },
    slots: [
      slotOf("serving-0", {
        generation: 4,
        flights: 3,
        connections: { films: 5, api: 1 },
        loopLagMs: 20,
        heapBytes: 9,
        peers: { connections: 5, forwarding: 4, trusted: 1, only: "192.0.2.7" },
      }),
      slotOf("serving-1", undefined, 2),
      slotOf("serving-2", null),
      slotOf("health", { health: [table] }),
    ],
    cluster: null,
    rates: () => ({ perSecond: 3, lastMinute: 0.5, lastHour: 0.25, sinceStart: 0.125 }),
    purges: { url: 1, prefix: 0, glob: 0, tag: 0, all: 2 },
    prewarms: [],
    drains: [],
    changes: [],
    configFile: "config.yaml",
    counts,
    kvFileLost: null,
    isStopping: false,
    kvFile: { path: "usher.kv", problem: null, setAside: null },
    reloads: new ReloadCounts(),
    descriptors: 4_096,
    lastReload: { atMs: Date.UTC(2026, 0, 2), problems: ["config.yaml:1:1: no"] },
    ...more,
  };
}

/** As a client of `/status` sees it. */
// deno-lint-ignore no-explicit-any
function shown(more: Partial<StatusDetails> = {}): any {
  return JSON.parse(JSON.stringify(statusOf(details(more))));
}

Deno.test("statusOf() says which configuration is in force and what came of the last reload", () => {
  const { version, pid, started_at, config } = shown();
  assert.deepEqual({ version, pid, started_at, config }, {
    version: "1.2.3",
    pid: Deno.pid,
    started_at: "2026-01-02T03:04:05.000Z",
    config: {
      file: "config.yaml",
      generation: 4,
      last_reload: { at: "2026-01-02T00:00:00.000Z", problems: ["config.yaml:1:1: no"] },
    },
  });
  assert.equal(shown({ lastReload: null }).config.last_reload, null);
  assert.ok(shown({ startedAtMs: Date.now() - 90_000 }).uptime_seconds >= 90);
});

Deno.test("statusOf() tells workers that are up, being restarted, and up without a report yet", () => {
  const { workers } = shown();
  assert.deepEqual(
    workers.map((
      { name, state, restarts, generation }: Record<string, unknown>,
    ) => [name, state, restarts, generation]),
    [["serving-0", "up", 0, 4], ["serving-1", "restarting", 2, null], ["serving-2", "up", 0, null], [
      "health",
      "up",
      0,
      1,
    ]],
  );
  assert.deepEqual([workers[0].flights, workers[0].upstream_connections], [3, { films: 5, api: 1 }]);
  assert.deepEqual([workers[0].started_at, workers[1].started_at], ["1970-01-01T00:00:01.000Z", null]);
});

Deno.test("statusOf() tells each listener with what it has counted, and one that was never asked", () => {
  const [films, api] = shown().listeners;
  assert.deepEqual([films.name, films.listen, films.hosts, films.prefix, films.pool], [
    "films",
    "127.0.0.1:6635",
    ["films.example"],
    "/films",
    "films",
  ]);
  assert.deepEqual([films.requests, films.in_flight, films.response_bytes], [12, 2, 500]);
  assert.deepEqual([films.by_client, films.unauthorized, films.auth_blocked], [{ kodi: 8 }, 3, 1]);
  assert.deepEqual([films.conversions, "conversions" in api], [{ done: 4, refused: 1 }, false]);
  assert.deepEqual(films.by_status, { client_left: 1, "1xx": 0, "2xx": 9, "3xx": 0, "4xx": 1, "5xx": 1 });
  assert.equal(films.cache.hit_rate_1m, 0.5);
  assert.deepEqual([api.requests, api.in_flight], [0, 0]);
});

Deno.test("statusOf() tells each upstream by the health worker's table, and one that it does not know", () => {
  const [films, api] = shown().pools;
  assert.deepEqual([films.name, films.type, films.strategy], ["films", "custom", "round-robin"]);
  const [one, two] = films.upstreams;
  assert.deepEqual([one.url, one.state, one.healthy, one.weight, one.since, one.tries], [
    ONE,
    "healthy",
    true,
    0.75,
    "1970-01-01T00:00:02.000Z",
    { ok: 7, timeout: 1 },
  ]);
  assert.deepEqual([two.state, two.healthy, two.reason, two.tries], ["ejected", false, "5 failures in a row", {}]);
  assert.ok(api.upstreams.length > 0);
  for (const upstream of api.upstreams) assert.deepEqual([upstream.state, upstream.healthy], ["unknown", null]);
});

Deno.test("statusOf() holds no secret of the configuration", () => {
  const text = JSON.stringify(shown());
  for (const secret of ["a-token-that", "0123456789abcdef", "someone", "secret"]) {
    assert.ok(!text.includes(secret), secret);
  }
});

Deno.test("gauges() tell what is so now: one sample a worker, an upstream, a configuration", () => {
  const metrics = new Map(gauges(details()).map((metric) => [metric.name, metric]));
  const values = (name: string) =>
    metrics.get(name)!.values.map(({ labels, value }) => [...Object.values(labels), value]);
  assert.deepEqual(values("usher_build_info"), [["1.2.3", 1]]);
  assert.deepEqual(values("usher_config_generation"), [[4]]);
  assert.deepEqual(values("usher_worker_up"), [["serving-0", 1], ["serving-1", 0], ["serving-2", 1], ["health", 1]]);
  assert.deepEqual(values("usher_worker_restarts_total")[1], ["serving-1", 2]);
  assert.equal(metrics.get("usher_worker_restarts_total")!.type, "counter");
  assert.deepEqual(values("usher_worker_upstream_connections")[0], ["serving-0", 6]);
  assert.deepEqual(values("usher_upstream_healthy").slice(0, 2), [["films", ONE, 1], ["films", TWO, 0]]);
  assert.deepEqual(values("usher_upstream_weight")[0], ["films", ONE, 0.75]);
  const names = gauges(details()).map(({ name }) => name);
  assert.equal(new Set(names).size, names.length, "each metric is there once");
  for (const { name, type } of gauges(details())) {
    assert.match(name, /^(usher|process)_[a-z_]+$/);
    assert.equal(name.endsWith("_total"), type === "counter", name);
  }
});

Deno.test("statusOf() says where connections come from, as much of an address as logs show", () => {
  const shown = (client: "full" | "network" | "off") => {
    const { current, ...rest } = details();
    const logging = { ...current.config.logging, client };
    return statusOf({ ...rest, current: { ...current, config: { ...current.config, logging } } }).peers;
  };
  assert.deepEqual(shown("full"), { connections: 5, forwarding: 4, trusted: 1, only: "192.0.2.7" });
  assert.equal(shown("network").only, "192.0.2.0/24");
  assert.equal(shown("off").only, null);
});
