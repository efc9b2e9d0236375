import { LRUCache } from "lru-cache";
import { KEY_SEPARATOR } from "../cache/key.ts";
import type { StoredResponse } from "../cache/stored_response.ts";
import type { Services } from "../request/services.ts";

/** Keys that are remembered for one base; the oldest gives way. */
const MAX_KEYS = 8;
/** Bases that are remembered in this worker. */
const MAX_BASES = 10_000;
/** Longer keys are not remembered: eight of them have to fit into one record. */
const MAX_KEY_LENGTH = 2_048;

/**
 * Which keys hold documents with more parts of one base: in this worker's memory, and in a record of the disk tier that all workers read
 * and that outlives them. It only says where to look. What it forgets or never learned (two workers that write a record at once) costs a
 * fetch, no more.
 */
export class SupersetIndex {
  readonly #known = new LRUCache<string, readonly string[]>({ max: MAX_BASES });

  /** The keys known here, the newest first. */
  known(base: string): readonly string[] {
    return this.#known.get(base) ?? [];
  }

  /** The keys that the record names and this worker did not know. */
  async recorded({ store }: Pick<Services, "store">, base: string): Promise<readonly string[]> {
    const known = this.known(base);
    const found = await store.get(recordKey(base));
    const news = found === undefined ? [] : keysIn(found.response).filter((key) => !known.includes(key));
    if (news.length > 0) this.#known.set(base, [...known, ...news].slice(0, MAX_KEYS));
    return news;
  }

  /** Notes that `stored` is such a document; the record is written in the background. */
  note({ store, background }: Pick<Services, "store" | "background">, base: string, stored: StoredResponse): void {
    if (stored.key.length > MAX_KEY_LENGTH) return;
    this.#known.set(base, withKey(this.known(base), stored.key));
    // Without a record other workers fetch what this one could have cut.
    if (!stored.tiers.disk || background.isFull) return;
    background.add(this.#record(store, base, stored));
  }

  /** A record lives as long as the newest of what it names. */
  async #record(store: Services["store"], base: string, stored: StoredResponse): Promise<void> {
    const found = await store.get(recordKey(base));
    const keys = withKey(found === undefined ? [] : keysIn(found.response), stored.key);
    const body = new TextEncoder().encode(JSON.stringify(keys));
    // In memory it would hide what other workers write.
    const tiers = { memory: false, disk: true };
    store.put(
      stored.with({ key: recordKey(base), kind: "index", status: 0, fields: [], originTag: null, body, tiers }),
    );
  }
}

function recordKey(base: string): string {
  return `${base}${KEY_SEPARATOR}~supersets`;
}

function withKey(keys: readonly string[], key: string): readonly string[] {
  return [key, ...keys.filter((other) => other !== key)].slice(0, MAX_KEYS);
}

function keysIn({ kind, body }: StoredResponse): readonly string[] {
  return kind === "index" ? JSON.parse(new TextDecoder().decode(body)) : [];
}
