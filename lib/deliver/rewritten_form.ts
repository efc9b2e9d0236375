import { createHash } from "node:crypto";
import { LRUCache } from "lru-cache";
import { KEY_SEPARATOR } from "../cache/key.ts";
import { heldBytes, type StoredResponse } from "../cache/stored_response.ts";
import type { Exchange } from "../request/exchange.ts";
import type { Rewrite, Rewriting } from "../request/rewriting.ts";
import { isDocument, plainBody, withoutContentFields } from "./json_document.ts";
import { tagOf } from "./simple_tag.ts";

/**
 * Forms of one stored response that are kept, also compressed: clients choose by which host they come. Others are made anew each time.
 */
const MAX_FORMS = 16;

/** Bytes that all kept forms may hold together, in each serving worker. */
const HELD_BYTES = 16 * 1024 * 1024;

/** Forms by the names of the changes; `null` where those leave the response as it is. */
type Forms = Map<string, StoredResponse | null>;

/** What is remembered of a stored response, by the options that it was made with. */
const remembered = new WeakMap<StoredResponse, { readonly rewriting: Rewriting; readonly forms: Forms }>();

/** Every form that is remembered, so that all together have a bound; those of responses that are gone leave in their turn. */
const held = new LRUCache<StoredResponse, { readonly forms: Forms; readonly name: string }>({
  maxSize: HELD_BYTES,
  sizeCalculation: (_, form) => heldBytes(form),
  dispose: ({ forms, name }) => forms.delete(name),
});

/**
 * A response with what its listener changes in documents, under a key, an entity tag and a length of its own; the response itself
 * where nothing is changed.
 */
export function rewrittenForm({ rewrite, tenant }: Exchange, stored: StoredResponse): StoredResponse {
  if (rewrite === null || tenant.rewriting === null || !isDocument(stored, stored.body.byteLength)) return stored;
  if (rewrite.isOwn) return elsewhere(rewritten(stored, rewrite), stored);
  let known = remembered.get(stored);
  if (known?.rewriting !== tenant.rewriting) {
    remembered.set(stored, known = { rewriting: tenant.rewriting, forms: new Map() });
  }
  const { forms } = known;
  const form = forms.get(rewrite.name);
  if (form === undefined) return newForm(stored, rewrite, forms);
  if (form !== null) held.get(form);
  return form ?? stored;
}

function newForm(stored: StoredResponse, rewrite: Rewrite, forms: Forms): StoredResponse {
  const form = rewritten(stored, rewrite);
  const { name } = rewrite;
  if (forms.size >= MAX_FORMS) return elsewhere(form, stored);
  forms.set(name, form === stored ? null : form);
  if (form !== stored) held.set(form, { forms, name });
  return form;
}

/** A form that no store keeps, compressed or not. */
function elsewhere(form: StoredResponse, stored: StoredResponse): StoredResponse {
  return form === stored ? form : form.with({ tiers: NOWHERE });
}

const NOWHERE = { memory: false, disk: false };

function rewritten(stored: StoredResponse, rewrite: Rewrite): StoredResponse {
  const json = plainBody(stored);
  const body = json === null ? null : rewrite.apply(json);
  if (body === null || body === json) return stored;
  const fields = withoutContentFields(stored.fields);
  fields.push(["etag", tagOf(body)]);
  const name = createHash("sha256").update(rewrite.name).digest("base64url").slice(0, 22);
  return stored.with({ key: `${stored.key}${KEY_SEPARATOR}~rewritten:${name}`, fields, body, isUndated: true });
}
