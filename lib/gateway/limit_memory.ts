import { hash32 } from "../hash.ts";
import { RateShare, SHARE_CELLS } from "../rate_share.ts";

/** Limits that are counted at a time; beyond them each worker counts for itself. */
const SLOTS = 2_048;
/** Cells of a slot beside those that a worker counts in: its tag, what a gate or a key needs, and last the gateway's share of its rate. */
const HEAD_CELLS = 7 + SHARE_CELLS;
/** Cells that each worker may have in a slot. */
const CELLS_PER_WORKER = 2;

/** What counts in a slot: an upstream's gate, a listener's admission, or what is known of a key. */
export type LimitKind = "gate" | "admission" | "key";

/** By the two lowest bits of a tag. */
const KINDS: readonly LimitKind[] = ["gate", "admission", "key"];

function kindOf(tag: number): LimitKind {
  return KINDS[tag & 3]!;
}

/** Cells of one slot. */
function stride(workers: number): number {
  return HEAD_CELLS + CELLS_PER_WORKER * workers;
}

/** Memory of the limits that all workers hold together, to be handed to every worker. */
export function newLimitMemory(workers: number): SharedArrayBuffer {
  return new SharedArrayBuffer(SLOTS * stride(workers) * Int32Array.BYTES_PER_ELEMENT);
}

/** Where the counters of a limit are: a slot for each, found by name, so that workers need not agree on places. */
export class LimitMemory {
  readonly #memory: SharedArrayBuffer;
  readonly #tags: Int32Array;
  readonly #stride: number;

  constructor(memory: SharedArrayBuffer, workers: number) {
    this.#memory = memory;
    this.#tags = new Int32Array(memory);
    this.#stride = stride(workers);
  }

  /**
   * Takes back what a worker that has died had under way: its places are free at once, not only when it is replaced. Called by the
   * supervisor.
   */
  sweep(worker: number, cellsOf: Readonly<Record<LimitKind, (worker: number) => readonly number[]>>): void {
    for (let at = 0; at < this.#tags.length; at += this.#stride) {
      const tag = Atomics.load(this.#tags, at);
      if (tag === 0) continue;
      for (const cell of cellsOf[kindOf(tag)](worker)) Atomics.store(this.#tags, at + 1 + cell, 0);
    }
  }

  /**
   * The counters of the limit of this name, the same ones in every worker: all 0 at first. A name has them for as long as the
   * process lives. Where there are no more, counters of this worker's own.
   */
  cells(name: string, kind: LimitKind): Int32Array {
    const tag = tagOf(name, kind);
    for (let probe = 0; probe < SLOTS; probe++) {
      const at = ((tag >>> 0) + probe) % SLOTS * this.#stride;
      const before = Atomics.compareExchange(this.#tags, at, 0, tag);
      if (before === 0 || before === tag) {
        return new Int32Array(this.#memory, (at + 1) * Int32Array.BYTES_PER_ELEMENT, this.#stride - 1);
      }
    }
    return new Int32Array(this.#stride - 1);
  }

  /** The shares of all rates that this gateway has asked for, by names that are the same at every gateway. */
  shares(): { readonly id: string; readonly share: RateShare }[] {
    const found = [];
    for (let at = 0; at < this.#tags.length; at += this.#stride) {
      const tag = Atomics.load(this.#tags, at);
      if (tag === 0) continue;
      const share = new RateShare(shareCells(this.#tags.subarray(at + 1, at + this.#stride)));
      if (share.asked > 0) found.push({ id: (tag >>> 0).toString(36), share });
    }
    return found;
  }
}

/** Those of a slot's cells that hold its share. */
export function shareCells(cells: Int32Array): Int32Array {
  return cells.subarray(cells.length - SHARE_CELLS);
}

/** 30 bits of a name and two of its kind, never 0. Two names in some billion share a limit's counters. */
function tagOf(name: string, kind: LimitKind): number {
  return (hash32(name) & ~3) | KINDS.indexOf(kind) || 4;
}
