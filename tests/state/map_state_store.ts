import type { StateEntry, StateKey, StateStore } from "../../lib/state/state_store.ts";

/** A state store in memory: the contract at its shortest. */
export class MapStateStore implements StateStore {
  readonly #values = new Map<string, unknown>();
  readonly #watchers = new Set<{ readonly name: string; readonly tell: (value: unknown) => void }>();

  get(key: StateKey): Promise<unknown> {
    return Promise.resolve(structuredClone(this.#values.get(JSON.stringify(key)) ?? null));
  }

  async *list(prefix: StateKey): AsyncGenerator<StateEntry> {
    // Without their brackets, so that a name comes before those that are below it.
    for (const name of [...this.#values.keys()].map((text) => text.slice(0, -1)).sort()) {
      const key: StateKey = JSON.parse(`${name}]`);
      const isBelow = key.length > prefix.length && prefix.every((part, at) => key[at] === part);
      if (isBelow) yield { key, value: await this.get(key) };
    }
  }

  set(entries: readonly StateEntry[]): Promise<void> {
    for (const { key, value } of entries) this.#change(JSON.stringify(key), structuredClone(value));
    return Promise.resolve();
  }

  delete(key: StateKey, isMeant: (value: unknown) => boolean = () => true): Promise<void> {
    const name = JSON.stringify(key);
    if (isMeant(this.#values.get(name) ?? null)) this.#change(name, null);
    return Promise.resolve();
  }

  watch(key: StateKey): ReadableStream<unknown> {
    const name = JSON.stringify(key);
    let watcher: { readonly name: string; readonly tell: (value: unknown) => void };
    return new ReadableStream({
      start: (controller) => {
        watcher = { name, tell: (value) => controller.enqueue(value) };
        watcher.tell(this.#values.get(name) ?? null);
        this.#watchers.add(watcher);
      },
      cancel: () => void this.#watchers.delete(watcher),
    });
  }

  #change(name: string, value: unknown): void {
    if (value === null) this.#values.delete(name);
    else this.#values.set(name, value);
    for (const watcher of this.#watchers) if (watcher.name === name) watcher.tell(value);
  }
}
