import type { TierStats } from "../../cache/store.ts";
import type { EngineFigures } from "../../cluster/engine.ts";
import { addShared, newSharedCounts, type SharedCounts } from "../../cluster/shared_counts.ts";
import { addCounts, newWorkerCounts, type WorkerCounts } from "../../metrics/gateway_metrics.ts";
import { LAG_BUCKETS_MS } from "../../metrics/histogram.ts";
import { type ServerCounts, zeroCounts } from "../../server/server_counts.ts";
import { newSpanCounts, type SpanCounts } from "../../tracing/span_exporter.ts";
import { settled } from "../drained.ts";
import type { WorkerReport } from "../messages.ts";
import type { LagCounts } from "../worker/loop_monitor.ts";

/** What of a tier's figures only grows. */
export type TierCounts = Pick<TierStats, "evictions" | "droppedWrites" | "corrupt" | "sparedReads" | "emptyReads">;

/** What the workers of a place have counted since the start of the process. A counter that fell when a worker dies would be none. */
export interface LastingCounts {
  readonly requests: WorkerCounts;
  readonly server: ServerCounts;
  readonly memory: TierCounts;
  readonly disk: TierCounts;
  readonly loop: LagCounts;
  readonly spans: SpanCounts;
  shared: SharedCounts;
  /** Of connections to the engine of that tier. */
  engine: EngineCounts;
}

/** What of the figures of a connection to an engine only grows. */
export type EngineCounts = Pick<EngineFigures, "commands" | "connections">;

/** Counts from zero. */
export function newLastingCounts(): LastingCounts {
  return {
    requests: newWorkerCounts(),
    server: zeroCounts(),
    memory: newTierCounts(),
    disk: newTierCounts(),
    loop: { buckets: Array.from({ length: LAG_BUCKETS_MS.length + 1 }, () => 0), sumMs: 0 },
    spans: newSpanCounts(),
    shared: newSharedCounts(),
    engine: { commands: noCommands(), connections: 0 },
  };
}

/** Commands of none. */
function noCommands(): EngineCounts["commands"] {
  return { ok: 0, late: 0, down: 0, refused: 0, full: 0, wrong: 0, busy: 0, skipped: 0, closed: 0 };
}

/** The sum of what connections have counted. */
export function withEngine(a: EngineCounts, b: EngineCounts): EngineCounts {
  const commands = { ...noCommands() };
  for (const kind of Object.keys(commands) as (keyof typeof commands)[]) {
    commands[kind] = a.commands[kind] + b.commands[kind];
  }
  return { commands, connections: a.connections + b.connections };
}

function newTierCounts(): TierCounts {
  return { evictions: 0, droppedWrites: 0, corrupt: 0, sparedReads: 0, emptyReads: 0 };
}

/** Keeps what a worker has counted, when it has ended. What it counted after its last report is lost with it. */
export function retire(lasting: LastingCounts, report: WorkerReport): void {
  const { counts, server, memory, disk, loop, spans, shared } = report;
  addCounts(lasting.requests, settled(counts));
  addTo(lasting.memory, memory);
  addTo(lasting.disk, disk);
  // Its connections have ended with it.
  if (server !== undefined) addTo(lasting.server, { ...server, openConnections: 0, openTunnels: 0 });
  addLag(lasting.loop, loop);
  addTo(lasting.spans, spans ?? null);
  if (shared == null) return;
  lasting.shared = addShared(lasting.shared, shared.counts);
  lasting.engine = withEngine(lasting.engine, shared.figures);
}

/** What the workers of a place have counted, the one in it included; `report` is its last one. */
export function withReport(
  lasting: LastingCounts,
  report: WorkerReport | null,
): Pick<LastingCounts, "server" | "loop" | "spans"> {
  const { server, loop, spans } = newLastingCounts();
  const sum = { server, loop, spans };
  for (const part of [lasting, report]) {
    addTo(sum.server, part?.server ?? null);
    addTo(sum.spans, part?.spans ?? null);
    if (part !== null) addLag(sum.loop, part.loop);
  }
  return sum;
}

/** Adds up the numbers that the sum has; nothing for `null`. */
function addTo<K extends string>(
  sum: { [key in K]: number },
  more: NoInfer<{ readonly [key in K]: number }> | null,
): void {
  if (more === null) return;
  for (const field of Object.keys(sum) as K[]) sum[field] += more[field];
}

function addLag(sum: LagCounts, { buckets, sumMs }: LagCounts): void {
  for (const [index, count] of buckets.entries()) sum.buckets[index]! += count;
  sum.sumMs += sumMs;
}
