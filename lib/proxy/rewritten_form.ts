import { createHash } from "node:crypto";
import { gunzipSync } from "node:zlib";
import { KEY_SEPARATOR } from "../cache/key.ts";
import { ORIGIN_TAG } from "../cache/origin_tag.ts";
import type { StoredResponse } from "../cache/stored_response.ts";
import type { UndatedResponse } from "../http/conditional.ts";
import { isJsonType } from "../http/content_signature.ts";
import { type Fields, fieldValue } from "../http/fields.ts";
import { mediaTypeOf } from "../http/media_range.ts";
import type { Exchange } from "./exchange.ts";
import type { Rewrite, Rewriting } from "./rewriting.ts";
import { tagOf } from "./simple_tag.ts";

/** Larger documents are served as they are: changing them would keep a core for too long. */
export const MAX_DOCUMENT_BYTES = 4 * 1024 * 1024;

/**
 * Forms of one stored response that are kept, also compressed: clients choose by which host they come. Others are made anew each time.
 */
const MAX_FORMS = 16;

/** Fields that describe the bytes before the change. The date too: a document changes with the configuration as well. */
const REPLACED: ReadonlySet<string> = new Set([
  "accept-ranges",
  "content-digest",
  "content-encoding",
  "content-length",
  "content-md5",
  "digest",
  "etag",
  "last-modified",
  "repr-digest",
  "signature",
  "signature-input",
  ORIGIN_TAG,
]);

/** Whether a response is a JSON document that can be changed; `null` is a length that is not known yet. */
export function isDocument(
  { status, fields }: { readonly status: number; readonly fields: Readonly<Fields> },
  lengthBytes: number | null,
): boolean {
  if (status !== 200 || (lengthBytes ?? 0) > MAX_DOCUMENT_BYTES) return false;
  if (!isJsonType(mediaTypeOf(fieldValue(fields, "content-type")))) return false;
  const coding = fieldValue(fields, "content-encoding")?.trim().toLowerCase() ?? "identity";
  return coding === "identity" || coding === "gzip" || coding === "x-gzip";
}

/** Fields of a response to `HEAD` whose document `GET` would have changed: what is not known without it is left out. */
export function withoutContentFields(fields: Readonly<Fields>): Fields {
  return fields.filter(([name]) => !REPLACED.has(name));
}

/** What is remembered of a stored response, by the options that it was made with. */
interface Remembered {
  readonly rewriting: Rewriting;
  readonly forms: Map<string, StoredResponse>;
}

const remembered = new WeakMap<StoredResponse, Remembered>();

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
  const held = known.forms.get(rewrite.name);
  if (held !== undefined) return held;
  const form = rewritten(stored, rewrite);
  if (known.forms.size >= MAX_FORMS) return elsewhere(form, stored);
  known.forms.set(rewrite.name, form);
  return form;
}

/** A form that no store keeps, compressed or not. */
function elsewhere(form: StoredResponse, stored: StoredResponse): StoredResponse {
  return form === stored ? form : { ...form, tiers: NOWHERE };
}

const NOWHERE = { memory: false, disk: false };

function rewritten(stored: StoredResponse, rewrite: Rewrite): StoredResponse {
  const json = plainBody(stored);
  const body = json === null ? null : rewrite.apply(json);
  if (body === null || body === json) return stored;
  const fields = withoutContentFields(stored.fields);
  fields.push(["etag", tagOf(body)], ["content-length", String(body.byteLength)]);
  const name = createHash("sha256").update(rewrite.name).digest("base64url").slice(0, 22);
  const form: StoredResponse & UndatedResponse = {
    ...stored,
    key: `${stored.key}${KEY_SEPARATOR}~rewritten:${name}`,
    fields,
    body,
    isUndated: true,
  };
  return form;
}

/** The body without its content coding; `null` where that cannot be. */
function plainBody({ fields, body }: StoredResponse): Uint8Array<ArrayBuffer> | null {
  const coding = fieldValue(fields, "content-encoding")?.trim().toLowerCase() ?? "identity";
  if (coding === "identity") return body;
  try {
    const decoded = gunzipSync(body, { maxOutputLength: MAX_DOCUMENT_BYTES });
    return new Uint8Array(decoded.buffer as ArrayBuffer, decoded.byteOffset, decoded.byteLength);
  } catch {
    // Not gzip, or too large when decoded: it goes out as it came.
    return null;
  }
}
