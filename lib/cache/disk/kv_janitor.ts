import { type Clock, pause } from "../../clock.ts";
import { messageOf } from "../../errors.ts";
import { commitPatiently } from "../../state/kv_commit.ts";
import { evict, listenerBytes, removeEntries, type UseEntry, useEntryOf } from "./_kv_evictor.ts";
import { type KvFileSize, KvGauge, recount } from "./_kv_gauge.ts";
import {
  allowedSumBytes,
  BYTES_ROW,
  CALIBRATION_ROW,
  chunkRow,
  decodeTransit,
  LOG_RESERVE_BYTES,
  OLDEST_ROW,
  SumChanges,
  sumOf,
  type Transit,
} from "./_kv_rows.ts";
import { tidyPurges } from "../purge/saved_purges.ts";
import { KvStateStore } from "../../state/kv_state_store.ts";
import type { StoreLog } from "../store.ts";

/** Options of a janitor. */
export interface KvJanitorOptions {
  readonly kv: Deno.Kv;
  /** The file behind `kv`, for measuring it; `null` where it cannot be measured. */
  readonly path: string | null;
  readonly clock: Clock;
  readonly log: StoreLog;
  /** The same as every worker's KV tier has. */
  readonly limitBytes: number;
  /** @default 0.5 */
  readonly guaranteedShare?: number;
  /** @default 12 MiB */
  readonly logReserveBytes?: number;
  /** Bytes that a listener may hold at most; `null` where only the limit of all counts. */
  readonly quotaBytes?: (listener: string) => number | null;
}

/** The result of one step. */
export interface JanitorReport {
  /** Entries removed because they were past their time. */
  readonly expired: number;
  /** Entries removed to keep room for the workers' writes. */
  readonly evicted: number;
  /** Bodies removed that a killed writer left, or that were replaced. */
  readonly collected: number;
  /** The file and its log, as measured; 0 where that is not possible. */
  readonly fileBytes: number;
}

/** Entries looked at in one step. */
const SWEPT_AT_ONCE = 500;
const TRANSITS_AT_ONCE = 20;
const CHUNKS_AT_ONCE = 200;
/** A writer that made no progress for so long is gone. */
const TRANSIT_GRACE_MS = 10 * 60_000;
/** A response that was asked for longer ago than this is stored, or never will be. */
const FILL_GRACE_MS = 3_600_000;
const RECOUNT_EVERY_MS = 6 * 3_600_000;
/** The janitor keeps the sum below this part of the limit, so that writers seldom have to make room themselves. */
const HIGH_SHARE = 0.98;
const LOW_SHARE = 0.96;
/** Bytes that one step evicts at most. */
const EVICTED_AT_ONCE_BYTES = 32 * 1024 * 1024;
/** Below so many bytes a measure says more about SQLite than about the entries. */
const CALIBRATE_FROM_BYTES = 8 * 1024 * 1024;
/** A log above this is written back: readers that never pause keep SQLite from doing it itself. */
const LOG_BYTES = 8 * 1024 * 1024;
const LOG_LOOK_EVERY_MS = 100;
const MILLION = 1_000_000;

/**
 * Keeps the KV tier tidy, in small bounded steps, from one worker alone: removes what is past its time, collects what killed
 * writers left, evicts ahead of the writers, and measures the file, so that the tier's own count is held against what the disk
 * really gives.
 */
export class KvJanitor {
  readonly #options: KvJanitorOptions;
  #limitBytes: number;
  readonly #gauge: KvGauge | null;
  #recountedAtMs = -Infinity;
  #cursor = "";
  /** Of the sweep under way: when it began, and when the oldest entry it saw was asked for. */
  #sweep = { startedMs: 0, oldestMs: Infinity };

  constructor(options: KvJanitorOptions) {
    this.#options = options;
    this.#limitBytes = options.limitBytes;
    this.#gauge = options.path === null ? null : new KvGauge(options.path);
  }

  /** Bounds what is held, in bytes; what is over a lower limit goes with the next steps. */
  limit(limitBytes: number): void {
    this.#limitBytes = limitBytes;
  }

