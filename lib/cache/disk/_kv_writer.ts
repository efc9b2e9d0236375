import type { Clock } from "../../clock.ts";
import { commitPatiently } from "../../state/kv_commit.ts";
import { encodeResponse, readHeader, type RecordHeader } from "./_kv_record.ts";
import {
  allowedSumBytes,
  bucketAt,
  bucketStartMs,
  BYTES_ROW,
  CALIBRATION_ROW,
  chunkCostBytes,
  chunkRow,
  decodeUse,
  digestOfKey,
  type DiskLimit,
  encodeTransit,
  ENTRIES_ROW,
  entryCostBytes,
  hashOfDigest,
  listenerRow,
  newId,
  OLDEST_ROW,
  recordRow,
  SumChanges,
  sumOf,
  transitRow,
  useRow,
} from "./_kv_rows.ts";
import type { DiskFilter } from "./disk_filter.ts";
import { addChange, type Change, CHUNKS_AT_ONCE, type Encoded, groupsOf, isLarge, type WriteOp } from "./_kv_change.ts";
import { evict, listenerBytes } from "./_kv_evictor.ts";
import { deadAtMs, listenerOfKey } from "../store.ts";

/** Options of a writer. */
export interface KvWriterOptions extends DiskLimit {
  readonly kv: Deno.Kv;
  readonly clock: Clock;
  /** How long an entry with a validator is kept past its stale windows. */
  readonly keepMs: number;
  readonly guaranteedShare: number;
  /** Bytes that a listener may hold at most; `null` where only the limit of all counts. */
  readonly quotaBytes: (listener: string) => number | null;
  /** Told of every key before it can be found on disk; `null` where there is none. */
  readonly filter: DiskFilter | null;
}

/** The result of a batch. */
export interface WriteReport {
  readonly evicted: number;
  /** Puts that could not be made: too large for the tier, or out of room. */
  readonly dropped: number;
}

/** The sums as last read. */
export interface DiskSums {
  readonly bytes: number;
  readonly entries: number;
  readonly limitBytes: number;
  /** The next use of an entry is noted where the last note is older than this. */
  readonly touchEveryMs: number;
}

/** An op, and where its key's record lies. */
interface Target {
  readonly op: WriteOp;
  readonly digest: string;
  readonly hash: Uint8Array<ArrayBuffer>;
  /** Whether the file may hold the key already. */
  readonly mayBeHeld: boolean;
}

/** A record as it was read. */
type ReadRow = Pick<Deno.KvEntryMaybe<unknown>, "value" | "versionstamp">;

const NOT_HELD: ReadRow = { value: null, versionstamp: null };
const KEYS_AT_ONCE = 10;
/** Largest part of the limit, or of its listener's quota, that one entry may take. */
const MAX_ENTRY_SHARE = 0.25;
const TRIES = 3;
/** Uses are noted four times in the time that an entry takes from its last use to its eviction, within these bounds. */
const TOUCHES_PER_TURNOVER = 4;
const MIN_TOUCH_MS = 1000;
const MAX_TOUCH_MS = 12 * 3_600_000;

/** Writes batches of changes, each in one commit that also keeps the sums; makes room before it writes. */
export class KvWriter {
  readonly #options: KvWriterOptions;
  #limitBytes: number;
  #sums: DiskSums;

