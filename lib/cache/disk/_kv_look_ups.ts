import type { Clock } from "../../clock.ts";
import type { StoredHead, StoredResponse } from "../stored_response.ts";
import {
  chunkCount,
  decodeHeadOf,
  decodeResponse,
  isOtherVersion,
  readHeader,
  type RecordHeader,
} from "./_kv_record.ts";
import { chunkRow, hashOfKey, recordRow } from "./_kv_rows.ts";

/** The outcome of a look-up on disk. */
export type ReadOutcome =
  | { readonly kind: "found"; readonly response: StoredResponse; readonly bucket: number }
  | { readonly kind: "absent" }
  /** Past its time. */
  | { readonly kind: "dead" }
  /** Not as it was written; `versionstamp` names what was read. */
  | { readonly kind: "corrupt"; readonly versionstamp: string };

/** Options of look-ups. */
export interface KvLookUpOptions {
  readonly kv: Deno.Kv;
  readonly clock: Clock;
  /** A read that takes longer fails. */
  readonly timeoutMs: number;
  /** Reads under way at most. */
  readonly maxReads: number;
  /** Bytes of bodies that reads under way may bring into memory. */
  readonly maxReadBytes: number;
}

interface LookUp {
  readonly outcome: Promise<ReadOutcome>;
  /** Set when its key is put or deleted: its outcome is out of date then. */
  superseded: boolean;
}

interface WaitingRow {
  readonly row: Deno.KvKey;
  readonly resolve: (entry: Deno.KvEntryMaybe<unknown>) => void;
  readonly reject: (error: unknown) => void;
}

/** Asked before a body in chunks is brought into memory; where there is no room for it, the entry is not answered. */
type HasRoomFor = (bytes: number) => boolean;

const ABSENT: ReadOutcome = { kind: "absent" };
/** Keys that Deno KV takes in one `getMany`. */
const KEYS_AT_ONCE = 10;

/**
 * Reads entries and verifies all of each before it is answered: each key once at a time, a bounded number at once, each within its time.
 * An entry of one row takes one read, a longer one a second round trip for its chunks. Rows asked for in one turn share reads.
 */
export class KvLookUps {
  readonly #options: KvLookUpOptions;
  readonly #rows: RowReader;
  readonly #underWay = new Map<string, LookUp>();
  #reads = 0;
  #readBytes = 0;

  constructor(options: KvLookUpOptions) {
    this.#options = options;
    this.#rows = new RowReader(options.kv);
  }

  /** Whether another read can begin. */
  get hasRoom(): boolean {
    return this.#reads < this.#options.maxReads;
  }

  /** The outcome of the look-up of the key that is under way, if there is one. */
  joined(key: string): Promise<ReadOutcome> | undefined {
    return this.#underWay.get(key)?.outcome;
  }

