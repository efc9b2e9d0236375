import { commitPatiently } from "../cache/disk/kv_commit.ts";
import type { HealthTable } from "../pool/upstream_health.ts";
import {
  type Index,
  INDEX_KEY,
  isIndex,
  MAX_AGE_MS,
  nextIndex,
  POOL_PREFIX,
  type Publication,
  readAll,
  TABLE_LIMIT_BYTES,
  toPublication,
} from "./health_records.ts";

/** One atomic of Deno KV takes 819,200 bytes, 1,000 mutations and 81,920 bytes of keys. */
const ATOMIC_BYTES = 700_000;

/** Cost of a mutation beside its value, and of each UTF-16 unit of its pool's name: it keeps the other two limits. */
const MUTATION_BYTES = 1_000;
const NAME_UNIT_BYTES = 30;

/** Stored tables when a health worker starts. */
export interface StoredHealth {
  /** The last published version; the next must be greater. */
  readonly version: number;
  /** Tables that are fresh enough to continue from. */
  readonly tables: readonly HealthTable[];
  /** All pools with tables, stale ones too. */
  readonly pools: readonly string[];
}

/** Writes health tables to Deno KV: the only writer of `["health", …]`. */
export class KvHealthWriter {
  readonly #kv: Deno.Kv;
  #index: Index = { version: 0, recent: [], floor: 0 };

  constructor(kv: Deno.Kv) {
    this.#kv = kv;
  }

  /** Loads the last version, and the tables that an earlier health worker published within the last two minutes. */
  async load(nowMs: number): Promise<StoredHealth> {
    const stored = await this.#kv.get<Index>(INDEX_KEY);
    const version = isIndex(stored.value) ? stored.value.version : 0;
    this.#index = { version, recent: [], floor: version };
    const all = await readAll(this.#kv);
    return {
      version,
      tables: all.filter((table) => nowMs - table.atMs < MAX_AGE_MS),
      pools: all.map((table) => table.pool),
    };
  }

  /**
   * Writes these tables, deletes those of `removedPools`, then notifies the readers.
   *
   * @throws {RangeError} a table is over a limit; the others are written
   * @throws {Error} KV could not be written; readers were not told of anything
   */
  async publish(tables: readonly HealthTable[], removedPools: readonly string[] = []): Promise<void> {
    const publications = tables.map(toPublication).filter((publication) => publication !== null);
    const batches = toBatches(publications);
    for (const [i, batch] of batches.entries()) {
      // Readers are notified by the last commit, when all tables are written.
      const announced = i === batches.length - 1 ? publications.map(({ table }) => table) : [];
      await this.#commit(batch, announced);
    }
    for (const pool of removedPools) await this.#remove(pool);
    const written = new Set(publications.map(({ table }) => table));
    const refused = tables.find((table) => !written.has(table));
    if (refused !== undefined) {
      throw new RangeError(
        `Cannot publish health of pool "${refused.pool}": table must have <= ${TABLE_LIMIT_BYTES} bytes`,
      );
    }
  }

  async #commit(batch: readonly Publication[], announced: readonly HealthTable[]): Promise<void> {
    const atomic = this.#kv.atomic();
    for (const { entries } of batch) for (const [key, part] of entries) atomic.set(key, part);
    const index = announced.length > 0 ? nextIndex(this.#index, announced) : this.#index;
    if (announced.length > 0) atomic.set(INDEX_KEY, index);
    await commitPatiently(atomic);
    this.#index = index;
  }

  async #remove(pool: string): Promise<void> {
    for await (const entry of this.#kv.list({ prefix: [...POOL_PREFIX, pool] })) await this.#kv.delete(entry.key);
  }
}

/** Groups publications to what one atomic operation takes. */
function toBatches(publications: readonly Publication[]): Publication[][] {
  const batches: Publication[][] = [];
  let room = 0;
  for (const publication of publications) {
    const { entries, sizeBytes, table } = publication;
    const cost = sizeBytes + entries.length * (MUTATION_BYTES + NAME_UNIT_BYTES * table.pool.length);
    if (cost > room) {
      batches.push([]);
      room = ATOMIC_BYTES;
    }
    batches.at(-1)!.push(publication);
    room -= cost;
  }
  return batches;
}