  constructor(options: KvWriterOptions) {
    this.#options = options;
    this.#limitBytes = options.limitBytes;
    this.#sums = {
      bytes: 0,
      entries: 0,
      limitBytes: allowedSumBytes(options, 0),
      touchEveryMs: MAX_TOUCH_MS,
    };
  }

  /** The sums as last read. */
  get sums(): DiskSums {
    return this.#sums;
  }

  /** Bounds what is held, in bytes, from the next reading of the sums on. */
  limit(limitBytes: number): void {
    this.#limitBytes = limitBytes;
  }

  /** Writes the ops. @throws what Deno KV throws; then some of them may not be written, each wholly or not at all. */
  async write(ops: readonly WriteOp[]): Promise<WriteReport> {
    const { filter } = this.#options;
    const targets = ops.map((op) => this.#targetOf(op));
    filter?.beginWrite(targets.flatMap(({ op, digest }) => op.kind === "put" ? [digest] : []));
    try {
      return await this.#write(targets);
    } finally {
      filter?.endWrite();
    }
  }

  /** Reads the sums. @throws what Deno KV throws */
  async readSums(): Promise<DiskSums> {
    const rows = await this.#options.kv.getMany([BYTES_ROW, ENTRIES_ROW, CALIBRATION_ROW, OLDEST_ROW]);
    const [bytes, entries, calibration, oldest] = rows.map(({ value }) => sumOf(value));
    const ageMs = oldest ? this.#options.clock.now() - bucketStartMs(oldest) : MAX_TOUCH_MS;
    this.#sums = {
      bytes: bytes ?? 0,
      entries: entries ?? 0,
      limitBytes: allowedSumBytes({ ...this.#options, limitBytes: this.#limitBytes }, calibration ?? 0),
      touchEveryMs: Math.min(MAX_TOUCH_MS, Math.max(MIN_TOUCH_MS, ageMs / TOUCHES_PER_TURNOVER)),
    };
    if (!oldest) {
      await commitPatiently(
        this.#options.kv.atomic().set(OLDEST_ROW, new Deno.KvU64(BigInt(bucketAt(this.#options.clock.now())))),
      );
    }
    return this.#sums;
  }

  /** Bytes by listener, written by all workers. @throws what Deno KV throws */
  listenerBytes(): Promise<Map<string, number>> {
    return listenerBytes(this.#options.kv);
  }

  #targetOf(op: WriteOp): Target {
    const digest = digestOfKey(op.key);
    // Before this batch marks it.
    return { op, digest, hash: hashOfDigest(digest), mayBeHeld: this.#options.filter?.mayHoldDigest(digest) ?? true };
  }

  async #write(targets: readonly Target[]): Promise<WriteReport> {
    const { changes, evicted } = await this.#withRoom(await this.#prepare(targets));
    let dropped = changes.filter(({ op, encoded }) => op.kind === "put" && encoded === null).length;
    const ready = await Promise.all(changes.map((change) => isLarge(change) ? this.#writeAhead(change) : change));
    for (const group of groupsOf(ready)) {
      if (!await this.#commit(group)) dropped += await this.#commitEach(group);
    }
    return { evicted, dropped };
  }

  async #prepare(targets: readonly Target[]): Promise<Change[]> {
    const [records] = await Promise.all([this.#readRecords(targets), this.readSums()]);
    const changes: Change[] = [];
    for (const [at, { op, hash }] of targets.entries()) {
      const change = await this.#changeOf(op, hash, records[at]!);
      if (change !== null) changes.push(change);
    }
    return changes;
  }

  /** The records of the keys. Keys that are certainly not on disk are not read: if one is written meanwhile, the commit's check fails. */
  async #readRecords(targets: readonly Target[]): Promise<readonly ReadRow[]> {
    const wanted = targets.filter(({ mayBeHeld }) => mayBeHeld).map(({ hash }) => recordRow(hash));
    const reads: Promise<ReadRow[]>[] = [];
    for (let from = 0; from < wanted.length; from += KEYS_AT_ONCE) {
      reads.push(this.#options.kv.getMany(wanted.slice(from, from + KEYS_AT_ONCE)));
    }
    const found = (await Promise.all(reads)).flat();
    let next = 0;
    return targets.map(({ mayBeHeld }) => mayBeHeld ? found[next++]! : NOT_HELD);
  }

  /** `null` where there is nothing to do. A put that cannot be encoded removes what its key holds. */
  async #changeOf(
    op: WriteOp,
    hash: Uint8Array<ArrayBuffer>,
    read: ReadRow,
  ): Promise<Change | null> {
    const listener = listenerOfKey(op.key);
    const record = read.value instanceof Uint8Array ? read.value as Uint8Array<ArrayBuffer> : null;
    let current = record === null ? null : readHeader(record);
    if (op.kind === "delete" && read.versionstamp === null) return null;
    if (op.kind === "delete" && current !== null && current.storedAtMs > (op.untilMs ?? Infinity)) return null;
    if (op.kind === "delete" && op.suspect) current = await this.#trusted(current, listener, read.versionstamp);
    if (op.kind === "touch" && (current === null || current.bucket >= bucketAt(this.#options.clock.now()))) return null;
    const currentCostBytes = current === null || record === null
      ? 0
      : entryCostBytes(listener, record.byteLength, current.bodyLength);
    const encoded = op.kind === "put" ? this.#encode(op, listener) : null;
    return { op, listener, hash, versionstamp: read.versionstamp, record, current, currentCostBytes, encoded };
  }

  /** The header of a damaged record, where the use row written with it says the same; else `null`: eviction cleans up. */
  async #trusted(
    header: RecordHeader | null,
    listener: string,
    versionstamp: string | null,
  ): Promise<RecordHeader | null> {
    if (header === null) return null;
    const use = await this.#options.kv.get(useRow(listener, header.bucket, header.id));
    if (use.versionstamp !== versionstamp) return null;
    return decodeUse(use.value)?.bodyLength === header.bodyLength ? header : null;
  }

  #encode(op: WriteOp & { kind: "put" }, listener: string): Encoded | null {
    const { response } = op;
    const encoded = encodeResponse(response, {
      id: newId(this.#options.clock.now()),
      bucket: bucketAt(this.#options.clock.now()),
      deadAtMs: deadAtMs(response, this.#options.keepMs),
    });
    const header = encoded === null ? null : readHeader(encoded.record);
    if (encoded === null || header === null) return null;
    const costBytes = entryCostBytes(listener, encoded.record.byteLength, header.bodyLength);
    // One entry must not flush all others, neither the tier's nor its own listener's.
    const limitBytes = Math.min(this.#sums.limitBytes, this.#options.quotaBytes(listener) ?? Infinity);
    return costBytes > limitBytes * MAX_ENTRY_SHARE ? null : { ...encoded, header, costBytes, transit: null };
  }

  /** Makes room within the quotas of the listeners and the limit of all. Without room, the puts only remove what their keys hold. */
  async #withRoom(changes: readonly Change[]): Promise<{ changes: readonly Change[]; evicted: number }> {
    const within = await this.#withinQuotas(changes);
    const over = this.#sums.bytes + addedBytes(within.changes) - this.#sums.limitBytes;
    if (addedBytes(within.changes) === 0 || over <= 0) return within;
    const { kv, guaranteedShare } = this.#options;
    const freed = await evict({ kv, guaranteedShare }, over);
    const roomy = freed.freedBytes >= over;
    return {
      changes: roomy ? within.changes : within.changes.map(withoutPut),
      evicted: within.evicted + freed.removed,
    };
  }

  async #withinQuotas(changes: readonly Change[]): Promise<{ changes: readonly Change[]; evicted: number }> {
    const { kv, guaranteedShare, quotaBytes } = this.#options;
    const refused = new Set<string>();
    let evicted = 0;
    for (const listener of new Set(changes.map((change) => change.listener))) {
      const quota = quotaBytes(listener);
      if (quota === null) continue;
      const added = addedBytes(changes.filter((change) => change.listener === listener));
      const over = sumOf((await kv.get(listenerRow(listener))).value) + added - quota;
      if (added === 0 || over <= 0) continue;
      const freed = await evict({ kv, guaranteedShare, listener }, over);
      evicted += freed.removed;
      if (freed.freedBytes < over) refused.add(listener);
    }
    return { changes: changes.map((change) => refused.has(change.listener) ? withoutPut(change) : change), evicted };
  }

  /**
   * A body too large for one commit goes ahead of its record, noted in transit so that none of it is ever lost sight of. Each
   * step holds the note to be its own: where the janitor took it for left behind, the put fails as a whole.
   */
  async #writeAhead(change: Change): Promise<Change> {
    const { encoded, listener } = change;
    if (encoded === null) return change;
    let countedBytes = 0;
    let transit: string | null = null;
    for (let from = 0; from < encoded.chunks.length; from += CHUNKS_AT_ONCE) {
      const atomic = this.#options.kv.atomic().check({ key: transitRow(encoded.header.id), versionstamp: transit });
      const sums = new SumChanges();
      const chunks = encoded.chunks.slice(from, from + CHUNKS_AT_ONCE);
      for (const chunk of chunks) sums.add(listener, chunkCostBytes(chunk.byteLength), 0);
      countedBytes += sums.bytes;
      const timeMs = this.#options.clock.now();
      const note = encodeTransit({ listener, chunks: encoded.chunks.length, countedBytes, timeMs });
      atomic.set(transitRow(encoded.header.id), note);
      for (const [n, chunk] of chunks.entries()) atomic.set(chunkRow(encoded.header.id, from + n), chunk);
      sums.addTo(atomic);
      const commit = await commitPatiently(atomic);
      if (!commit.ok) throw new Error("the janitor took a body in writing for one left behind");
      transit = commit.versionstamp;
    }
    return { ...change, encoded: { ...encoded, transit } };
  }

  async #commit(changes: readonly Change[]): Promise<boolean> {
    if (changes.length === 0) return true;
    const atomic = this.#options.kv.atomic();
    const sums = new SumChanges();
    const bucket = bucketAt(this.#options.clock.now());
    for (const change of changes) addChange(change, { atomic, sums, bucket });
    sums.addTo(atomic);
    return (await commitPatiently(atomic)).ok;
  }

  /** After a conflict with another worker: reads and commits each op by itself. Returns the number of puts given up. */
  async #commitEach(changes: readonly Change[]): Promise<number> {
    let dropped = 0;
    for (const change of changes) {
      let written = false;
      for (let tried = 0; tried < TRIES && !written; tried++) written = await this.#commitAgain(change);
      if (!written && change.op.kind === "put") dropped++;
    }
    return dropped;
  }

  async #commitAgain(change: Change): Promise<boolean> {
    const read = await this.#options.kv.get(recordRow(change.hash));
    const again = await this.#changeOf(change.op, change.hash, read);
    // The chunks of a large body are there already, under the id of the first try.
    return again === null || await this.#commit([{ ...again, encoded: change.encoded }]);
  }
}

function addedBytes(changes: readonly Change[]): number {
  return changes.reduce((sum, { encoded }) => sum + (encoded?.costBytes ?? 0), 0);
}

/** An old response must not be taken for one that found no room. */
function withoutPut(change: Change): Change {
  return { ...change, encoded: null };
}
