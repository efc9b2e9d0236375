import type { Clock } from "../clock.ts";
import { bucketStartMs } from "./_kv_rows.ts";
import { readEntry } from "./_kv_reader.ts";
import { KvWriter } from "./_kv_writer.ts";
import { WriteQueue } from "./_write_queue.ts";
import type { StoreLog, TierStats } from "./store.ts";
import { DEFAULT_KEEP_MS } from "./store.ts";
import type { StoredResponse } from "./stored_response.ts";

/** What a KV tier works with. */
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
  /** Bytes that the file may take; the workers on one file must be told the same. */
  readonly limitBytes: number;
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
   * @default 4096
   */
  readonly queueOps?: number;
}

/** A look-up under way. */
interface Reading {
  readonly response: Promise<StoredResponse | undefined>;
  /** Set when its key is put or deleted: what it finds is old then. */
  superseded: boolean;
}

/** Of one commit: what it may hold in all stays within Deno KV's 819,200 bytes, and in checks within 100. */
const BATCH_BYTES = 560_000;
const BATCH_OPS = 40;
/** Troubles of the store are logged this often at most. */
const WARN_EVERY_MS = 60_000;

/**
 * Keeps stored responses in Deno KV. A read answers what was verified, or nothing. Writes wait in a bounded queue and are made
 * in the background, one batch at a time; a look-up sees what waits. Nothing here throws: trouble is a miss and a warning.
 */
export class KvTier {
  readonly #options: KvTierOptions;
  readonly #queue: WriteQueue;
  readonly #writer: KvWriter;
  readonly #reading = new Map<string, Reading>();
  #pump: Promise<void> | null = null;
  #closed = false;
  #evictions = 0;
  #dropped = 0;
  #corrupt = 0;
  #failures = 0;
  #warnedAtMs = -Infinity;

