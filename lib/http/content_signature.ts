/** Bytes of a body's beginning that {@linkcode belies} needs at most. */
export const SIGNATURE_BYTES = 256;

/**
 * Whether a body's beginning shows that it is not what its media type says: no picture where one is due, or markup where JSON is.
 * Which picture format it is does not matter, since names and types of pictures are often mixed up and viewers go by the bytes.
 *
 * @param mediaType in lower case, without parameters
 * @param head the first {@linkcode SIGNATURE_BYTES} bytes, or the whole of a shorter body
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { belies } from "./content_signature.ts";
 * const bytes = (text: string) => new TextEncoder().encode(text);
 * assert.equal(belies("image/jpeg", bytes("<!doctype html><title>Blocked</title>")), true);
 * assert.equal(belies("image/gif", bytes("GIF89a…")), false);
 * assert.equal(belies("application/json", bytes(' {"id": 550}')), false);
 * ```
 */
export function belies(mediaType: string, head: Uint8Array): boolean {
  if (head.length === 0) return false;
  if (mediaType.startsWith("image/")) return isImageDue(mediaType) ? !isImage(head) : isMarkup(head) && !isSvg(head);
  return isJsonType(mediaType) && isMarkup(head);
}

/** Whether a body of this media type has a beginning that says whether it is one. */
export function hasSignature(mediaType: string): boolean {
  return mediaType.startsWith("image/") || isJsonType(mediaType);
}

/**
 * Whether a media type, in lower case and without parameters, is JSON (RFC 6839 §3.1).
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { isJsonType } from "./content_signature.ts";
 * assert.equal(isJsonType("application/problem+json"), true);
 * assert.equal(isJsonType("application/javascript"), false);
 * ```
 */
export function isJsonType(mediaType: string): boolean {
  return mediaType === "application/json" || mediaType.endsWith("+json") || mediaType === "text/json";
}

/** Formats whose signatures are known; of others only markup is refused. */
const KNOWN_IMAGES: ReadonlySet<string> = new Set([
  "image/jpeg",
  "image/jpg",
  "image/png",
  "image/webp",
  "image/avif",
  "image/gif",
  "image/svg+xml",
]);

function isImageDue(mediaType: string): boolean {
  return KNOWN_IMAGES.has(mediaType);
}

function isImage(head: Uint8Array): boolean {
  const start = latin1(head, 0, 16);
  return start.startsWith("\xff\xd8\xff") || start.startsWith("\x89PNG\r\n\x1a\n") || /^GIF8[79]a/.test(start) ||
    (start.startsWith("RIFF") && start.slice(8, 12) === "WEBP") || start.slice(4, 8) === "ftyp" || isSvg(head);
}

/** XML that has, as far as can be seen, an `svg` element and no `html` one before it. */
function isSvg(head: Uint8Array): boolean {
  const beginning = textOf(head);
  if (!beginning.startsWith("<")) return false;
  const text = beginning.replaceAll(/<!--[^]*?(?:-->|$)/g, "");
  const first = /<(?!\?|!--)(?:!doctype\s+)?([a-z][\w:-]*)/i.exec(text)?.[1]?.toLowerCase();
  // A long comment or licence may come before the first element.
  return first === undefined ? /^<(\?xml|!--)/i.test(beginning) : first === "svg" || first.endsWith(":svg");
}

function isMarkup(head: Uint8Array): boolean {
  return textOf(head).startsWith("<");
}

/** The beginning as text, without a byte order mark and white space. */
function textOf(head: Uint8Array): string {
  return latin1(head, 0, SIGNATURE_BYTES).replace(/^\xef\xbb\xbf/, "").trimStart();
}

function latin1(bytes: Uint8Array, from: number, to: number): string {
  return String.fromCharCode(...bytes.subarray(from, to));
}
