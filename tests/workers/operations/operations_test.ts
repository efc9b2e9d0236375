import { newSharedLimits } from "../../../lib/gateway/limits.ts";
import assert from "node:assert/strict";
import { systemClock } from "../../../lib/clock.ts";
import { newLeaseMemory } from "../../../lib/cache/flights/lease_table.ts";
import { prepareKvFile } from "../../../lib/cache/disk/kv_open.ts";
import type { PurgeRule } from "../../../lib/cache/purge/purge_rules.ts";
import { createLogger } from "../../../lib/logging/logger.ts";
import { countRequest, newListenerCounts, newWorkerCounts } from "../../../lib/metrics/gateway_metrics.ts";
import { Operations } from "../../../lib/workers/operations/operations.ts";
import { PeerBus } from "../../../lib/workers/operations/peer_bus.ts";
import { ANY_CONFIG, configOf } from "../../gateway/config_of.ts";
import { eventually } from "../../eventually.ts";

const logger = createLogger({ level: "error", format: "json", sink: () => {}, now: () => 0 });

/** Operations over a KV file, and what they brought to the fleet. */
async function operationsIn(directory: string) {
  const { path } = await prepareKvFile(`${directory}/usher.kv`, { clock: systemClock, log: logger });
  const config = await configOf(ANY_CONFIG);
  const spread: PurgeRule[] = [];
  const prewarmed: string[] = [];
  const counts = newWorkerCounts();
  counts.listeners["films"] = newListenerCounts();
  const operations = await Operations.open({
    ...{ kvPath: path, purgePath: path, logger, config: () => config, leaseMemory: newLeaseMemory() },
    sharedLimits: newSharedLimits(1),
    ...{ bus: new PeerBus({ self: "usher-1", peers: () => [], logger }), peers: () => [] },
    upstreams: { spread: () => Promise.resolve(2), check: () => Promise.resolve(null) },
    fleet: {
      read: () => Promise.resolve({ outcome: "busy", body: null, detail: null, retryAfterMs: null }),
      purge: (rules) => (spread.push(...rules), Promise.resolve({ workers: 2, named: null })),
      forget: () => Promise.resolve(),
      prewarm: (_, url) => (prewarmed.push(url), Promise.resolve({ outcome: "fetched", detail: null, bytes: 1 })),
      counts: () => counts,
    },
  });
  operations.begin();
  return { operations, spread, prewarmed, counts };
}

Deno.test("Operations keeps purges for the workers that start later, in this process and the next", async () => {
  const directory = await Deno.makeTempDir();
  try {
    const first = await operationsIn(directory);
    const outcome = await first.operations.purging.purge({ by: "tag", value: "a", listener: null, hard: true }, "ops");
    assert.ok(outcome.ok && outcome.persisted && outcome.workers === 2);
    assert.deepEqual(first.operations.purges, first.spread);
    await first.operations.close();
    await first.operations.release();
    const second = await operationsIn(directory);
    assert.deepEqual(second.operations.purges, first.spread);
    await second.operations.close();
    await second.operations.release();
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("Operations tells rates, purges and prewarms up to now", async () => {
  const directory = await Deno.makeTempDir();
  try {
    const { operations, prewarmed, counts } = await operationsIn(directory);
    countRequest(counts.listeners["films"]!, { status: 200, bytes: 1, durationMs: 1, cache: "hit_memory" });
    await operations.purging.purge({ by: "all", value: "", listener: null, hard: false }, "ops");
    const order = { listener: "films", targets: ["/a"], concurrency: null, ratePerSecond: null, pictures: null };
    assert.deepEqual(await operations.prewarm(order, "ops"), { ok: true, total: 1 });
    await eventually("it is prewarmed", () => operations.statistics().prewarms[0]?.state === "done");
    assert.deepEqual(prewarmed, ["/a"]);
    const { rates, purges } = operations.statistics();
    assert.deepEqual([rates("films").sinceStart, purges["all"]], [1, 1]);
    await operations.close();
    await operations.release();
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});
