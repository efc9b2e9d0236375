import { createHash } from "node:crypto";
import { LRUCache } from "lru-cache";
import { KEY_SEPARATOR } from "../cache/key.ts";
import { ttlMs } from "../cache/policy/reuse.ts";
import type { Found } from "../cache/store.ts";
import type { StoredResponse } from "../cache/stored_response.ts";
import type { Derived, Deriver } from "../request/snapshot.ts";
import type { Exchange } from "../request/exchange.ts";
import type { PartedDocuments, PartedTarget } from "../upstream_type/parted_documents.ts";
import type { Services } from "../request/services.ts";

/** Bytes of documents that were cut, kept so that each is cut once; in each worker, for each listener. */
const MAX_CUT_BYTES = 8 * 1024 * 1024;
const MAX_CUTS = 4_096;

/** Fields that speak of the very bytes they came with. */
const OF_BYTES: ReadonlySet<string> = new Set([
  "content-digest",
  "content-md5",
  "digest",
  "etag",
  "last-modified",
  "repr-digest",
]);

/** A key taken apart: what stands before its target, and the target. */
interface PartedKey extends PartedTarget {
  readonly prefix: string;
}

/** What came of cutting a stored document; `null` where it cannot be cut. */
interface Cut {
  readonly source: WeakRef<StoredResponse>;
  readonly response: StoredResponse | null;
}

/**
 * Serves a request for a document with some parts from a stored one with more. What it makes is not stored, so that whatever
 * purges, invalidates or evicts its source ends it too.
 */
export class SupersetCutter implements Deriver {
  readonly #documents: PartedDocuments;
  readonly #index = new SupersetIndex();
  readonly #cuts = new LRUCache<string, Cut>({
    max: MAX_CUTS,
    maxSize: MAX_CUT_BYTES,
    sizeCalculation: ({ response }) => 1 + (response?.body.byteLength ?? 0),
  });

  constructor(documents: PartedDocuments) {
    this.#documents = documents;
  }

  async derive(exchange: Exchange): Promise<Derived | null> {
    const wanted = this.#read(exchange.key);
    if (wanted === null) return null;
    const base = wanted.prefix + wanted.base;
    return await this.#fromOneOf(exchange, wanted, this.#index.known(base)) ??
      await this.#fromOneOf(exchange, wanted, await this.#index.recorded(exchange.services, base));
  }

  kept({ services }: Exchange, stored: StoredResponse): void {
    const held = this.#read(stored.key);
    if (held === null || !isDocument(stored)) return;
    const bare = { ...held, parts: [] };
    // A document of which nothing can be cut is of no use to others.
    if (held.parts.some((part) => this.#documents.mayCut({ ...held, parts: [part] }, bare))) {
      this.#index.note(services, held.prefix + held.base, stored);
    }
  }

  async #fromOneOf(exchange: Exchange, wanted: PartedKey, keys: readonly string[]): Promise<Derived | null> {
    for (const key of keys) {
      const held = this.#read(key);
      if (held === null || held.prefix !== wanted.prefix || !this.#documents.mayCut(held, wanted)) continue;
      const found = await exchange.services.store.get(key);
      if (found === undefined || !isUsable(exchange, found)) continue;
      const response = this.#cut(exchange.key, found.response, { held, wanted });
      if (response !== null) return { response, tier: found.tier, detail: "superset" };
    }
    return null;
  }

  /** Listener and host come before the target; a key with more behind it is that of a variant, or of one cookie's value. */
  #read(key: string): PartedKey | null {
    const start = key.indexOf(KEY_SEPARATOR, key.indexOf(KEY_SEPARATOR) + 1) + 1;
    const target = key.slice(start);
    const parted = target.includes(KEY_SEPARATOR) ? null : this.#documents.read(target);
    return parted === null ? null : { prefix: key.slice(0, start), ...parted };
  }

  #cut(
    key: string,
    source: StoredResponse,
    { held, wanted }: { readonly held: PartedKey; readonly wanted: PartedKey },
  ): StoredResponse | null {
    const known = this.#cuts.get(key);
    if (known?.source.deref() === source) return known.response;
    const body = this.#documents.cut(source.body, held, wanted);
    const response = body === null ? null : cutResponse(key, source, body);
    this.#cuts.set(key, { source: new WeakRef(source), response });
    return response;
  }
}

/** Fresh, of nobody's variant, and not changed since by an unsafe request (RFC 9111 §4.4). */
function isUsable(exchange: Exchange, { response }: Found): boolean {
  return isDocument(response) && !response.freshness.alwaysValidate &&
    ttlMs(response, exchange.services.clock.now()) > 0 &&
    !exchange.isChanged(response);
}

/** A good answer in JSON, as UTF-8 and not coded, that every client gets alike. */
function isDocument(stored: StoredResponse): boolean {
  if (stored.status !== 200 || stored.selectedBy.length > 0 || stored.field("content-encoding") !== null) return false;
  const [type = "", ...parameters] = (stored.field("content-type") ?? "").toLowerCase().split(";");
  return /^application\/(?:[\w.+-]+\+)?json$/.test(type.trim()) &&
    parameters.every((parameter) => !/^\s*charset=/.test(parameter) || /^\s*charset="?utf-8"?\s*$/.test(parameter));
}

/** Other bytes than the source's, so an entity tag of its own; all that tells of age and lifetime is the source's. */
function cutResponse(key: string, source: StoredResponse, body: Uint8Array<ArrayBuffer>): StoredResponse {
  const fields = source.fields.filter(([name]) => !OF_BYTES.has(name));
  fields.push(["etag", `"${createHash("sha256").update(body).digest("base64url").slice(0, 32)}"`]);
  return source.with({ key, fields, body });
}

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
