import type { HealthTable } from "../pool/upstream_health.ts";
import type { StateStore } from "../state/state_store.ts";
import { type Index, INDEX_KEY, isIndex, MAX_AGE_MS, readAll, readSome } from "./_health_records.ts";
import type { Schedule } from "./check.ts";

/** What a reader of health tables needs from outside. */
export interface HealthReaderDeps {
  readonly now: () => number;
  readonly schedule: Schedule;
  /** Called when the state store cannot be read, once until it can be again. */
  readonly onTrouble: (error: unknown) => void;
}

/** Milliseconds before the store is read again after a failure. */
const RETRY_MS = 1_000;

/** A running watch. */
export interface HealthWatch {
  /** Ends it; resolves when nothing of it runs any more. */
  close(): Promise<void>;
}

/**
 * Calls `onTables` with the tables that have changed: with all of them at once, then within milliseconds of each change.
 * A failure is reported, and the store is read again later; the tables of before go on to hold.
 */
export function watchHealth(
  state: StateStore,
  onTables: (tables: HealthTable[]) => void,
  deps: HealthReaderDeps,
): HealthWatch {
  return new HealthReader(state, onTables, deps);
}

class HealthReader implements HealthWatch {
  readonly #state: StateStore;
  readonly #onTables: (tables: HealthTable[]) => void;
  readonly #deps: HealthReaderDeps;
  readonly #done: Promise<void>;
  #seen = 0;
  #closed = false;
  #wasTroubled = false;
  #stop: () => void = () => {};

  constructor(state: StateStore, onTables: (tables: HealthTable[]) => void, deps: HealthReaderDeps) {
    this.#state = state;
    this.#onTables = onTables;
    this.#deps = deps;
    this.#done = this.#run();
  }

  close(): Promise<void> {
    this.#closed = true;
    this.#stop();
    return this.#done;
  }

  async #run(): Promise<void> {
    while (!this.#closed) {
      try {
        await this.#follow();
      } catch (error) {
        if (!this.#closed && !this.#wasTroubled) this.#deps.onTrouble(error);
        this.#wasTroubled = true;
      }
      if (!this.#closed) await this.#pause();
    }
  }

  async #follow(): Promise<void> {
    const reader = this.#state.watch(INDEX_KEY).getReader();
    this.#stop = () => void reader.cancel().catch(() => {});
    while (!this.#closed) {
      const { done, value: index } = await reader.read();
      if (done) return;
      if (isIndex(index)) await this.#catchUp(index);
      this.#wasTroubled = false;
    }
  }

  async #catchUp(index: Index): Promise<void> {
    // A smaller version than the last means that the data were begun anew.
    const all = this.#seen === 0 || this.#seen < index.floor || index.version < this.#seen;
    const changed = index.recent.filter(([, version]) => version > this.#seen).map(([pool]) => pool);
    const tables = all ? await readAll(this.#state) : await readSome(this.#state, changed);
    this.#seen = index.version;
    const oldestMs = this.#deps.now() - MAX_AGE_MS;
    const fresh = tables.filter((table) => table.atMs >= oldestMs);
    if (fresh.length > 0 && !this.#closed) this.#onTables(fresh);
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#deps.schedule(resolve, RETRY_MS);
      this.#stop = () => {
        cancel();
        resolve();
      };
    });
  }
}
