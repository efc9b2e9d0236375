import { LRUCache } from "lru-cache";
import type { Found } from "../cache/store.ts";
import type { StoredHead, StoredResponse } from "../cache/stored_response.ts";
import type { Answer } from "../request/answer.ts";
import type { Exchange } from "../request/exchange.ts";
import type { Services } from "../request/services.ts";
import type { Coding, CompressOptions } from "../request/storing_options.ts";
import { evaluatePreconditions } from "../http/conditional.ts";
import { negotiateCoding } from "../http/content_coding.ts";
import type { Fields } from "../http/fields.ts";
import { Forms, isCodable, varying } from "./coded_form.ts";
import { compressed } from "./compress.ts";
import { pictureFields } from "./image_form.ts";

/** Puts a stored response into the content coding that suits the client best, where its listener compresses. */
export function chooseCoding(exchange: Exchange, answer: Answer): Answer | Promise<Answer> {
  const { compress } = exchange.tenant.storing;
  if (compress === null || answer.kind !== "stored" || answer.isPart || answer.isChosen) return answer;
  const form = chosenForm(exchange, answer.response, compress);
  if (form instanceof Promise) return form.then((response) => ({ ...answer, response }));
  return form === answer.response ? answer : { ...answer, response: form };
}

/**
 * The fields of a response that is passed on while it is being stored: with the `Vary` of its stored form, so that a cache behind does
 * not take the first client's form for everyone's. `null` is a length that is not known yet.
 */
export function fieldsAhead(exchange: Exchange, head: StoredHead, lengthBytes: number | null): Fields {
  const { images, storing: { compress } } = exchange.tenant;
  const isCoded = compress !== null && isCodable(head, lengthBytes, compress);
  return pictureFields(isCoded ? varying(head.fields) : head.fields, images);
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
