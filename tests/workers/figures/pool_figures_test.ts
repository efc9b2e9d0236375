import assert from "node:assert/strict";
import type { PoolState } from "../../../lib/gateway/resilience_state.ts";
import { newListenerCounts, newWorkerCounts } from "../../../lib/metrics/gateway_metrics.ts";
import type { BreakerState } from "../../../lib/pool/local_breaker.ts";
import { listenerLimits, poolStatus, resilienceMetrics } from "../../../lib/workers/figures/pool_figures.ts";
import { configOf } from "../../gateway/config_of.ts";
import { healthRow } from "../../pool/health_rows.ts";
import { slotOf } from "../slots.ts";

const ONE = "https://one.example";
const TWO = "https://two.example";
const { pools } = await configOf({
  pools: {
    films: { type: "custom", health: false, upstreams: [{ url: ONE, max_in_flight: 9, max_rps: 70 }, TWO] },
    constructor: { type: "custom", health: false, upstreams: [TWO] },
  },
  listeners: [{ name: "l", listen: "127.0.0.1:6635", pool: "films" }],
});
const films = pools.find(({ name }) => name === "films")!;

function stateOf(retrying: number, breaker: BreakerState, share: number): PoolState {
  return {
    retrying,
    retriesWaiting: 1,
    waiting: 2,
    waitingForKey: 0,
    credentials: [],
    upstreams: { [ONE]: { inFlight: 3, breaker, share }, [TWO]: { inFlight: 0, breaker: "closed", share: 1 - share } },
  };
}

const slots = [
  slotOf("serving-0", { resilience: { pools: { films: stateOf(4, "open", 0) }, waiting: { l: 5 } } }),
  slotOf("serving-1", { resilience: { pools: { films: stateOf(1, "half_open", 0.5) }, waiting: { l: 1 } } }),
  slotOf("serving-2", undefined),
  slotOf("serving-3", null),
  slotOf("health", {
    health: [{
      pool: "films",
      version: 1,
      atMs: 1,
      upstreams: { [ONE]: healthRow("ejected"), [TWO]: healthRow("half_open") },
    }],
  }),
];

const drains = [{ pool: "films", upstream: TWO, sinceMs: 60_000, by: "an operator" }];

// deno-lint-ignore no-explicit-any
function shown(pool: typeof films): any {
  const counts = newWorkerCounts();
  counts.pools["films"] = {
    ...{ retries: 6, retriesRefused: 5, hedges: 4, hedgesWon: 3, queued: 2, turnedAway: 1 },
    ...{ credentialQueued: 0, credentialTurnedAway: 0 },
  };
  return poolStatus(pool, { slots, counts, drains });
}

Deno.test("poolStatus() adds the workers' retries, hedges and queues up", () => {
  const { retries, hedges, queue } = shown(films);
  assert.deepEqual(retries, { made: 6, refused: 5, in_flight: 5, waiting: 2 });
  assert.deepEqual(hedges, { sent: 4, won: 3 });
  assert.deepEqual(queue, { waiting: 4, waited: 2, refused: 1 });
});

Deno.test("poolStatus() tells the health worker's circuit, the workers' own breakers, what limits allow and who is drained", () => {
  const [one, two] = shown(films).upstreams;
  assert.deepEqual([one.circuit, one.breakers_open, one.in_flight], ["open", 1, 6]);
  assert.deepEqual([one.max_in_flight, one.max_rps], [9, 70]);
  assert.deepEqual([two.circuit, two.breakers_open, two.in_flight], ["half_open", 0, 0]);
  assert.deepEqual([two.max_in_flight, two.max_rps], [null, null]);
  assert.deepEqual([one.drained, one.share], [null, 0.25]);
  assert.deepEqual([two.drained, two.share], [{ since: "1970-01-01T00:01:00.000Z", by: "an operator" }, 0.75]);
});

Deno.test("poolStatus() of a pool that nobody has told of yet, called like something that objects inherit", () => {
  const { retries, upstreams } = shown(pools.find(({ name }) => name === "constructor")!);
  assert.deepEqual(retries, { made: 0, refused: 0, in_flight: 0, waiting: 0 });
  assert.deepEqual([upstreams[0].circuit, upstreams[0].state, upstreams[0].tries], ["closed", "unknown", {}]);
});

Deno.test("listenerLimits() tells who waits now and what became of others", () => {
  const counts = { ...newListenerCounts(), queued: 20, turnedAway: 10, rateLimited: 30 };
  assert.deepEqual(listenerLimits("l", slots, counts), {
    queue: { waiting: 6, waited: 20, refused: 10 },
    rate_limited: 30,
  });
  assert.deepEqual(listenerLimits("toString", slots, undefined).queue, { waiting: 0, waited: 0, refused: 0 });
});

Deno.test("resilienceMetrics() have a sample for each name of the configuration and no others", () => {
  const metrics = new Map(
    resilienceMetrics({ slots, pools, drains, listeners: ["l"] }).map((metric) => [metric.name, metric]),
  );
  const values = (name: string, pool = "films") =>
    metrics.get(name)!.values.filter(({ labels }) => (labels["pool"] ?? pool) === pool).map(({ labels, value }) => [
      ...Object.entries(labels).filter(([label]) => label !== "pool").map(([, text]) => text),
      value,
    ]);
  assert.deepEqual(values("usher_upstream_circuit"), [
    ...[[ONE, "closed", 0], [ONE, "open", 1], [ONE, "half_open", 0]],
    ...[[TWO, "closed", 0], [TWO, "open", 0], [TWO, "half_open", 1]],
  ]);
  assert.deepEqual(values("usher_upstream_healthy"), [[ONE, 0], [TWO, 1]]);
  assert.deepEqual(values("usher_upstream_breakers_open"), [[ONE, 1], [TWO, 0]]);
  assert.deepEqual(values("usher_upstream_in_flight"), [[ONE, 6], [TWO, 0]]);
  assert.deepEqual(values("usher_upstream_drained"), [[ONE, 0], [TWO, 1]]);
  assert.deepEqual(values("usher_upstream_share"), [[ONE, 0.25], [TWO, 0.75]]);
  assert.deepEqual(values("usher_upstream_limit"), [[ONE, "in_flight", 9], [ONE, "per_second", 70]]);
  assert.deepEqual(values("usher_retries_in_flight"), [[5]]);
  assert.deepEqual(values("usher_retries_waiting"), [[2]]);
  assert.deepEqual(values("usher_pool_waiting"), [[4]]);
  assert.deepEqual(values("usher_listener_waiting"), [["l", 6]]);
  assert.deepEqual(values("usher_retries_in_flight", "constructor"), [[0]]);
});
