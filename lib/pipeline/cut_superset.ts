import { LRUCache } from "lru-cache";
import { createHash } from "node:crypto";
import { KEY_SEPARATOR } from "../cache/key.ts";
import { ttlMs } from "../cache/policy/reuse.ts";
import type { Found } from "../cache/store.ts";
import type { StoredResponse } from "../cache/stored_response.ts";
import type { Services } from "../request/services.ts";
import type { DerivableRequest, Derived, Deriver } from "../request/snapshot.ts";
import type { PartedDocuments, PartedTarget } from "../upstream_type/type_traits.ts";

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

/** A cache key, split into the prefix and the target. */
interface PartedKey extends PartedTarget {
  readonly prefix: string;
}

/** The result of cutting a stored document; `null` where it cannot be cut. */
interface Cut {
  readonly source: WeakRef<StoredResponse>;
  readonly response: StoredResponse | null;
}

/**
 * Serves a request for a document with some parts from a stored one with more. The result is not stored, so that it ends when its
 * source is purged, invalidated or evicted.
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

  async derive(request: DerivableRequest): Promise<Derived | null> {
    const wanted = this.#read(request.key);
    if (wanted === null) return null;
    const base = wanted.prefix + wanted.base;
    return await this.#fromOneOf(request, wanted, this.#index.known(base)) ??
      await this.#fromOneOf(request, wanted, await this.#index.recorded(request.services, base));
  }

  onStored({ services }: DerivableRequest, stored: StoredResponse): void {
    const larger = this.#read(stored.key);
    if (larger === null || !isCuttable(stored)) return;
    const bare = { ...larger, parts: [] };
    // Only a document from which something can be cut is indexed.
    if (larger.parts.some((part) => this.#documents.mayCut({ ...larger, parts: [part] }, bare))) {
      this.#index.note(services, larger.prefix + larger.base, stored);
    }
  }

  async #fromOneOf(request: DerivableRequest, wanted: PartedKey, keys: readonly string[]): Promise<Derived | null> {
    for (const key of keys) {
      const larger = this.#read(key);
      if (larger === null || larger.prefix !== wanted.prefix || !this.#documents.mayCut(larger, wanted)) continue;
      const found = await request.services.store.get(key);
      if (found === undefined || !isUsable(request, found)) continue;
      const response = this.#cut(request.key, found.response, { larger, wanted });
      if (response !== null) return { response, tier: found.tier, detail: "superset" };
    }
    return null;
  }

  /** Splits a key behind listener and host; `null` where more follows the target, as in the key of a variant or with cookies. */
  #read(key: string): PartedKey | null {
    const start = key.indexOf(KEY_SEPARATOR, key.indexOf(KEY_SEPARATOR) + 1) + 1;
    const target = key.slice(start);
    const parted = target.includes(KEY_SEPARATOR) ? null : this.#documents.read(target);
    return parted === null ? null : { prefix: key.slice(0, start), ...parted };
  }

  #cut(
    key: string,
    source: StoredResponse,
    { larger, wanted }: { readonly larger: PartedKey; readonly wanted: PartedKey },
  ): StoredResponse | null {
    const known = this.#cuts.get(key);
    if (known?.source.deref() === source) return known.response;
    const body = this.#documents.cut(source.body, larger, wanted);
    const response = body === null ? null : cutResponse(key, source, body);
    this.#cuts.set(key, { source: new WeakRef(source), response });
    return response;
  }
}

/** Whether a source is fresh, no variant, and not changed since by an unsafe request (RFC 9111 §4.4). */
function isUsable(request: DerivableRequest, { response }: Found): boolean {
  return isCuttable(response) && !response.freshness.alwaysValidate &&
    ttlMs(response, request.services.clock.now()) > 0 &&
    !request.isChanged(response);
}

/** Whether a response is JSON in UTF-8 with status 200, neither coded nor one of several variants. */
function isCuttable(stored: StoredResponse): boolean {
  if (stored.status !== 200 || stored.selectedBy.length > 0 || stored.field("content-encoding") !== null) return false;
  const [type = "", ...parameters] = (stored.field("content-type") ?? "").toLowerCase().split(";");
  return /^application\/(?:[\w.+-]+\+)?json$/.test(type.trim()) &&
    parameters.every((parameter) => !/^\s*charset=/.test(parameter) || /^\s*charset="?utf-8"?\s*$/.test(parameter));
}

/** The cut document with the source's age and lifetime, and an entity tag of its own. */
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
 * The keys of stored documents by their base: in this worker's memory, and in a record of the disk tier that all workers read and that
 * survives a restart. It only says where to look: an entry that is missing, as when two workers write a record at once, costs a fetch.
 */
export class SupersetIndex {
  readonly #known = new LRUCache<string, readonly string[]>({ max: MAX_BASES });

  /** The keys known here, the newest first. */
  known(base: string): readonly string[] {
    return this.#known.get(base) ?? [];
  }

  /** The keys of the record that this worker does not know. */
  async recorded({ store }: Pick<Services, "store">, base: string): Promise<readonly string[]> {
    const known = this.known(base);
    const found = await store.get(recordKey(base));
    const news = found === undefined ? [] : keysIn(found.response).filter((key) => !known.includes(key));
    if (news.length > 0) this.#known.set(base, [...known, ...news].slice(0, MAX_KEYS));
    return news;
  }

  /** Adds a stored document; the record is written in the background. */
  note({ store, background }: Pick<Services, "store" | "background">, base: string, stored: StoredResponse): void {
    if (stored.key.length > MAX_KEY_LENGTH) return;
    this.#known.set(base, withKey(this.known(base), stored.key));
    // Without a record other workers fetch the document.
    if (!stored.tiers.disk || background.isFull) return;
    background.add(this.#record(store, base, stored));
  }

  /** A record has the lifetime of the newest document that it names. */
  async #record(store: Services["store"], base: string, stored: StoredResponse): Promise<void> {
    const found = await store.get(recordKey(base));
    const keys = withKey(found === undefined ? [] : keysIn(found.response), stored.key);
    const body = new TextEncoder().encode(JSON.stringify(keys));
    // In memory it would hide the records that other workers write.
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
