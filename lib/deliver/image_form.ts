import { LRUCache } from "lru-cache";
import { Fill } from "../cache/flights/fill.ts";
import { KEY_SEPARATOR } from "../cache/key.ts";
import type { StoredResponse } from "../cache/stored_response.ts";
import { responseDirectives } from "../http/cache_control.ts";
import { type Fields, fieldValue } from "../http/fields.ts";
import { mediaTypeOf } from "../http/media_range.ts";
import { withVary } from "../http/vary.ts";
import type { Conversion } from "../image/conversion.ts";
import { pictureFormat } from "../image/picture_format.ts";
import type { Services } from "../request/services.ts";
import type { ConversionCounts, ConvertOptions, FormRecipe } from "../request/snapshot.ts";
import { tagOf } from "./client_fields.ts";
import { SOURCE, sourceHash } from "./coded_form.ts";

/** Media types of pictures that can be converted. */
const CONVERTIBLE: ReadonlySet<string> = new Set(["image/jpeg", "image/jpg", "image/pjpeg", "image/png", "image/webp"]);

/** Fields that describe the original's bytes. */
const OF_BYTES: ReadonlySet<string> = new Set([
  "content-digest",
  "content-disposition",
  "content-length",
  "content-md5",
  "content-type",
  "digest",
  "etag",
  // All forms would have the same date: a client that has one form must not get a 304 for another.
  "last-modified",
  "repr-digest",
]);

/** Whether a response is a picture whose format may be chosen by `Accept` (RFC 9111 §5.2.2.6). */
export function isConvertible(
  { status, fields, body, tiers }: StoredResponse,
  options: Pick<ConvertOptions, "minBytes" | "maxBytes">,
): boolean {
  // It is not stored, and would be converted anew each time.
  if (!tiers.memory && !tiers.disk) return false;
  if (status !== 200 || body.byteLength < options.minBytes || body.byteLength > options.maxBytes) return false;
  return isPicture(fields) && fieldValue(fields, "set-cookie") === null && pictureFormat(body) !== null;
}

function isPicture(fields: Readonly<Fields>): boolean {
  return CONVERTIBLE.has(mediaTypeOf(fieldValue(fields, "content-type"))) &&
    fieldValue(fields, "content-encoding") === null &&
    !responseDirectives(fieldValue(fields, "cache-control")).noTransform;
}

/** Whether a response whose body is still coming in may be converted once it is stored. */
export function willBeConvertible(fields: Readonly<Fields>, { minBytes, maxBytes }: ConvertOptions): boolean {
  const lengthBytes = Number(fieldValue(fields, "content-length") ?? NaN);
  return isPicture(fields) && !(lengthBytes < minBytes || lengthBytes > maxBytes);
}

/** Fields of a response that is sent while its body comes in: with `Vary: Accept` where it may be converted later. */
export function pictureFields(fields: Fields, options: ConvertOptions | null): Fields {
  return options !== null && willBeConvertible(fields, options) && !options.saysVary
    ? withVary(fields, "Accept")
    : fields;
}

/** Fields without those that describe the original's bytes. */
function withoutBytesFields(fields: Readonly<Fields>): Fields {
  return fields.filter(([name]) => !OF_BYTES.has(name));
}

/** The key under which the conversion to a size is run. */
export function derivedKey(primaryKey: string): string {
  return `${primaryKey}${KEY_SEPARATOR}~derived`;
}

/**
 * A smaller size of a stored picture: with its source's times, freshness and tags, and an entity tag of its own, which no origin knows.
 */
export function sizedResponse(
  source: StoredResponse,
  { key, tags, body }: Pick<StoredResponse, "key" | "tags" | "body">,
): StoredResponse {
  // What the larger size fell back to does not name what is made of it.
  const fields = withoutBytesFields(source.fields).filter(([name]) => name !== "content-location");
  const contentType = source.field("content-type") ?? "";
  fields.push(["content-type", contentType], ["etag", tagOf(body)]);
  return source.with({ key, fields, originTag: "", tags: [...new Set([...source.tags, ...tags])].sort(), body });
}

/** The forms of a stored picture: the original and conversions. Made once for each stored response. */
export class ImageForms {
  /** Unconverted, with the `Vary` that a choice of formats requires (RFC 9110 §12.5.5). */
  readonly original: StoredResponse;
  readonly mediaType: string;
  readonly #stored: StoredResponse;
  readonly #keys = new Map<FormRecipe, string>();
  readonly #forms = new WeakMap<StoredResponse, StoredResponse | null>();
  #source: string | null = null;