  constructor(options: KvTierOptions) {
    this.#options = options;
    this.#queue = new WriteQueue({
      maxBytes: options.queueBytes ?? 32 * 1024 * 1024,
      maxOps: options.queueOps ?? 4096,
    });
    this.#writer = new KvWriter({
      kv: options.writeKv ?? options.kv,
      clock: options.clock,
      limitBytes: options.limitBytes,
      keepMs: options.keepMs ?? DEFAULT_KEEP_MS,
      guaranteedShare: options.guaranteedShare ?? 0.5,
    });
  }

  /** The response that `key` holds, complete and verified. Look-ups of one key at one time share one read. */
  get(key: string): StoredResponse | undefined | Promise<StoredResponse | undefined> {
    const waiting = this.#queue.find(key);
    if (waiting?.kind === "put") return waiting.response;
    if (waiting?.kind === "delete" || this.#closed) return undefined;
    return this.#reading.get(key)?.response ?? this.#startReading(key);
  }

  /** Takes a response to be written. */
  put(response: StoredResponse): void {
    if (this.#closed) return;
    this.#supersede(response.key);
    this.#queue.put(response);
    this.#wake();
  }

  /** Takes a removal; what the key held is not answered from now on. */
  delete(key: string): void {
    if (this.#closed) return;
    this.#supersede(key);
    this.#queue.delete(key);
    this.#wake();
  }

  /** An entry in use is worth a `touch` once in such a time: a part of the time that entries live here. */
  get touchEveryMs(): number {
    return this.#writer.sums.touchEveryMs;
  }

  /** Notes that an entry was used, for the order of eviction. */
  touch(key: string): void {
    if (this.#closed) return;
    this.#queue.touch(key);
    this.#wake();
  }

  /** Figures of the tier: of all workers for entries and bytes, as last read; of this worker for the rest. */
  stats(): TierStats {
    const { bytes, entries, limitBytes } = this.#writer.sums;
    return {
      entries,
      bytes,
      limitBytes,
      evictions: this.#evictions,
      queuedWrites: this.#queue.size,
      droppedWrites: this.#dropped + this.#queue.dropped,
      corrupt: this.#corrupt,
    };
  }

  /** Reads the sums of all workers, so that `stats` tells them. */
  async refresh(): Promise<void> {
    await this.#guard("read the figures", async () => void await this.#writer.readSums());
  }

  /** Waits until all that waits now is written or given up. */
  async flush(): Promise<void> {
    while (this.#pump !== null) await this.#pump;
  }

  /** Takes nothing more and waits at most `graceMs` for what is queued. The connection stays the caller's. */
  async close(graceMs: number): Promise<void> {
    this.#closed = true;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const deadline = new Promise<void>((resolve) => timer = setTimeout(resolve, graceMs));
    await Promise.race([this.flush(), deadline]);
    clearTimeout(timer);
  }

  #startReading(key: string): Promise<StoredResponse | undefined> {
    const state = { superseded: false };
    const response = this.#read(key, state).finally(() => {
      if (this.#reading.get(key)?.response === response) this.#reading.delete(key);
    });
    this.#reading.set(key, Object.assign(state, { response }));
    return response;
  }

  #supersede(key: string): void {
    const reading = this.#reading.get(key);
    if (reading === undefined) return;
    reading.superseded = true;
    this.#reading.delete(key);
  }

  async #read(key: string, state: { readonly superseded: boolean }): Promise<StoredResponse | undefined> {
    const nowMs = this.#options.clock.now();
    const outcome = await this.#guard("read an entry", () => readEntry(this.#options.kv, key, nowMs));
    if (state.superseded) return this.#queued(key);
    if (outcome === undefined || outcome.kind === "absent") return undefined;
    if (outcome.kind === "found") {
      if (nowMs - bucketStartMs(outcome.bucket) >= this.touchEveryMs) this.touch(key);
      return outcome.response;
    }
    if (outcome.kind === "corrupt") this.#reportCorrupt(key);
    this.#queue.delete(key, outcome.kind === "corrupt");
    this.#wake();
    return undefined;
  }

  #queued(key: string): StoredResponse | undefined {
    const waiting = this.#queue.find(key);
    return waiting?.kind === "put" ? waiting.response : undefined;
  }

  #reportCorrupt(key: string): void {
    this.#corrupt++;
    this.#warn("Removed a stored response that is not as it was written", { keyLength: key.length });
  }

  #wake(): void {
    if (this.#pump !== null) return;
    this.#pump = this.#writeAll();
  }

  async #writeAll(): Promise<void> {
    // What comes in the same turn goes down in one commit.
    await Promise.resolve();
    while (this.#queue.size > 0) {
      const ops = this.#queue.take(BATCH_BYTES, BATCH_OPS);
      const report = await this.#guard("write entries", () => this.#writer.write(ops));
      this.#queue.done();
      this.#evictions += report?.evicted ?? 0;
      this.#dropped += report === undefined ? ops.filter((op) => op.kind === "put").length : report.dropped;
    }
    // In the same turn as the look at the queue: an op that comes later wakes a new run.
    this.#pump = null;
  }

  async #guard<Result>(action: string, work: () => Promise<Result>): Promise<Result | undefined> {
    try {
      return await work();
    } catch (error) {
      this.#failures++;
      this.#warn(`Cannot ${action} on disk: ${error instanceof Error ? error.message : String(error)}`, {});
      return undefined;
    }
  }

  #warn(message: string, fields: Readonly<Record<string, unknown>>): void {
    const nowMs = this.#options.clock.now();
    if (nowMs - this.#warnedAtMs < WARN_EVERY_MS) return;
    this.#warnedAtMs = nowMs;
    this.#options.log.warn(message, { ...fields, failures: this.#failures, corrupt: this.#corrupt });
  }
}

/** A KV tier; see {@linkcode KvTier}. */
export function createKvTier(options: KvTierOptions): KvTier {
  return new KvTier(options);
}