  /** One step of everything. @throws what Deno KV throws */
  async step(): Promise<JanitorReport> {
    await this.#recountNowAndThen();
    const collected = await this.#collect();
    const expired = await this.#sweepOn();
    const fileBytes = await this.#calibrate();
    const evicted = await this.#evictOverQuota() + await this.#evictAhead();
    await this.#noteOldest();
    return { expired, evicted, collected, fileBytes };
  }

  /** Steps until the signal aborts, one each `everyMs`; trouble is logged and tried again, a minute later. */
  async run(signal: AbortSignal, everyMs: number): Promise<void> {
    while (!signal.aborted) {
      let pauseMs = everyMs;
      try {
        await this.step();
      } catch (error) {
        pauseMs = 60_000;
        this.#options.log.warn("Cannot tidy the disk cache", { error: messageOf(error) });
      }
      await this.#pauseBesideLog(pauseMs, signal);
    }
  }

  /** Writers that go on without a pause fill the log faster than steps come. */
  async #pauseBesideLog(pauseMs: number, signal: AbortSignal): Promise<void> {
    for (let leftMs = pauseMs; leftMs > 0 && !signal.aborted; leftMs -= LOG_LOOK_EVERY_MS) {
      await pause(Math.min(leftMs, LOG_LOOK_EVERY_MS), signal);
      this.#tendLog();
    }
  }

  /** A reader of the log keeps it from being emptied: the next look comes soon. */
  #tendLog(): void {
    try {
      if (this.#gauge !== null && this.#gauge.logBytes > LOG_BYTES) this.#gauge.emptyLog();
    } catch {
      // It is tried again.
    }
  }

  /** Closes the file. The connection stays the caller's. */
  close(): void {
    this.#gauge?.close();
  }

  /** Puts the sums right, should they be off; see `recount`. */
  async #recountNowAndThen(): Promise<void> {
    const { kv, path, clock, log } = this.#options;
    if (path === null || clock.now() - this.#recountedAtMs < RECOUNT_EVERY_MS) return;
    this.#recountedAtMs = clock.now();
    const off = await recount(path);
    if (off.isEmpty) return;
    const atomic = kv.atomic();
    off.addTo(atomic);
    await commitPatiently(atomic);
    log.warn("Put the sums of the disk cache right", { offByBytes: off.bytes });
  }

  /** Removes bodies whose writer made no progress, and those of replaced entries. */
  async #collect(): Promise<number> {
    const { kv, clock } = this.#options;
    const longAgoMs = clock.now() - TRANSIT_GRACE_MS;
    let collected = 0;
    for await (const entry of kv.list({ prefix: ["w"] }, { limit: TRANSITS_AT_ONCE })) {
      const transit = decodeTransit(entry.value);
      if (transit !== null && transit.timeMs <= longAgoMs && await this.#collectBody(entry, transit)) collected++;
    }
    return collected;
  }

  async #collectBody(entry: Deno.KvEntry<unknown>, transit: Transit): Promise<boolean> {
    const { kv } = this.#options;
    const { listener, chunks, countedBytes } = transit;
    const id = new Uint8Array(entry.key[1] as Uint8Array);
    for (let from = 0; from < chunks; from += CHUNKS_AT_ONCE) {
      const atomic = kv.atomic().check(entry);
      for (let n = from; n < Math.min(chunks, from + CHUNKS_AT_ONCE); n++) atomic.delete(chunkRow(id, n));
      const isLast = from + CHUNKS_AT_ONCE >= chunks;
      if (isLast) {
        const sums = new SumChanges();
        sums.add(listener, -countedBytes, 0);
        sums.addTo(atomic.delete(entry.key));
      }
      // Its writer lives after all: it goes on, and what it has lost shows when the body is read.
      if (!(await commitPatiently(atomic)).ok) return false;
    }
    return true;
  }

  /** The next entries in turn; those past their time go. */
  async #sweepOn(): Promise<number> {
    const { kv, clock } = this.#options;
    const nowMs = clock.now();
    if (this.#cursor === "") this.#sweep = { startedMs: nowMs, oldestMs: Infinity };
    const dead: UseEntry[] = [];
    let seen = 0;
    const list = kv.list({ prefix: ["x"] }, { limit: SWEPT_AT_ONCE, batchSize: SWEPT_AT_ONCE, cursor: this.#cursor });
    for await (const entry of list) {
      seen++;
      const use = useEntryOf(entry);
      if (use === null) continue;
      if (use.use.deadAtMs <= nowMs) dead.push(use);
      else this.#sweep.oldestMs = Math.min(this.#sweep.oldestMs, use.use.storedAtMs);
    }
    this.#cursor = seen < SWEPT_AT_ONCE ? "" : list.cursor;
    if (this.#cursor === "") await this.#tidyPurges();
    return (await removeEntries(kv, dead, Infinity)).removed;
  }

  /** After a whole sweep: removes purges that are older than every stored response and every one that may still be stored. */
  async #tidyPurges(): Promise<void> {
    const { startedMs, oldestMs } = this.#sweep;
    await tidyPurges(new KvStateStore(this.#options.kv), Math.min(oldestMs, startedMs - FILL_GRACE_MS));
  }

  /** Measures how many bytes of the file one counted byte takes. */
  async #calibrate(): Promise<number> {
    const size = this.#measure();
    if (size === null) return 0;
    const { kv } = this.#options;
    const [bytes, before] = await kv.getMany([BYTES_ROW, CALIBRATION_ROW]);
    const counted = sumOf(bytes.value);
    if (counted < CALIBRATE_FROM_BYTES) return size.fileBytes;
    const measured = Math.round(size.liveBytes / counted * MILLION);
    const known = sumOf(before.value) || MILLION;
    // Half-way each time: a commit between the two measures makes no leap.
    const next = Math.round((known + measured) / 2);
    if (Math.abs(next - known) > MILLION / 200) {
      await commitPatiently(kv.atomic().set(CALIBRATION_ROW, new Deno.KvU64(BigInt(next))));
    }
    return size.fileBytes;
  }

  /** `null` where the file cannot be measured just now: it is measured again with the next step. */
  #measure(): KvFileSize | null {
    try {
      const size = this.#gauge?.measure() ?? null;
      if (size !== null && size.walBytes > LOG_BYTES) this.#gauge?.emptyLog();
      return size;
    } catch {
      return null;
    }
  }

  /** A quota that a reload made smaller, and what workers wrote at once beyond one. */
  async #evictOverQuota(): Promise<number> {
    const { kv, quotaBytes, guaranteedShare = 0.5 } = this.#options;
    if (quotaBytes === undefined) return 0;
    let removed = 0;
    for (const [listener, bytes] of await listenerBytes(kv)) {
      const over = Math.min(EVICTED_AT_ONCE_BYTES, bytes - (quotaBytes(listener) ?? Infinity));
      if (over > 0) removed += (await evict({ kv, guaranteedShare, listener }, over)).removed;
    }
    return removed;
  }

  async #evictAhead(): Promise<number> {
    const { kv, guaranteedShare = 0.5, logReserveBytes = LOG_RESERVE_BYTES } = this.#options;
    const [bytes, calibration] = (await kv.getMany([BYTES_ROW, CALIBRATION_ROW])).map(({ value }) => sumOf(value));
    const limit = allowedSumBytes({ limitBytes: this.#limitBytes, logReserveBytes }, calibration ?? 0);
    if ((bytes ?? 0) <= limit * HIGH_SHARE) return 0;
    const wanted = Math.min(EVICTED_AT_ONCE_BYTES, (bytes ?? 0) - limit * LOW_SHARE);
    return (await evict({ kv, guaranteedShare }, wanted)).removed;
  }

  /** Tells the workers how long entries live here: how often they note a use depends on it. */
  async #noteOldest(): Promise<void> {
    const { kv } = this.#options;
    let oldest = Infinity;
    for (const listener of [...(await listenerBytes(kv)).keys()].slice(0, 64)) {
      for await (const { key } of kv.list({ prefix: ["x", listener] }, { limit: 1 })) {
        oldest = Math.min(oldest, Number(key[2]));
      }
    }
    const [before] = await kv.getMany([OLDEST_ROW]);
    if (!Number.isFinite(oldest) || sumOf(before.value) === oldest) return;
    await commitPatiently(kv.atomic().set(OLDEST_ROW, new Deno.KvU64(BigInt(oldest))));
  }
}

/** A janitor; see {@linkcode KvJanitor}. One for a file is enough. */
export function createKvJanitor(options: KvJanitorOptions): KvJanitor {
  return new KvJanitor(options);
}