  constructor(stored: StoredResponse, { saysVary }: Pick<ConvertOptions, "saysVary"> = { saysVary: false }) {
    this.#stored = stored;
    this.original = saysVary ? stored : stored.with({ fields: withVary(stored.fields, "Accept") });
    this.mediaType = mediaTypeOf(stored.field("content-type"));
  }

  /** The key of a form. It contains the original's target, for purges. */
  key(recipe: FormRecipe): string {
    let key = this.#keys.get(recipe);
    if (key === undefined) this.#keys.set(recipe, key = `${this.#stored.key}${KEY_SEPARATOR}~${recipe.id}`);
    return key;
  }

  /** The form with a stored body; `null` where there is no such form, `undefined` where the body was made of another original. */
  with(recipe: FormRecipe, entry: StoredResponse): StoredResponse | null | undefined {
    const known = this.#forms.get(entry);
    if (known !== undefined) return known;
    if (entry.field(SOURCE) !== this.#sourceHash()) return undefined;
    const form = entry.body.byteLength === 0 ? null : this.#served(recipe, entry);
    this.#forms.set(entry, form);
    return form;
  }

  /**
   * A form as it is stored: with the lifetime and the tags of its source. Without a body it records that there is no such form.
   */
  entryFor(recipe: FormRecipe, body: Uint8Array<ArrayBuffer> | null): StoredResponse {
    const fields: Fields = [[SOURCE, this.#sourceHash()]];
    if (body !== null) fields.push(["etag", tagOf(body)]);
    return this.#stored.with({ key: this.key(recipe), fields, selectedBy: [], body: body ?? new Uint8Array(0) });
  }

  #served(recipe: FormRecipe, entry: StoredResponse): StoredResponse {
    const fields = withoutBytesFields(this.original.fields);
    fields.push(["content-type", recipe.mediaType]);
    const etag = entry.field("etag");
    if (etag !== null) fields.push(["etag", etag]);
    return this.#stored.with({ fields, body: entry.body });
  }

  #sourceHash(): string {
    return this.#source ??= sourceHash(this.#stored);
  }
}

/** The purpose of a conversion. */
export interface ConversionPurpose {
  /** Key of its result. */
  readonly key: string;
  readonly counts: ConversionCounts;
  readonly made: "done" | "derived";
}

/** Keys whose conversion has failed or timed out: they are not tried again for a while in this worker. */
const resting = new LRUCache<string, true>({ max: 10_000, ttl: 600_000 });

/** Whether the conversion to a key has failed lately. */
export function isResting(key: string): boolean {
  return resting.size > 0 && resting.has(key);
}

/** Counts a conversion; logs one that failed, and keeps it from being tried again for a while. */
export function reportConversion(
  services: Services,
  { key, counts, made }: ConversionPurpose,
  conversion: Conversion,
): void {
  counts[conversion.kind === "done" ? made : conversion.kind]++;
  if (conversion.kind !== "failed" && conversion.kind !== "timeout") return;
  resting.set(key, true);
  log(services, key, conversion);
}

function log({ repeats }: Services, key: string, { kind, detail }: Exclude<Conversion, { kind: "done" }>): void {
  repeats.warn("cache", "A picture could not be converted: its original is served", kind, {
    key: key.replaceAll("\0", " "),
    result: kind,
    problem: detail,
  });
}

/** A response that all workers together make once. */
export interface SharedMaking {
  /** Key of its flight; no request's own key. */
  readonly key: string;
  /** The response to store; `null` for none. */
  readonly make: () => Promise<StoredResponse | null>;
}

/** Makes a response once in all workers together, and stores it; `null` where there is none. Never rejects. */
export async function madeOnce(
  { collapse, store }: Services,
  { key, make }: SharedMaking,
): Promise<StoredResponse | null> {
  const entry = collapse.enter(key);
  if (entry.role === "solo") return null;
  if (entry.role === "follower") {
    const result = await entry.result;
    // The worker that made it may have stored it since, and ended its flight.
    if (result.kind !== "shared") return (await store.get(key))?.response ?? null;
    return await result.fill.whole().then((body) => result.head.withBody(body), () => null);
  }
  let made: StoredResponse | null = null;
  try {
    made = await make();
    if (made === null) return null;
    store.put(made);
    entry.flight.land({ kind: "shared", head: made, fill: Fill.ofBody(made.body) });
    return made;
  } catch {
    return null;
  } finally {
    collapse.finish(entry.flight, made);
  }
}
