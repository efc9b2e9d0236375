import { deserialize, serialize } from "node:v8";
import { crc32 } from "node:zlib";
import { commitPatiently } from "./kv_commit.ts";
import type { StateEntry, StateKey, StateStore } from "./state_store.ts";

/** Bytes of a value that is written as it is, and of a part of a longer one: Deno KV takes 65,536, its own coding included. */
const PART_BYTES = 60_000;
/**
 * What one commit may cost. Deno KV takes 819,200 bytes, 1,000 mutations and 81,920 bytes of keys, so a mutation costs more than its value.
 */
const COMMIT_COST = 700_000;
const MUTATION_COST = 1_000;
const KEY_UNIT_COST = 30;
/** Keys that Deno KV reads at once. */
const KEYS_AT_ONCE = 10;
/** Reads of a value that is replaced while its parts are read. */
const TRIES = 3;

/** The row of a value that is too long for one row; its parts are the rows `["parts", name, id, n]`. */
interface PartsNote {
  readonly $parts: { readonly id: string; readonly count: number; readonly checksum: number };
}

/** A value as rows: its parts, where it is long, before the row of its name. */
interface Rows {
  readonly key: StateKey;
  readonly partsId: string | null;
  readonly rows: readonly { readonly key: StateKey; readonly value: unknown; readonly cost: number }[];
}

/** A state store over Deno KV. A value of up to 60,000 bytes is one row under its name; a longer one is cut into parts here. */
export class KvStateStore implements StateStore {
  readonly #kv: Deno.Kv;

  /** `kv` stays the caller's to close. */
  constructor(kv: Deno.Kv) {
    this.#kv = kv;
  }

  async get(key: StateKey): Promise<unknown> {
    for (let tried = 0; tried < TRIES; tried++) {
      const { value } = await this.#kv.get(key);
      if (!isPartsNote(value)) return value;
      const bytes = await this.#joined(key, value.$parts);
      // Held against their checksum: V8 reads most of what is damaged without an error.
      if (bytes !== null) return crc32(bytes) === value.$parts.checksum ? deserialize(bytes) : null;
    }
    return null;
  }

  async *list(prefix: StateKey): AsyncGenerator<StateEntry> {
    for await (const { key, value } of this.#kv.list({ prefix })) {
      const whole = isPartsNote(value) ? await this.get(key as StateKey) : value;
      if (whole !== null) yield { key: key as StateKey, value: whole };
    }
  }

  async set(entries: readonly StateEntry[]): Promise<void> {
    const values = entries.map(rowsOf);
    const parted = await this.#partedBefore(entries);
    const commit = new Commits(this.#kv);
    for (const { rows } of values) for (const row of rows) await commit.set(row);
    await commit.end();
    for (const [at, { key, partsId }] of values.entries()) {
      if (parted[at] || partsId !== null) await this.#removeParts(key, partsId);
    }
  }

  async delete(key: StateKey, isMeant?: (value: unknown) => boolean): Promise<void> {
    const { value, versionstamp } = await this.#kv.get(key);
    const atomic = this.#kv.atomic().delete(key);
    if (isMeant !== undefined) {
      if (!isMeant(isPartsNote(value) ? await this.get(key) : value)) return;
      atomic.check({ key, versionstamp });
    }
    const { ok } = await commitPatiently(atomic);
    if (ok && isPartsNote(value)) await this.#removeParts(key, null);
  }

  watch(key: StateKey): ReadableStream<unknown> {
    const reader = this.#kv.watch([key]).getReader();
    return new ReadableStream({
      pull: async (controller) => {
        const { done, value } = await reader.read();
        if (done) return controller.close();
        const held = value[0].value;
        controller.enqueue(isPartsNote(held) ? await this.get(key) : held);
      },
      cancel: () => reader.cancel(),
    }, { highWaterMark: 0 });
  }

  /** Whether each name holds a value in parts. */
  async #partedBefore(entries: readonly StateEntry[]): Promise<boolean[]> {
    const parted: boolean[] = [];
    for (let from = 0; from < entries.length; from += KEYS_AT_ONCE) {
      const rows = await this.#kv.getMany(entries.slice(from, from + KEYS_AT_ONCE).map(({ key }) => key));
      parted.push(...rows.map(({ value }) => isPartsNote(value)));
    }
    return parted;
  }

  /** `null` where some are missing: the value was replaced meanwhile. */
  async #joined(key: StateKey, { id, count }: PartsNote["$parts"]): Promise<Uint8Array | null> {
    const parts: Uint8Array[] = [];
    for (let from = 0; from < count; from += KEYS_AT_ONCE) {
      const length = Math.min(KEYS_AT_ONCE, count - from);
      const rows = await this.#kv.getMany(Array.from({ length }, (_, n) => partRow(key, id, from + n)));
      for (const { value } of rows) {
        if (!(value instanceof Uint8Array)) return null;
        parts.push(value);
      }
    }
    return new Uint8Array(await new Blob(parts as Uint8Array<ArrayBuffer>[]).arrayBuffer());
  }

  /** All parts of a name but those of `kept`; also those that a killed writer has left. */
  async #removeParts(key: StateKey, kept: string | null): Promise<void> {
    for await (const row of this.#kv.list({ prefix: ["parts", nameOf(key)] })) {
      if (row.key[2] !== kept) await commitPatiently(this.#kv.atomic().delete(row.key));
    }
  }
}

/** Mutations in as few commits as take them, in their order. */
class Commits {
  readonly #kv: Deno.Kv;
  #atomic: Deno.AtomicOperation | null = null;
  #cost = 0;

  constructor(kv: Deno.Kv) {
    this.#kv = kv;
  }

  async set({ key, value, cost }: Rows["rows"][number]): Promise<void> {
    if (this.#cost + cost > COMMIT_COST) await this.end();
    this.#atomic = (this.#atomic ?? this.#kv.atomic()).set(key, value);
    this.#cost += cost;
  }

  async end(): Promise<void> {
    const atomic = this.#atomic;
    this.#atomic = null;
    this.#cost = 0;
    if (atomic !== null) await commitPatiently(atomic);
  }
}

function rowsOf({ key, value }: StateEntry): Rows {
  const bytes = serialize(value);
  if (bytes.byteLength <= PART_BYTES) {
    return { key, partsId: null, rows: [{ key, value, cost: costOf(key, bytes.byteLength) }] };
  }
  const id = crypto.randomUUID();
  const count = Math.ceil(bytes.byteLength / PART_BYTES);
  const rows: Rows["rows"][number][] = Array.from({ length: count }, (_, n) => {
    const part = new Uint8Array(bytes.subarray(n * PART_BYTES, (n + 1) * PART_BYTES));
    const row = partRow(key, id, n);
    return { key: row, value: part, cost: costOf(row, part.byteLength) };
  });
  rows.push({
    key,
    value: { $parts: { id, count, checksum: crc32(bytes) } } satisfies PartsNote,
    cost: costOf(key, 100),
  });
  return { key, partsId: id, rows };
}

function costOf(key: StateKey, valueBytes: number): number {
  return valueBytes + MUTATION_COST + KEY_UNIT_COST * nameOf(key).length;
}

function partRow(key: StateKey, id: string, n: number): StateKey {
  return ["parts", nameOf(key), id, n];
}

function nameOf(key: StateKey): string {
  return JSON.stringify(key);
}

function isPartsNote(value: unknown): value is PartsNote {
  return typeof value === "object" && value !== null && "$parts" in value;
}
