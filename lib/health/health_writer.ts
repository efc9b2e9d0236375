import { commitPatiently } from "../state/kv_commit.ts";
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
} from "./_health_records.ts";

/** One atomic of Deno KV takes 819,200 bytes, 1,000 mutations and 81,920 bytes of keys. */
const ATOMIC_BYTES = 700_000;

/** What each mutation counts as beside its value, and each UTF-16 unit of its pool's name: keeps the other two limits. */
const MUTATION_BYTES = 1_000;
const NAME_UNIT_BYTES = 30;

/** What is in KV when a health worker begins. */
export interface StoredHealth {
  /** The version last told; the next must be greater. */
  readonly version: number;
  /** Tables fresh enough to go on from. */
  readonly tables: readonly HealthTable[];
  /** All pools that there are tables of, old ones too. */
  readonly pools: readonly string[];
}

/** Writes health tables to Deno KV: the only writer of `["health", …]`. */
export class KvHealthWriter {
  readonly #kv: Deno.Kv;
  #index: Index = { version: 0, recent: [], floor: 0 };

  constructor(kv: Deno.Kv) {
    this.#kv = kv;
  }

  /** What a health worker before this one left: where versions stand, and the tables it told within the last two minutes. */
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
   * Writes these tables and takes away those of `removedPools`, then tells the readers.
   *
   * @throws {RangeError} a table is over a limit; the others are written
   * @throws {Error} KV could not be written; readers were not told of anything
   */
  async publish(tables: readonly HealthTable[], removedPools: readonly string[] = []): Promise<void> {
    const publications = tables.map(toPublication).filter((publication) => publication !== null);
    const batches = toBatches(publications);
    for (const [i, batch] of batches.entries()) {
      // Readers are told with the last commit: what they are sent to read is there.
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

/** As many publications together as one atomic takes. */
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
