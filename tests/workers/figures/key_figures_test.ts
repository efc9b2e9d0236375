import assert from "node:assert/strict";
import type { PoolState } from "../../../lib/gateway/resilience_state.ts";
import { credentialCounts, newPoolCounts, newWorkerCounts } from "../../../lib/metrics/gateway_metrics.ts";
import type { CredentialState } from "../../../lib/upstream_type/upstream_type.ts";
import { keyGauges, keyStatus } from "../../../lib/workers/figures/pool_figures.ts";
import { configOf } from "../../gateway/config_of.ts";
import { slotOf } from "../slots.ts";

const { pools } = await configOf({
  pools: {
    films: { type: "tmdb-api", api_keys: ["a".repeat(32), "b".repeat(32)], upstreams: ["https://one.example"] },
    constructor: { type: "custom", health: false, upstreams: ["https://two.example"] },
  },
  listeners: [{ name: "l", listen: "127.0.0.1:6635", pool: "films" }],
});
const films = pools.find(({ name }) => name === "films")!;
const UNTIL_MS = Date.UTC(2026, 0, 2);

function stateOf(waitingForKey: number, credentials: readonly CredentialState[]): PoolState {
  return { retrying: 0, retriesWaiting: 0, waiting: 0, upstreams: {}, waitingForKey, credentials };
}

const KNOWN: readonly CredentialState[] = [
  { place: 1, state: "refused", untilMs: UNTIL_MS, ratePerSecond: 35 },
  { place: 2, state: "ready", untilMs: 0, ratePerSecond: null },
];

const slots = [
  slotOf("serving-0", { generation: 2, resilience: { pools: { films: stateOf(3, KNOWN) }, waiting: {} } }),
  // It has not taken the last configuration yet, which has another key.
  slotOf("serving-1", { generation: 1, resilience: { pools: { films: stateOf(1, KNOWN.slice(1)) }, waiting: {} } }),
  slotOf("serving-2", null),
  slotOf("health", {}),
];

Deno.test("keyStatus() says of each key by its place how it stands and how it was taken, all workers together", () => {
  const counts = newWorkerCounts();
  Object.assign(credentialCounts(counts, "films", 1), { requests: 7, limited: 0, refused: 2 });
  counts.pools["films"] = { ...newPoolCounts(), credentialQueued: 5, credentialTurnedAway: 4 };
  assert.deepEqual(keyStatus(films, slots, counts), {
    keys: [
      {
        ...{ key: 1, state: "refused", until: "2026-01-02T00:00:00.000Z" },
        ...{ requests: 7, limited: 0, refused: 2, max_rps: 35 },
      },
      { key: 2, state: "ready", until: null, requests: 0, limited: 0, refused: 0, max_rps: null },
    ],
    key_queue: { waiting: 4, waited: 5, refused: 4 },
  });
});

Deno.test("keyStatus() says nothing of a pool without keys, whatever it is called, nor before a worker has said something", () => {
  const other = pools.find(({ name }) => name === "constructor")!;
  assert.deepEqual(keyStatus(other, slots, newWorkerCounts()), {});
  assert.deepEqual(keyStatus(films, [slotOf("serving-0", null)], newWorkerCounts()), {});
});

Deno.test("keyGauges() says 1 for the state of a key, and what it may be given", () => {
  const metrics = new Map(keyGauges(slots, pools).map(({ name, values }) => [name, values]));
  const states = metrics.get("usher_key_state")!.filter(({ value }) => value === 1);
  assert.deepEqual(states.map(({ labels }) => labels), [
    { pool: "films", key: "1", state: "refused" },
    { pool: "films", key: "2", state: "ready" },
  ]);
  assert.equal(metrics.get("usher_key_state")!.length, 6);
  assert.deepEqual(metrics.get("usher_key_rate"), [{ labels: { pool: "films", key: "1" }, value: 35 }]);
  assert.deepEqual(metrics.get("usher_key_waiting"), [{ labels: { pool: "films" }, value: 4 }]);
});
