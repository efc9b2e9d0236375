import { LRUCache } from "lru-cache";
import { createHash } from "node:crypto";
import { KEY_SEPARATOR } from "../cache/key.ts";
import { heldBytes, type StoredResponse } from "../cache/stored_response.ts";
import type { Answer, FillingAnswer, StoredAnswer, StreamingAnswer } from "../request/answer.ts";
import { clientError } from "../request/client_error.ts";
import type { Exchange } from "../request/exchange.ts";
import type { Rewrite, Rewriting } from "../request/rewriting.ts";
import type { Filled } from "../request/snapshot.ts";
import { tagOf } from "./client_fields.ts";
import { isDocument, plainBody, withoutContentFields } from "./document.ts";
import { filledAnswer } from "./filled_form.ts";

/**
 * Changes the document of an answer as its listener is configured (`fill_language`, `overrides`, `rewrite_image_base`). The whole
 * document is awaited, and so is what it is filled from.
 *
 * @throws {Error} when a document that is waited for breaks off
 */
export function changeDocument(exchange: Exchange, answer: Answer): Answer | Promise<Answer> {
  if (answer.kind === "filling") return changeFilling(exchange, answer);
  if (exchange.rewrite === null) return answer;
  if (answer.kind === "streaming") return changeStreaming(answer);
  if (answer.kind !== "stored" || answer.isPartial) return answer;
  return changeStored(exchange, answer);
}

function changeStored(exchange: Exchange, answer: StoredAnswer): Answer | Promise<Answer> {
  const plan = exchange.rewrite === null ? null : exchange.rewrite.fill;
  if (plan === null || exchange.tenant.filler === null) return rewrite(exchange, answer);
  const filled = exchange.tenant.filler.fill(exchange, answer.response, plan);
  const served = (made: Filled) => rewrite(exchange, filledAnswer(exchange, answer, made));
  return filled instanceof Promise ? filled.then(served) : served(filled);
}

function rewrite(exchange: Exchange, answer: StoredAnswer): StoredAnswer {
  const response = rewrittenForm(exchange, answer.response);
  return response === answer.response ? answer : { ...answer, response };
}

function changeFilling(exchange: Exchange, answer: FillingAnswer): Answer | Promise<Answer> {
  const { head, fill, note } = answer;
  const stored = (body: Uint8Array<ArrayBuffer>) =>
    changeStored(exchange, { kind: "stored", note, response: head.withBody(body) });
  if (fill.body !== null) return stored(fill.body);
  if (exchange.rewrite === null || !isDocument(head, fill.lengthBytes)) return answer;
  return fill.whole().then(stored, (error) => {
    throw clientError(error);
  });
}

/** A document that is streamed is too large to be changed. An answer to HEAD loses the fields that the changed document would not have. */
function changeStreaming(answer: StreamingAnswer): Answer {
  if (answer.askedMethod !== "HEAD" || !isDocument(answer, answer.body.lengthBytes)) return answer;
  return { ...answer, fields: withoutContentFields(answer.fields) };
}

/**
 * Forms of one stored response that are kept, also compressed: clients choose the host in them. Others are made anew each time.
 */
const MAX_FORMS = 16;

/** Bytes of all kept forms together, in each serving worker. */
const HELD_BYTES = 16 * 1024 * 1024;

/** Forms by the names of the changes; `null` where those leave the response as it is. */
type Forms = Map<string, StoredResponse | null>;

/** Forms of each stored response, by the options that they were made with. */
const remembered = new WeakMap<StoredResponse, { readonly rewriting: Rewriting; readonly forms: Forms }>();

/** All kept forms, so that they have a common bound; those of responses that are gone are evicted in their turn. */
const kept = new LRUCache<StoredResponse, { readonly forms: Forms; readonly name: string }>({
  maxSize: HELD_BYTES,
  sizeCalculation: (_, form) => heldBytes(form),
  dispose: ({ forms, name }) => forms.delete(name),
});

/**
 * A response with its document changed, under a key, an entity tag and a length of its own; the response itself where nothing is changed.
 */
export function rewrittenForm({ rewrite, tenant }: Exchange, stored: StoredResponse): StoredResponse {
  if (rewrite === null || rewrite.name === "" || tenant.rewriting === null) return stored;
  if (!isDocument(stored, stored.body.byteLength)) return stored;
  if (rewrite.isOwn) return untiered(rewritten(stored, rewrite), stored);
  let known = remembered.get(stored);
  if (known?.rewriting !== tenant.rewriting) {
    remembered.set(stored, known = { rewriting: tenant.rewriting, forms: new Map() });
  }
  const { forms } = known;
  const form = forms.get(rewrite.name);
  if (form === undefined) return newForm(stored, rewrite, forms);
  if (form !== null) kept.get(form);
  return form ?? stored;
}

function newForm(stored: StoredResponse, rewrite: Rewrite, forms: Forms): StoredResponse {
  const form = rewritten(stored, rewrite);
  const { name } = rewrite;
  if (forms.size >= MAX_FORMS) return untiered(form, stored);
  forms.set(name, form === stored ? null : form);
  if (form !== stored) kept.set(form, { forms, name });
  return form;
}

/** A form that no store keeps, compressed or not. */
function untiered(form: StoredResponse, stored: StoredResponse): StoredResponse {
  return form === stored ? form : form.with({ tiers: NO_TIERS });
}

const NO_TIERS = { memory: false, disk: false };

function rewritten(stored: StoredResponse, rewrite: Rewrite): StoredResponse {
  const json = plainBody(stored);
  const body = json === null ? null : rewrite.apply(json);
  if (body === null || body === json) return stored;
  const fields = withoutContentFields(stored.fields);
  fields.push(["etag", tagOf(body)]);
  const name = createHash("sha256").update(rewrite.name).digest("base64url").slice(0, 22);
  return stored.with({ key: `${stored.key}${KEY_SEPARATOR}~rewritten:${name}`, fields, body, isUndated: true });
}
