import { LRUCache } from "lru-cache";
import type { Found, Store } from "../cache/store.ts";
import type { StoredHead, StoredResponse } from "../cache/stored_response.ts";
import { evaluatePreconditions } from "../http/conditional.ts";
import { acceptsCoding, negotiateCoding } from "../http/content_coding.ts";
import type { Fields } from "../http/fields.ts";
import { withVary } from "../http/vary.ts";
import type { Answer, StoredAnswer } from "../request/answer.ts";
import type { Exchange } from "../request/exchange.ts";
import type { Services } from "../request/services.ts";
import type { Coding, CompressOptions } from "../request/snapshot.ts";
import { compressed, Forms, isCodable } from "./coded_form.ts";
import { pictureFields } from "./image_form.ts";

/** A client does not wait for the coding of a larger body that has just come in; the next one gets it. */
const MADE_AT_ONCE_BYTES = 262_144;

/**
 * Chooses the content coding of a stored response by `Accept-Encoding`, where its listener compresses. A client that has waited for an
 * upstream waits for the coding of a small body too, or gets the gzip bytes that the upstream sent.
 */
export function chooseCoding(exchange: Exchange, answer: Answer): Answer | Promise<Answer> {
  const { compress } = exchange.tenant.storing;
  if (compress === null || answer.kind !== "stored" || answer.isPartial || answer.isChosen) return answer;
  const form = chosenForm(exchange, answer, compress);
  if (form instanceof Promise) return form.then((response) => ({ ...answer, response }));
  return form === answer.response ? answer : { ...answer, response: form };
}

/**
 * The fields of a response that is passed on while it is being stored: with the `Vary` of its stored form, so that caches behind do not
 * serve the first client's form to all. `null` is a length that is not known yet.
 */
export function fillingFields(exchange: Exchange, head: StoredHead, lengthBytes: number | null): Fields {
  const { images, storing: { compress } } = exchange.tenant;
  const isCoded = compress !== null && isCodable(head, lengthBytes, compress);
  return pictureFields(isCoded ? withVary(head.fields, "Accept-Encoding") : head.fields, images);
}

/** Coded forms of each stored response, by the options of its listener; `null` where it is not coded. */
const forms = new WeakMap<StoredResponse, { readonly options: CompressOptions; readonly forms: Forms | null }>();

function formsOf(stored: StoredResponse, options: CompressOptions): Forms | null {
  const known = forms.get(stored);
  if (known?.options === options) return known.forms;
  const made = isCodable(stored, stored.body.byteLength, options) ? new Forms(stored) : null;
  forms.set(stored, { options, forms: made });
  return made;
}

/**
 * Stores the gzip bytes that an upstream sent of a response that has just been stored, where this client is served gzip from now on:
 * they need not be made.
 */
export function storeGzip(exchange: Exchange, stored: StoredResponse, coded: Uint8Array<ArrayBuffer>): void {
  const { compress } = exchange.tenant.storing;
  if (compress === null || !isWorth(coded, stored)) return;
  if (wantedCoding(exchange.header("accept-encoding"), compress.codings) !== "gzip") return;
  const known = formsOf(stored, compress);
  if (known !== null) exchange.services.store.put(known.entryFor("gzip", coded));
}

function chosenForm(
  exchange: Exchange,
  answer: StoredAnswer,
  options: CompressOptions,
): StoredResponse | Promise<StoredResponse> {
  const stored = answer.response;
  const known = formsOf(stored, options);
  if (known === null) return stored;
  const coding = wantedCoding(exchange.header("accept-encoding"), options.codings);
  if (coding === null) return known.identity;
  if (!exchange.isPlain) {
    // The identity form has met `If-Match` already: a coded one has another tag (RFC 9110 §13.1.1).
    if (exchange.header("range") !== null || exchange.header("if-match") !== null) return known.identity;
    const head = known.head(coding);
    if (evaluatePreconditions(exchange, head) === "not_modified") return head;
  }
  const found = exchange.services.store.get(known.key(coding));
  const choose = (form: Found | undefined): StoredResponse | Promise<StoredResponse> => {
    const coded = form === undefined ? null : known.with(coding, form.response);
    if (coded !== null) return coded;
    const making = make(exchange.services, stored, { known, coding });
    const received = gzipForm(exchange, answer, { known, options });
    if (received !== null) return received;
    if (making === null || answer.isNew !== true || stored.body.byteLength > MADE_AT_ONCE_BYTES) return known.identity;
    return making.then((made) => (made === null ? null : known.with(coding, made)) ?? known.identity);
  };
  return found instanceof Promise ? found.then(choose) : choose(found);
}

/** The gzip bytes that the upstream sent, for a client that takes them; `null` where there are none, or they save too little. */
function gzipForm(
  exchange: Exchange,
  { response, gzip }: StoredAnswer,
  { known, options }: { readonly known: Forms; readonly options: CompressOptions },
): StoredResponse | null {
  // Another response: its document was changed.
  if (gzip === undefined || gzip.of !== response) return null;
  const { coded } = gzip;
  if (!isWorth(coded, response) || !options.codings.includes("gzip")) return null;
  if (!acceptsCoding(exchange.header("accept-encoding"), "gzip")) return null;
  return known.head("gzip").with({ body: coded });
}

/** Codings by `Accept-Encoding`: clients send few different values. */
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

/** Coded bodies that are being made, by key. */
const making = new WeakMap<Store, Map<string, Promise<StoredResponse | null>>>();

/**
 * Makes a coded body, once for each stored response and coding, and stores it; `null` where it is not made, or saves too little. Callers
 * need not wait for it.
 */
function make(
  { background, store, logger }: Services,
  stored: StoredResponse,
  { known, coding }: { known: Forms; coding: Coding },
): Promise<StoredResponse | null> | null {
  const key = known.key(coding);
  let underWay = making.get(store);
  if (underWay === undefined) making.set(store, underWay = new Map());
  const begun = underWay.get(key);
  if (begun !== undefined) return begun;
  if (known.settled.has(coding) || background.isFull || fruitless.has(key)) return null;
  known.settled.add(coding);
  const made = compressed(stored.body, coding).then((body) => {
    if (!isWorth(body, stored)) {
      fruitless.set(key, true);
      return null;
    }
    const form = known.entryFor(coding, body);
    store.put(form);
    return form;
  }, (error) => {
    logger.in("cache").warn("Cannot compress a response", { key: stored.key, coding, cause: String(error) });
    return null;
  }).finally(() => underWay.delete(key));
  underWay.set(key, made);
  background.add(made.then(() => {}));
  return made;
}

/** Share of the original size that a coded body must stay below to be stored as a second copy. */
const WORTH_SHARE = 0.9;

function isWorth(coded: Uint8Array, { body }: StoredResponse): boolean {
  return coded.byteLength < body.byteLength * WORTH_SHARE;
}

/** Keys of codings that saved too little: a response that is on disk alone is a new object each time. */
const fruitless = new LRUCache<string, true>({ max: 4_096, ttl: 600_000 });
