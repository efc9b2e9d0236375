import type { Clock } from "../../clock.ts";
import type { DiskFilter } from "./disk_filter.ts";
import type { DiskTier } from "./disk_tier.ts";
import { KvLookUps, type ReadOutcome } from "./_kv_look_ups.ts";
import { bucketStartMs, LOG_RESERVE_BYTES } from "./_kv_rows.ts";
import { KvTrouble } from "./_kv_trouble.ts";
import { KvWriteLoop, WriteQueue } from "./_kv_write_queue.ts";
import { KvWriter } from "./_kv_writer.ts";
import { DEFAULT_KEEP_MS, listenerOfKey, type StoreLog, type TierStats } from "../store.ts";
import type { StoredHead, StoredResponse } from "../stored_response.ts";

/** Options of a KV tier. */
export interface KvTierOptions {
  /** Opened by the caller, who also closes it. */
  readonly kv: Deno.Kv;
  /**
   * A second connection for the writes, so that reads do not wait behind them: Deno KV serves one connection by one thread.
   * @default the same as `kv`
   */
  readonly writeKv?: Deno.Kv;
  readonly clock: Clock;
  readonly log: StoreLog;
  /**
   * The file and its log take 1.2 times as much at most, all workers together; they must all be told the same.
   */
  readonly limitBytes: number;
  /**
   * Left to SQLite's write-ahead log; it matters where the limit is small.
   * @default 12 MiB
   */
  readonly logReserveBytes?: number;
  /**
   * How long an entry with a validator is kept past its stale windows.
   * @default seven days
   */
  readonly keepMs?: number;
  /**
   * Part of the limit guaranteed to the listeners, split evenly among those that hold anything.
   * @default 0.5
   */
  readonly guaranteedShare?: number;
  /**
   * Bytes of responses that may wait to be written.
   * @default 32 MiB
   */
  readonly queueBytes?: number;
  /**
   * Changes that may wait to be written.
   * @default 32,768
   */
  readonly queueOps?: number;
  /**
   * A read that takes longer is a miss.
   * @default two seconds
   */
  readonly readTimeoutMs?: number;
  /**
   * Bytes of bodies that reads under way may bring into memory; where there is no room, a look-up is a miss.
   * @default 64 MiB
   */
  readonly readBytes?: number;
  /** Bytes that a listener may hold on disk at most, asked for each write; `null` where only the limit of all counts. */
  readonly quotaBytes?: (listener: string) => number | null;
  /**
   * Free bytes of the disk below which nothing more is stored.
   * @default 256 MiB
   */
  readonly minFreeBytes?: number;
  /** Free bytes of the disk, or `null` where that is not known; see `freeBytesBeside`. Without it there is no such guard. */
  readonly freeBytes?: () => number | null;
  /** Bytes of the file's write-ahead log; without it writes do not wait for it to be written back. */
  readonly logBytes?: () => number;
  /** Called when KV says that the file is damaged; see `markDamaged`. */
  readonly onDamage?: () => void;
  /** Which keys the file may hold, shared with all that write to it. Without it every look-up asks the file. */
  readonly filter?: DiskFilter;
}

/** Reads under way at most; more are misses. */
const MAX_READS = 512;
const MIB = 1024 * 1024;
/** Part of the log's reserve from which on writes wait: the rest is for batches that workers are writing already. */
const LOG_FULL_SHARE = 0.75;

/**
 * Keeps stored responses in Deno KV. A read returns a verified response, or nothing. Writes wait in a bounded queue and are made
 * in the background, one batch at a time; a look-up sees what waits. Nothing here throws: trouble is a miss and a warning.
 */
export class KvTier implements DiskTier {
  /** Apart, because a connection that hangs for reading may well go on writing, and the other way round. */
  readonly #readTrouble: KvTrouble;
  readonly #writeTrouble: KvTrouble;
  readonly #lookUps: KvLookUps;
  readonly #queue: WriteQueue;
  readonly #writer: KvWriter;
  readonly #loop: KvWriteLoop;
  readonly #clock: Clock;
  readonly #filter: DiskFilter | null;
  #closed = false;
  #corrupt = 0;
  #sparedReads = 0;
  #emptyReads = 0;

