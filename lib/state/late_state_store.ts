import type { StateEntry, StateKey, StateStore } from "./state_store.ts";

/** Values that are kept at most until there is a store: positions, orders and figures of a few dozen names. */
const MAX_KEPT = 10_000;

/**
 * A state store whose file another process may still have: until `attach` it keeps what is set in memory, and finds nothing else.
 */
export class LateStateStore implements StateStore {
  readonly #kept = new Map<string, StateEntry>();
  #store: StateStore | null;

  constructor(store: StateStore | null) {
    this.#store = store;
  }

  /** Whether values outlive the process. */
  get isAttached(): boolean {
    return this.#store !== null;
  }

  /**
   * Goes on with `store`, and writes there what was set until now.
   *
   * @throws {Error} what the store throws; it is attached all the same
   */
  async attach(store: StateStore): Promise<void> {
    const kept = [...this.#kept.values()];
    this.#store = store;
    this.#kept.clear();
    if (kept.length > 0) await store.set(kept);
  }

  async get(key: StateKey): Promise<unknown> {
    return this.#store === null ? this.#kept.get(nameOf(key))?.value ?? null : await this.#store.get(key);
  }

  async *list(prefix: StateKey): AsyncGenerator<StateEntry> {
    if (this.#store !== null) return yield* this.#store.list(prefix);
    const below = nameOf(prefix).slice(0, -1) + ",";
    for (const [name, entry] of [...this.#kept].sort()) if (name.startsWith(below)) yield entry;
  }

  async set(entries: readonly StateEntry[]): Promise<void> {
    if (this.#store !== null) return await this.#store.set(entries);
    for (const entry of entries) {
      if (this.#kept.size < MAX_KEPT || this.#kept.has(nameOf(entry.key))) this.#kept.set(nameOf(entry.key), entry);
    }
  }

  async delete(key: StateKey, isMeant?: (value: unknown) => boolean): Promise<void> {
    if (this.#store !== null) return await this.#store.delete(key, isMeant);
    const held = this.#kept.get(nameOf(key))?.value ?? null;
    if (isMeant === undefined || isMeant(held)) this.#kept.delete(nameOf(key));
  }

  /** Until there is a store nothing changes but by its own process, and nobody watches that. */
  watch(key: StateKey): ReadableStream<unknown> {
    return this.#store?.watch(key) ?? new ReadableStream({ pull: () => new Promise(() => {}) });
  }
}

function nameOf(key: StateKey): string {
  return JSON.stringify(key);
}
