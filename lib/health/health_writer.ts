import type { HealthTable } from "../pool/upstream_health.ts";
import type { StateStore } from "../state/state_store.ts";
import {
  EARLIER_TABLES_KEY,
  entryOf,
  type Index,
  INDEX_KEY,
  isIndex,
  MAX_AGE_MS,
  nextIndex,
  readAll,
  TABLE_LIMIT_BYTES,
  TABLES_KEY,
} from "./_health_records.ts";

/** What is stored when a health worker begins. */
export interface StoredHealth {
  /** The version published last; the next must be greater. */
  readonly version: number;
  /** Tables fresh enough to go on from. */
  readonly tables: readonly HealthTable[];
  /** All pools that there are tables of, old ones too. */
  readonly pools: readonly string[];
}

/** Publishes health tables: the only writer of `["health", …]`. */
export class HealthWriter {
  readonly #state: StateStore;
  #index: Index = { version: 0, recent: [], floor: 0 };

  constructor(state: StateStore) {
    this.#state = state;
  }

  /**
   * What the health worker before this one left: the last version, and the tables that it published within the last two minutes.
   *
   * @throws what the state store throws
   */
  async load(nowMs: number): Promise<StoredHealth> {
    const index = await this.#state.get(INDEX_KEY);
    const version = isIndex(index) ? index.version : 0;
    this.#index = { version, recent: [], floor: version };
    for await (const { key } of this.#state.list(EARLIER_TABLES_KEY)) await this.#state.delete(key);
    const all = await readAll(this.#state);
    return {
      version,
      tables: all.filter((table) => nowMs - table.atMs < MAX_AGE_MS),
      pools: all.map((table) => table.pool),
    };
  }

  /**
   * Writes these tables, tells the readers, and removes those of `removedPools`.
   *
   * @throws {RangeError} a table is over a limit; the others are written
   * @throws {Error} the state store could not be written; readers were told nothing
   */
  async publish(tables: readonly HealthTable[], removedPools: readonly string[] = []): Promise<void> {
    const entries = tables.map(entryOf);
    const written = tables.filter((_, at) => entries[at] !== null);
    const index = nextIndex(this.#index, written);
    // The index last: a reader that finds it finds the tables that it names.
    const announced = written.length === 0 ? [] : [{ key: INDEX_KEY, value: index }];
    await this.#state.set([...entries.filter((entry) => entry !== null), ...announced]);
    this.#index = index;
    for (const pool of removedPools) await this.#state.delete([...TABLES_KEY, pool]);
    const refused = tables.find((_, at) => entries[at] === null);
    if (refused !== undefined) {
      throw new RangeError(
        `Cannot publish health of pool "${refused.pool}": table must have <= ${TABLE_LIMIT_BYTES} bytes`,
      );
    }
  }
}
