import { LRUCache } from "lru-cache";
import type { Found } from "../cache/store.ts";
import type { StoredResponse } from "../cache/stored_response.ts";
import type { CacheNote } from "../request/cache_note.ts";
import type { Exchange } from "../request/exchange.ts";
import type { Services } from "../request/services.ts";
import type { Coding, CompressOptions } from "../request/storing_options.ts";
import { evaluatePreconditions } from "../http/conditional.ts";
import { negotiateCoding } from "../http/content_coding.ts";
import type { Fields } from "../http/fields.ts";
import { type FormHead, Forms, isCodable, varying } from "./coded_form.ts";
import { compressed } from "./compress.ts";
import { respondStored } from "./respond.ts";
import { imageForms, respondImage } from "./respond_image.ts";
import { rewrittenForm } from "./rewritten_form.ts";

export { awaitsForm } from "./respond_image.ts";

/** Answers from a stored response, with what its listener changes in documents, in the content coding that suits the client best. */
export function respondForm(exchange: Exchange, found: StoredResponse, note: CacheNote): Response | Promise<Response> {
  const { images, storing: { compress } } = exchange.tenant;
  const stored = exchange.rewrite === null ? found : rewrittenForm(exchange, found);
  const picture = images === null ? null : imageForms(stored, images);
  if (picture !== null) return respondImage(exchange, picture, { options: images!, note });
  if (compress === null) return respondStored(exchange, stored, note);
  const form = chosenForm(exchange, stored, compress);
  return form instanceof Promise
    ? form.then((late) => respondStored(exchange, late, note))
    : respondStored(exchange, form, note);
}

/**
 * Whether the origin has to judge a request's preconditions itself: `If-Match` and `If-Unmodified-Since` that a stored response
 * does not meet (RFC 9111 §4.3.2).
 */
export function needsOrigin(exchange: Exchange, stored: StoredResponse): boolean {
  if (exchange.isPlain || evaluatePreconditions(exchange, stored) !== "forward") return false;
  // The origin does not know the entity tag of what was changed here.
  return rewrittenForm(exchange, stored) === stored;
}

/** The fields of a response before it is stored, as its stored form will have them where codings are chosen from. */
export function codableFields(exchange: Exchange, head: FormHead, lengthBytes: number | null): Fields {
  const { compress } = exchange.tenant.storing;
  return compress !== null && isCodable(head, lengthBytes, compress) ? varying(head.fields) : head.fields.slice();
}

/** What a stored response may be served as, by the options of its listener; `null` where it is served as it is. */
const forms = new WeakMap<StoredResponse, { readonly options: CompressOptions; readonly forms: Forms | null }>();

function formsOf(stored: StoredResponse, options: CompressOptions): Forms | null {
  const known = forms.get(stored);
  if (known?.options === options) return known.forms;
  const made = isCodable(stored, stored.body.byteLength, options) ? new Forms(stored) : null;
  forms.set(stored, { options, forms: made });
  return made;
}

function chosenForm(
  exchange: Exchange,
  stored: StoredResponse,
  options: CompressOptions,
): StoredResponse | Promise<StoredResponse> {
  const known = formsOf(stored, options);
  if (known === null) return stored;
  const coding = wantedCoding(exchange.header("accept-encoding"), options.codings);
  if (coding === null) return known.identity;
  if (!exchange.isPlain) {
    // What has met an If-Match already is the identity form: a coded one has another tag (RFC 9110 §13.1.1).
    if (exchange.header("range") !== null || exchange.header("if-match") !== null) return known.identity;
    const head = known.head(coding);
    if (evaluatePreconditions(exchange, head) === "not_modified") return head;
  }
  const held = exchange.services.store.get(known.key(coding));
  const choose = (found: Found | undefined): StoredResponse => {
    const coded = found === undefined ? null : known.with(coding, found.response);
    if (coded === null) makeInBackground(exchange.services, stored, { known, coding });
    return coded ?? known.identity;
  };
  return held instanceof Promise ? held.then(choose) : choose(held);
}

/** What clients say, read once: they say the same few things over and over. */
const wanted = new WeakMap<readonly Coding[], Map<string, Coding | null>>();
const MAX_REMEMBERED = 512;

function wantedCoding(acceptEncoding: string | null, offered: readonly Coding[]): Coding | null {
  if (acceptEncoding === null) return null;
  let remembered = wanted.get(offered);
  if (remembered === undefined || remembered.size >= MAX_REMEMBERED) wanted.set(offered, remembered = new Map());
  const known = remembered.get(acceptEncoding);
  if (known !== undefined) return known;
  const coding = negotiateCoding(acceptEncoding, offered);
  const result = offered.find((name) => name === coding) ?? null;
  remembered.set(acceptEncoding, result);
  return result;
}

/** Makes a coded body for the requests to come; this one is not kept waiting. Once for each stored response and coding. */
function makeInBackground(
  { background, store, logger }: Services,
  stored: StoredResponse,
  { known, coding }: { known: Forms; coding: Coding },
): void {
  if (known.settled.has(coding) || background.isFull || fruitless.has(known.key(coding))) return;
  known.settled.add(coding);
  background.add(
    compressed(stored.body, coding).then((body) => {
      // A few bytes less are not worth a second copy.
      if (body.byteLength < stored.body.byteLength * WORTH_SHARE) store.put(known.holding(coding, body));
      else fruitless.set(known.key(coding), true);
    }, (error) => logger.warn("Cannot compress a response", { key: stored.key, coding, cause: String(error) })),
  );
}

/** Share of the original size that a coded body must stay below. */
const WORTH_SHARE = 0.9;

/** Keys of codings that were not worth it: a response that is on disk only comes as a new one each time. */
const fruitless = new LRUCache<string, true>({ max: 4_096, ttl: 600_000 });
