import { createHash } from "node:crypto";
import { KEY_SEPARATOR } from "../cache/key.ts";
import type { StoredResponse } from "../cache/stored_response.ts";
import type { ConvertOptions, FormRecipe } from "../request/convert_options.ts";
import { responseDirectives } from "../http/cache_control.ts";
import { type Fields, fieldValue } from "../http/fields.ts";
import { mediaTypeOf } from "../http/media_range.ts";
import { pictureFormat } from "../image/picture_format.ts";
import { tagOf } from "./simple_tag.ts";

/** The field of a stored form that says what it was made of; it is never sent. */
const SOURCE = "x-usher-source";

/** Media types of pictures that can be converted. */
const CONVERTIBLE: ReadonlySet<string> = new Set(["image/jpeg", "image/jpg", "image/pjpeg", "image/png", "image/webp"]);

/** Fields that speak of the original's bytes. */
const OF_BYTES: ReadonlySet<string> = new Set([
  "content-digest",
  "content-disposition",
  "content-length",
  "content-md5",
  "content-type",
  "digest",
  "etag",
  // Without it no date tells the forms apart: a client that has one of them must not be told that it has the other.
  "last-modified",
  "repr-digest",
]);

/** Whether a response is a picture whose form may be chosen by `Accept` (RFC 9111 §5.2.2.6). */
export function isConvertible(
  { status, fields, body, tiers }: StoredResponse,
  options: Pick<ConvertOptions, "minBytes" | "maxBytes">,
): boolean {
  // Nothing is kept of it, so that it would be converted anew each time.
  if (!tiers.memory && !tiers.disk) return false;
  if (status !== 200 || body.byteLength < options.minBytes || body.byteLength > options.maxBytes) return false;
  return isPicture(fields) && fieldValue(fields, "set-cookie") === null && pictureFormat(body) !== null;
}

function isPicture(fields: Readonly<Fields>): boolean {
  return CONVERTIBLE.has(mediaTypeOf(fieldValue(fields, "content-type"))) &&
    fieldValue(fields, "content-encoding") === null &&
    !responseDirectives(fieldValue(fields, "cache-control")).noTransform;
}

/** Whether a response whose body is still to come will be served by `Accept` once it is stored. */
export function willBeConvertible(fields: Readonly<Fields>, { minBytes, maxBytes }: ConvertOptions): boolean {
  const lengthBytes = Number(fieldValue(fields, "content-length") ?? NaN);
  return isPicture(fields) && !(lengthBytes < minBytes || lengthBytes > maxBytes);
}

/** Fields of a response that is sent while its body comes in: they say already what will decide on its form. */
export function pictureFields(fields: Fields, options: ConvertOptions | null): Fields {
  return options !== null && willBeConvertible(fields, options) && !options.saysVary ? varying(fields) : fields;
}

/** Fields without those that speak of the very bytes they came with. */
function withoutBytesFields(fields: Readonly<Fields>): Fields {
  return fields.filter(([name]) => !OF_BYTES.has(name));
}

/** The key under which a size is made of a larger one. */
export function derivedKey(primaryKey: string): string {
  return `${primaryKey}${KEY_SEPARATOR}~derived`;
}

/**
 * A smaller size of a stored picture: it has the times, the freshness and the tags of that, and an entity tag of its own, which no
 * origin knows.
 */
export function sizedResponse(
  source: StoredResponse,
  { key, tags, body }: Pick<StoredResponse, "key" | "tags" | "body">,
): StoredResponse {
  const fields = withoutBytesFields(source.fields);
  const contentType = source.field("content-type") ?? "";
  fields.push(["content-type", contentType], ["etag", tagOf(body)]);
  return source.with({ key, fields, originTag: "", tags: [...new Set([...source.tags, ...tags])].sort(), body });
}

/** What a stored picture may be served as: itself, or converted. Worked out once for each stored response. */
export class ImageForms {
  /** As it is, with the `Vary` that a choice of forms makes necessary (RFC 9110 §12.5.5). */
  readonly original: StoredResponse;
  readonly mediaType: string;
  readonly #stored: StoredResponse;
  readonly #keys = new Map<FormRecipe, string>();
  readonly #forms = new WeakMap<StoredResponse, StoredResponse | null>();
  #source: string | null = null;

  constructor(stored: StoredResponse, { saysVary }: Pick<ConvertOptions, "saysVary"> = { saysVary: false }) {
    this.#stored = stored;
    this.original = saysVary ? stored : stored.with({ fields: varying(stored.fields) });
    this.mediaType = mediaTypeOf(stored.field("content-type"));
  }

  /** The key of a form. Purges see the original's target in it. */
  key(recipe: FormRecipe): string {
    let key = this.#keys.get(recipe);
    if (key === undefined) this.#keys.set(recipe, key = `${this.#stored.key}${KEY_SEPARATOR}~${recipe.id}`);
    return key;
  }

  /** The form with a stored body; `null` where none is of use, `undefined` where that was made of another original. */
  with(recipe: FormRecipe, held: StoredResponse): StoredResponse | null | undefined {
    const known = this.#forms.get(held);
    if (known !== undefined) return known;
    if (held.field(SOURCE) !== this.#sourceHash()) return undefined;
    const form = held.body.byteLength === 0 ? null : this.#served(recipe, held);
    this.#forms.set(held, form);
    return form;
  }

  /**
   * A form as it is stored: it lives no longer than what it was made of, and goes with the same purges. Without a body it says that
   * there is no such form.
   */
  holding(recipe: FormRecipe, body: Uint8Array<ArrayBuffer> | null): StoredResponse {
    const fields: Fields = [[SOURCE, this.#sourceHash()]];
    if (body !== null) fields.push(["etag", tagOf(body)]);
    return this.#stored.with({ key: this.key(recipe), fields, selectedBy: [], body: body ?? new Uint8Array(0) });
  }

  #served(recipe: FormRecipe, held: StoredResponse): StoredResponse {
    const fields = withoutBytesFields(this.original.fields);
    fields.push(["content-type", recipe.mediaType]);
    const etag = held.field("etag");
    if (etag !== null) fields.push(["etag", etag]);
    return this.#stored.with({ fields, body: held.body });
  }

  #sourceHash(): string {
    return this.#source ??= createHash("sha256").update(this.#stored.body).digest("base64url");
  }
}

function varying(fields: Readonly<Fields>): Fields {
  const vary = fieldValue(fields, "vary");
  if (vary === null) return [...fields, ["vary", "Accept"]];
  if (/(?:^|,)[ \t]*(?:\*|accept)[ \t]*(?:,|$)/i.test(vary)) return fields.slice();
  return [...fields.filter(([name]) => name !== "vary"), ["vary", `${vary}, Accept`]];
}
