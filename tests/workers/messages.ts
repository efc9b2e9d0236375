import { newLastingCounts } from "../../lib/workers/figures/lasting_counts.ts";
import { ConnectionGate } from "../../lib/server/connection_gate.ts";
import { newLeaseMemory } from "../../lib/cache/flights/lease_table.ts";
import { newSharedLimits } from "../../lib/gateway/limits.ts";
import { newWorkerCounts } from "../../lib/metrics/gateway_metrics.ts";
import { NO_CHALLENGES } from "../../lib/server/acme_challenge.ts";
import type { ConfigGeneration, InitMessage, WorkerReport } from "../../lib/workers/messages.ts";

/** A first message to a worker that is alone and has no disk, but for what the test says. */
export function initMessage(init: ConfigGeneration & Partial<InitMessage>): InitMessage {
  return {
    type: "init",
    index: 0,
    kvPath: null,
    leaseMemory: newLeaseMemory(),
    connections: ConnectionGate.memory(2),
    descriptors: 1_024,
    servesAlone: true,
    diskFilter: null,
    sharedLimits: newSharedLimits(1),
    purges: [],
    challenges: NO_CHALLENGES,
    drained: [],
    instanceId: "usher-test",
    logLevels: null,
    ...init,
  };
}

/** What a worker says that has done nothing yet, but for what the test says. */
export function plainReport(report: Partial<WorkerReport>): WorkerReport {
  return {
    generation: 1,
    counts: newWorkerCounts(),
    memory: null,
    disk: null,
    diskProblem: null,
    purgeRules: 0,
    byListener: {},
    flights: 0,
    backgroundTasks: 0,
    connections: {},
    resilience: null,
    loopLagMs: 0,
    loop: newLastingCounts().loop,
    heapBytes: 0,
    health: null,
    ...report,
  };
}
