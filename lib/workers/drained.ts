import type { WorkerCounts } from "../metrics/gateway_metrics.ts";

/** The outcome of the requests that were under way when a stop was asked for, and of those that came after. */
export interface Drained {
  /** Answered whole. */
  readonly finished: number;
  /** Broken off: by the end of the grace time, or by their clients. */
  readonly cut: number;
  /** All that were counted since the start. */
  readonly sinceStart: number;
}

/** Runs a worker's `stop` and counts the requests that finished meanwhile; `counts` go on in place. */
export async function drainedBy(stop: () => Promise<void>, counts: WorkerCounts): Promise<Drained> {
  const before = tally(counts);
  await stop();
  const after = tally(counts);
  return {
    finished: after.answered - before.answered,
    cut: after.broken - before.broken + after.inFlight,
    sinceStart: after.answered + after.broken,
  };
}

/** All workers together; `retired` are the counters of those that had been replaced. */
export function addDrained(all: readonly Drained[], retired: readonly WorkerCounts[]): Drained {
  const before = retired.map(tally).reduce((sum, { answered, broken }) => sum + answered + broken, 0);
  return all.reduce((sum, one) => ({
    finished: sum.finished + one.finished,
    cut: sum.cut + one.cut,
    sinceStart: sum.sinceStart + one.sinceStart,
  }), { finished: 0, cut: 0, sinceStart: before });
}

/** The counters of a worker that has ended: nothing of it is in flight any more, and no tunnel is open. */
export function settled(counts: WorkerCounts): WorkerCounts {
  const proxies = Object.entries(counts.forwardProxies).map(([name, one]) => [name, { ...one, tunnels: 0 }] as const);
  const listeners = Object.entries(counts.listeners).map(([name, one]) => [name, { ...one, inFlight: 0 }] as const);
  return { ...counts, listeners: Object.fromEntries(listeners), forwardProxies: Object.fromEntries(proxies) };
}

function tally({ listeners }: WorkerCounts): { answered: number; broken: number; inFlight: number } {
  const sum = { answered: 0, broken: 0, inFlight: 0 };
  for (const { requests, byClass: [broken = 0], inFlight } of Object.values(listeners)) {
    sum.answered += requests - broken;
    sum.broken += broken;
    sum.inFlight += inFlight;
  }
  return sum;
}
