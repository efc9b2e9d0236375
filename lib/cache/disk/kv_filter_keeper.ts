import { type Clock, pause } from "../../clock.ts";
import { messageOf } from "../../errors.ts";
import { DiskFilterBuilder } from "./disk_filter.ts";
import { decodeUse, ENTRIES_ROW, sumOf } from "./_kv_rows.ts";
import type { StoreLog } from "../store.ts";

/** Options of a filter keeper. */
export interface KvFilterKeeperOptions {
  readonly kv: Deno.Kv;
  /** See `newDiskFilterMemory`. */
  readonly memory: SharedArrayBuffer;
  readonly clock: Clock;
  readonly log: StoreLog;
}

/** Entries read in one step: some two milliseconds. */
const READ_AT_ONCE = 250;
/** A new filter is built when so many more keys in all are taken for "maybe" than with what the disk holds now. */
const STALE_RATE = 0.01;
/** Between two builds, as multiples of what the first took, and at least. */
const BUILD_PAUSE = 10;
const MIN_BUILD_PAUSE_MS = 60_000;
/** Delay of a keeper that finds a build begun: the worker before it may still be ending. */
const TAKE_OVER_MS = 10_000;
/** Between two steps of a build, as multiples of what the first took, and at least: a build takes a quarter of a core. */
const STEP_PAUSE = 3;
const MIN_STEP_PAUSE_MS = 5;
const LOOK_EVERY_MS = 10_000;
const RETRY_AFTER_MS = 60_000;

/**
 * Builds the filter of what the disk may hold, in small steps, from one worker alone: after a start, and again when so much was removed
 * that too many look-ups read the disk and find nothing.
 */
export class KvFilterKeeper {
  readonly #options: KvFilterKeeperOptions;
  readonly #builder: DiskFilterBuilder;
  #phase: "idle" | "clearing" | "settling" | "reading" = "idle";
  #cursor = "";
  #begunAtMs = 0;
  #notBeforeMs: number;

  constructor(options: KvFilterKeeperOptions) {
    this.#options = options;
    this.#builder = new DiskFilterBuilder(options.memory);
    this.#notBeforeMs = options.clock.now() + (this.#builder.hasBegun ? TAKE_OVER_MS : 0);
  }

  /** Takes the next step; returns whether a build is under way. @throws what Deno KV throws; then the build is given up */
  async step(): Promise<boolean> {
    try {
      await this.#next();
    } catch (error) {
      this.#phase = "idle";
      throw error;
    }
    return this.#phase !== "idle";
  }

  /** Steps until the signal aborts; trouble is logged and tried again, a minute later. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const startedMs = performance.now();
      let pauseMs = LOOK_EVERY_MS;
      try {
        const isBuilding = await this.step();
        if (isBuilding) pauseMs = Math.max(MIN_STEP_PAUSE_MS, (performance.now() - startedMs) * STEP_PAUSE);
      } catch (error) {
        pauseMs = RETRY_AFTER_MS;
        this.#options.log.warn("Cannot list the disk cache: look-ups of what it does not hold go on asking it", {
          error: messageOf(error),
        });
      }
      await pause(pauseMs, signal);
    }
  }

  async #next(): Promise<void> {
    const builder = this.#builder;
    if (this.#phase === "idle") {
      if (!await this.#isDue()) return;
      this.#begunAtMs = this.#options.clock.now();
      builder.begin();
      this.#phase = "clearing";
    } else if (this.#phase === "clearing") {
      if (!builder.clear()) this.#phase = "settling";
    } else if (this.#phase === "settling") {
      if (!builder.isSettled()) return;
      this.#cursor = "";
      this.#phase = "reading";
    } else if (!await this.#read()) {
      this.#end();
    }
  }

  async #isDue(): Promise<boolean> {
    const builder = this.#builder;
    if (this.#options.clock.now() < this.#notBeforeMs) return false;
    if (!builder.isServing) return true;
    if (builder.falseRateNow < STALE_RATE) return false;
    const { value } = await this.#options.kv.get(ENTRIES_ROW);
    return builder.falseRateNow - builder.falseRate(sumOf(value)) > STALE_RATE;
  }

  /**
   * Adds the next entries, by their use rows, which are small and name their records' hashes; returns whether there are more. None is
   * missed: a use row is written with its record in one commit, and a later use only moves it forward in the order that we read in.
   */
  async #read(): Promise<boolean> {
    const options = { limit: READ_AT_ONCE, batchSize: READ_AT_ONCE, cursor: this.#cursor };
    const list = this.#options.kv.list({ prefix: ["x"] }, options);
    let read = 0;
    for await (const { value } of list) {
      read++;
      const use = decodeUse(value);
      if (use !== null) this.#builder.add(use.hash);
    }
    if (read < READ_AT_ONCE) return false;
    this.#cursor = list.cursor;
    return true;
  }

  #end(): void {
    this.#phase = "idle";
    const nowMs = this.#options.clock.now();
    // Where another build was begun since, the next look begins one more.
    if (!this.#builder.serve()) return;
    this.#notBeforeMs = nowMs + Math.max(MIN_BUILD_PAUSE_MS, (nowMs - this.#begunAtMs) * BUILD_PAUSE);
  }
}
