import { type LastingCounts, newLastingCounts } from "../figures/lasting_counts.ts";
import type { PeerName } from "../messages.ts";
import type { WorkerHandle } from "./worker_handle.ts";

/** One place for a worker; the worker in it may change. */
export interface Slot {
  readonly name: string;
  readonly role: "serving" | "health" | "image";
  readonly index: number;
  readonly policy: RestartPolicy;
  handle: WorkerHandle | null;
  /** What the workers before the current one had counted. */
  readonly retired: LastingCounts;
}

/** An empty place. */
export function newSlot(role: Slot["role"], index: number): Slot {
  const name = role === "serving" ? `serving-${index}` : role;
  return { name, role, index, policy: new RestartPolicy(), handle: null, retired: newLastingCounts() };
}

/** What other workers know the worker of a place by. */
export function peerName({ role, index }: Slot): PeerName {
  return role === "serving" ? index : role;
}

/** Pauses between restarts, and when a worker counts as stable again. */
export interface RestartOptions {
  /** Pause after the first death; doubles with each further one. */
  readonly firstPauseMs: number;
  readonly maxPauseMs: number;
  /** A worker that lived this long starts from the first pause again. */
  readonly stableAfterMs: number;
  /** Deaths in a row, each before the worker was stable, that make a crash loop. */
  readonly loopDeaths: number;
}

/** Quick for a single accident, slow for a fault that comes back at once. */
export const RESTART_DEFAULTS: RestartOptions = {
  firstPauseMs: 50,
  maxPauseMs: 10_000,
  stableAfterMs: 30_000,
  loopDeaths: 5,
};

/** Counts one worker's deaths and says how long to wait before the next start. */
export class RestartPolicy {
  readonly #options: RestartOptions;
  #deaths = 0;
  #total = 0;

  constructor(options: RestartOptions = RESTART_DEFAULTS) {
    this.#options = options;
  }

  /** Deaths since the start of the process. */
  get total(): number {
    return this.#total;
  }

  /** Whether it dies again and again. */
  get isLoop(): boolean {
    return this.#deaths >= this.#options.loopDeaths;
  }

  /** Takes note of a death after `livedMs`; the pause before the next start, in milliseconds. */
  died(livedMs: number): number {
    const { firstPauseMs, maxPauseMs, stableAfterMs } = this.#options;
    if (livedMs >= stableAfterMs) this.#deaths = 0;
    this.#deaths++;
    this.#total++;
    return Math.min(maxPauseMs, firstPauseMs * 2 ** (this.#deaths - 1));
  }
}
