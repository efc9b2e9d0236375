import { gunzipSync } from "node:zlib";
import type { StoredResponse } from "../cache/stored_response.ts";
import { isJsonType } from "../http/content_signature.ts";
import { type Fields, fieldValue } from "../http/fields.ts";
import { mediaTypeOf } from "../http/media_range.ts";

/** Larger documents are served as they are: changing them would keep a core for too long. */
export const MAX_DOCUMENT_BYTES = 4 * 1024 * 1024;

/** Fields that describe the unchanged bytes. `Last-Modified` too: a document also changes with the configuration. */
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

/** Fields without those that describe the unchanged document. */
export function withoutContentFields(fields: Readonly<Fields>): Fields {
  return fields.filter(([name]) => !REPLACED.has(name));
}

/** The body without its content coding; `null` where that cannot be. */
export function plainBody({ fields, body }: Pick<StoredResponse, "fields" | "body">): Uint8Array<ArrayBuffer> | null {
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