  /**
   * Reads the entry of `key`; absent where the key was put or deleted meanwhile.
   *
   * @throws {Error} what Deno KV throws, or that it took too long
   */
  read(key: string): Promise<ReadOutcome> {
    const lookUp: LookUp = { outcome: this.#current(key, () => lookUp), superseded: false };
    this.#underWay.set(key, lookUp);
    return lookUp.outcome;
  }

  /**
   * The head of what `key` holds, for a look at it: its body is neither read nor verified, and nobody else waits for the read.
   *
   * @throws {Error} what Deno KV throws, or that it took too long
   */
  async peek(key: string): Promise<StoredHead | undefined> {
    const { value: record } = await this.#timed(this.#rows.read(recordRow(hashOfKey(key))));
    const header = record instanceof Uint8Array ? readHeader(record) : null;
    if (header === null || header.deadAtMs <= this.#options.clock.now()) return undefined;
    const head = decodeHeadOf(record as Uint8Array);
    return head?.key === key ? head : undefined;
  }

  /** Says that `key` was put or deleted. */
  supersede(key: string): void {
    const lookUp = this.#underWay.get(key);
    if (lookUp === undefined) return;
    lookUp.superseded = true;
    this.#underWay.delete(key);
  }

  async #current(key: string, self: () => LookUp): Promise<ReadOutcome> {
    try {
      const outcome = await this.#timed(this.#bounded(key));
      return self().superseded ? ABSENT : outcome;
    } finally {
      if (this.#underWay.get(key) === self()) this.#underWay.delete(key);
    }
  }

  /** Counted until it settles: a read that hangs takes a place of the bounds. */
  async #bounded(key: string): Promise<ReadOutcome> {
    let ownBytes = 0;
    const hasRoomFor = (bytes: number) => {
      if (this.#readBytes + bytes > this.#options.maxReadBytes) return false;
      this.#readBytes += bytes;
      ownBytes += bytes;
      return true;
    };
    this.#reads++;
    try {
      return await this.#readEntry(key, hasRoomFor);
    } finally {
      this.#reads--;
      this.#readBytes -= ownBytes;
    }
  }

  async #timed<T>(work: Promise<T>): Promise<T> {
    const { timeoutMs } = this.#options;
    let timer: ReturnType<typeof setTimeout> | undefined;
    // One that fails after its time is awaited by nobody.
    work.catch(() => {});
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
    });
    try {
      return await Promise.race([work, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  async #readEntry(key: string, hasRoomFor: HasRoomFor): Promise<ReadOutcome> {
    const row = recordRow(hashOfKey(key));
    const first = await this.#readOnce(key, row, hasRoomFor);
    if (first.kind !== "corrupt") return first;
    // A writer may have replaced the entry between our reads of its record and its chunks: that is no damage.
    const again = await this.#rows.read(row);
    return again.versionstamp === first.versionstamp ? first : await this.#readOnce(key, row, hasRoomFor);
  }

  async #readOnce(key: string, row: Deno.KvKey, hasRoomFor: HasRoomFor): Promise<ReadOutcome> {
    const { value: record, versionstamp } = await this.#rows.read(row);
    if (versionstamp === null || !(record instanceof Uint8Array)) return ABSENT;
    const header = readHeader(record);
    // Another version of Usher may have written it; the next put replaces it.
    if (header === null) return isOtherVersion(record) ? ABSENT : { kind: "corrupt", versionstamp };
    if (header.deadAtMs <= this.#options.clock.now()) return { kind: "dead" };
    const chunked = chunkCount(header.bodyLength) > 0;
    if (chunked && !hasRoomFor(header.bodyLength)) return ABSENT;
    const body = chunked ? await this.#readChunks(header) : null;
    const response = chunked && body === null ? null : decodeResponse(record, body);
    if (response === null) return { kind: "corrupt", versionstamp };
    // Two keys with one hash: the other one's response is not ours.
    return response.key === key ? { kind: "found", response, bucket: header.bucket } : ABSENT;
  }

  /** The body in an entry's chunks; `null` where they are not all there. */
  async #readChunks({ id, bodyLength }: RecordHeader): Promise<Uint8Array<ArrayBuffer> | null> {
    const count = chunkCount(bodyLength);
    const chunks = await Promise.all(Array.from({ length: count }, (_, n) => this.#rows.read(chunkRow(id, n))));
    const body = new Uint8Array(bodyLength);
    let at = 0;
    for (const { value } of chunks) {
      if (!(value instanceof Uint8Array) || at + value.byteLength > body.byteLength) return null;
      body.set(value, at);
      at += value.byteLength;
    }
    return at === body.byteLength ? body : null;
  }
}

/**
 * Reads rows, those asked for in one turn together: a key of ten costs two thirds of one that is read alone. They wait for the end of
 * the turn's microtasks at most.
 */
class RowReader {
  readonly #kv: Deno.Kv;
  #waiting: WaitingRow[] = [];

  constructor(kv: Deno.Kv) {
    this.#kv = kv;
  }

  /** @throws {Error} what Deno KV throws for this row */
  read(row: Deno.KvKey): Promise<Deno.KvEntryMaybe<unknown>> {
    if (this.#waiting.length === 0) queueMicrotask(() => this.#readWaiting());
    return new Promise((resolve, reject) => this.#waiting.push({ row, resolve, reject }));
  }

  #readWaiting(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (let from = 0; from < waiting.length; from += KEYS_AT_ONCE) {
      void this.#readTogether(waiting.slice(from, from + KEYS_AT_ONCE));
    }
  }

  async #readTogether(batch: readonly WaitingRow[]): Promise<void> {
    if (batch.length === 1) return this.#readAlone(batch[0]!);
    try {
      const entries = await this.#kv.getMany(batch.map(({ row }) => row));
      for (const [at, { resolve }] of batch.entries()) resolve(entries[at]!);
    } catch {
      // One damaged page fails the whole read: each row then fails or comes by itself.
      for (const waiting of batch) this.#readAlone(waiting);
    }
  }

  #readAlone({ row, resolve, reject }: WaitingRow): void {
    this.#kv.get(row).then(resolve, reject);
  }
}