  constructor(options: KvTierOptions) {
    const { kv, clock, limitBytes, log, freeBytes = () => null, minFreeBytes = 256 * MIB } = options;
    this.#clock = clock;
    this.#filter = options.filter ?? null;
    const onDamage = options.onDamage ?? (() => {});
    this.#readTrouble = new KvTrouble({ clock, log, onDamage });
    this.#writeTrouble = new KvTrouble({ clock, log, onDamage });
    this.#lookUps = new KvLookUps({
      kv,
      clock,
      timeoutMs: options.readTimeoutMs ?? 2000,
      maxReads: MAX_READS,
      maxReadBytes: options.readBytes ?? 64 * MIB,
    });
    this.#queue = new WriteQueue({ maxBytes: options.queueBytes ?? 32 * MIB, maxOps: options.queueOps ?? 32_768 });
    this.#writer = new KvWriter({
      kv: options.writeKv ?? kv,
      clock,
      limitBytes,
      logReserveBytes: options.logReserveBytes ?? LOG_RESERVE_BYTES,
      keepMs: options.keepMs ?? DEFAULT_KEEP_MS,
      guaranteedShare: options.guaranteedShare ?? 0.5,
      quotaBytes: options.quotaBytes ?? (() => null),
      filter: this.#filter,
    });
    const { queue, writer, trouble } = { queue: this.#queue, writer: this.#writer, trouble: this.#writeTrouble };
    const { logBytes = () => 0, logReserveBytes = LOG_RESERVE_BYTES } = options;
    const isLogFull = () => logBytes() > logReserveBytes * LOG_FULL_SHARE;
    this.#loop = new KvWriteLoop({ queue, writer, trouble, clock, freeBytes, minFreeBytes, isLogFull });
  }

  /**
   * The response that `key` holds, complete and verified; at once where the filter says that there is none. Look-ups of one key at one
   * time share one read.
   */
  get(key: string): StoredResponse | undefined | Promise<StoredResponse | undefined> {
    const waiting = this.#queue.find(key);
    if (waiting?.kind === "put") return waiting.response;
    if (waiting?.kind === "delete" || this.#closed) return undefined;
    const joined = this.#lookUps.joined(key);
    if (joined !== undefined) return joined.then((outcome) => this.#responseIn(key, outcome), () => undefined);
    if (!this.#mayHold(key)) {
      this.#sparedReads++;
      return undefined;
    }
    return this.#lookUps.hasRoom && !this.#readTrouble.isSuspended ? this.#read(key) : undefined;
  }

  /** The head of what `get` would answer, for a look at it: no use of the entry, nothing counted, and its body is not verified. */
  async peek(key: string): Promise<StoredHead | undefined> {
    const waiting = this.#queue.find(key);
    if (waiting?.kind === "put") return waiting.response;
    if (waiting?.kind === "delete" || this.#closed || !this.#mayHold(key) || this.#readTrouble.isSuspended) {
      return undefined;
    }
    return await this.#readTrouble.guard("look at an entry", () => this.#lookUps.peek(key));
  }

  /** Whether what the key holds waits to be written, or is being written. */
  isOnItsWay(key: string): boolean {
    return this.#queue.find(key)?.kind === "put";
  }

  /** Takes a response to be written. */
  put(response: StoredResponse): void {
    if (this.#closed) return;
    this.#lookUps.supersede(response.key);
    this.#queue.put(response);
    this.#loop.wake();
  }

  /**
   * Takes a removal; what the key held is not answered from now on. What was asked for after `untilMs` stays: another worker may
   * have fetched it since.
   */
  delete(key: string, untilMs = Infinity): void {
    if (this.#closed) return;
    const waiting = this.#queue.find(key);
    if (waiting?.kind === "put" && waiting.response.requestTimeMs > untilMs) return;
    this.#lookUps.supersede(key);
    if (waiting === undefined && !this.#mayHold(key)) return;
    this.#queue.delete(key, false, untilMs);
    this.#loop.wake();
  }

  /** An entry in use is worth a `touch` once in such a time: a part of the time that entries live here. */
  get touchEveryMs(): number {
    return this.#writer.sums.touchEveryMs;
  }

  /** Notes that an entry was used, for the order of eviction. */
  touch(key: string): void {
    if (this.#closed) return;
    this.#queue.touch(key);
    this.#loop.wake();
  }

  /** Bounds what is held, in bytes, within seconds: the janitor evicts what is over a lower limit, in small steps. */
  limit(limitBytes: number): void {
    this.#writer.limit(limitBytes);
  }

  /** Figures of the tier: of all workers for entries and bytes, as last read; of this worker for the rest. */
  stats(): TierStats {
    const { bytes, entries, limitBytes } = this.#writer.sums;
    return {
      entries,
      bytes,
      limitBytes,
      evictions: this.#loop.evictions,
      queuedWrites: this.#queue.size,
      droppedWrites: this.#loop.dropped + this.#queue.dropped,
      corrupt: this.#corrupt,
      sparedReads: this.#sparedReads,
      emptyReads: this.#emptyReads,
    };
  }

  /** Bytes that each listener holds on disk, of all workers; empty where KV fails. */
  async usage(): Promise<Map<string, number>> {
    return await this.#writeTrouble.guard("read the figures", () => this.#writer.listenerBytes()) ?? new Map();
  }

  /** The problem with the disk now; `null` where there is none. */
  get problem(): string | null {
    return this.#loop.isDiskLow
      ? "Cannot store on disk: free space is below its floor"
      : this.#readTrouble.problem ?? this.#writeTrouble.problem;
  }

  /** Reads the sums of all workers, so that `stats` tells them. */
  async refresh(): Promise<void> {
    await this.#writeTrouble.guard("read the figures", () => this.#writer.readSums());
  }

  /** Waits until all that waits now is written or given up. */
  async flush(): Promise<void> {
    await this.#loop.idle();
  }

  /** Takes nothing more and waits at most `graceMs` for what is queued. The connection stays the caller's. */
  async close(graceMs: number): Promise<void> {
    this.#closed = true;
    this.#loop.close();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const deadline = new Promise<void>((resolve) => timer = setTimeout(resolve, graceMs));
    await Promise.race([this.flush(), deadline]);
    clearTimeout(timer);
  }

  async #read(key: string): Promise<StoredResponse | undefined> {
    const outcome = await this.#readTrouble.guard("read an entry", () => this.#lookUps.read(key));
    if (outcome === undefined) return undefined;
    if (outcome.kind === "found" && this.#clock.now() - bucketStartMs(outcome.bucket) >= this.touchEveryMs) {
      this.touch(key);
    }
    if (outcome.kind === "absent") this.#emptyReads++;
    if (outcome.kind === "corrupt") this.#reportCorrupt(key);
    if (outcome.kind === "corrupt" || outcome.kind === "dead") this.#remove(key, outcome.kind === "corrupt");
    return this.#responseIn(key, outcome);
  }

  /** A put or delete during the read counts. */
  #responseIn(key: string, outcome: ReadOutcome): StoredResponse | undefined {
    const waiting = this.#queue.find(key);
    if (waiting?.kind === "put") return waiting.response;
    return outcome.kind === "found" && waiting?.kind !== "delete" ? outcome.response : undefined;
  }

  #mayHold(key: string): boolean {
    return this.#filter?.mayHold(key) ?? true;
  }

  #remove(key: string, suspect: boolean): void {
    if (this.#closed || this.#queue.find(key) !== undefined) return;
    this.#queue.delete(key, suspect);
    this.#loop.wake();
  }

  #reportCorrupt(key: string): void {
    this.#corrupt++;
    this.#readTrouble.warn("corrupt", "Removed a stored response that is not as it was written", {
      listener: listenerOfKey(key),
      corrupt: this.#corrupt,
    });
  }
}

/** A KV tier; see {@linkcode KvTier}. */
export function createKvTier(options: KvTierOptions): KvTier {
  return new KvTier(options);
}
