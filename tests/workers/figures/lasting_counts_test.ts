import assert from "node:assert/strict";
import { countRequest, newListenerCounts, newWorkerCounts } from "../../../lib/metrics/gateway_metrics.ts";
import { zeroCounts } from "../../../lib/server/server_counts.ts";
import { tierFigures } from "../../../lib/workers/figures/cache_figures.ts";
import { newLastingCounts, retire } from "../../../lib/workers/figures/lasting_counts.ts";
import { workerMetrics } from "../../../lib/workers/figures/worker_figures.ts";
import { plainReport } from "../messages.ts";
import { slotOf } from "../slots.ts";

const TIER = { entries: 1, bytes: 10, limitBytes: 100, queuedWrites: 1 };
const COUNTED = { evictions: 5, droppedWrites: 4, corrupt: 3, sparedReads: 2, emptyReads: 1 };

/** What a worker says that has answered two requests, over connections of which one is open. */
function busyReport() {
  const counts = newWorkerCounts();
  const films = counts.listeners["films"] = newListenerCounts();
  for (const durationMs of [0.25, 40]) countRequest(films, { status: 200, bytes: 7, durationMs, cache: "miss" });
  films.inFlight = 1;
  const loop = newLastingCounts().loop;
  loop.buckets[2] = 9;
  loop.sumMs = 80;
  const server = { ...zeroCounts(), accepted: 6, openConnections: 1, openTunnels: 1, malformed: 2 };
  return plainReport({ counts, server, loop, memory: { ...TIER, ...COUNTED }, disk: { ...TIER, ...COUNTED } });
}

function valuesOf(slots: Parameters<typeof workerMetrics>[0]): Map<string, number> {
  const samples = workerMetrics(slots).flatMap(({ name, values }) =>
    values.map(({ metricName, labels, value }) => [`${metricName ?? name} ${Object.values(labels).join(" ")}`, value])
  );
  return new Map(samples as [string, number][]);
}

Deno.test("workerMetrics() go on where a worker has died, and its open connections are gone with it", () => {
  const slot = slotOf("serving-0", busyReport());
  const grown = {
    "usher_worker_requests_total serving-0": 2,
    "usher_connections_accepted_total serving-0": 6,
    "usher_requests_refused_total serving-0 malformed": 2,
    "usher_worker_loop_lag_seconds_count serving-0": 9,
    "usher_worker_loop_lag_seconds_sum serving-0": 0.08,
    "usher_worker_loop_lag_seconds_bucket serving-0 0.01": 9,
  };
  const open = { "usher_connections serving-0": 1, "usher_tunnels serving-0": 1 };
  const expect = (values: Map<string, number>, expected: Readonly<Record<string, number>>) => {
    for (const [name, value] of Object.entries(expected)) assert.equal(values.get(name), value, name);
  };
  expect(valuesOf([slot]), { ...grown, ...open });
  retire(slot.retired, busyReport());
  slot.handle = null;
  expect(valuesOf([slot]), { ...grown, "usher_connections serving-0": 0, "usher_tunnels serving-0": 0 });
  // The next worker counts on.
  slot.handle = slotOf("serving-0", busyReport()).handle;
  expect(valuesOf([slot]), {
    ...Object.fromEntries(Object.entries(grown).map(([name, value]) => [name, value * 2])),
    ...open,
  });
});

Deno.test("retire() keeps requests and their times, but not what was in flight", () => {
  const lasting = newLastingCounts();
  for (let death = 0; death < 3; death++) retire(lasting, busyReport());
  const { requests, inFlight, durations, durationSumsMs, responseBytes } = lasting.requests.listeners["films"]!;
  const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
  assert.deepEqual([requests, inFlight, sum(durations), sum(durationSumsMs), responseBytes], [6, 0, 6, 120.75, 42]);
});

Deno.test("tierFigures() count what dead workers did, and hold what the living do", () => {
  const slot = slotOf("serving-0", busyReport());
  retire(slot.retired, busyReport());
  const doubled = Object.fromEntries(Object.entries(COUNTED).map(([name, value]) => [name, value * 2]));
  const { memory, disk } = tierFigures([slot]);
  assert.deepEqual(memory, { ...TIER, ...doubled });
  assert.deepEqual(disk, { ...TIER, ...doubled });
});
