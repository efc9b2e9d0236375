/** A format that pictures are converted from. */
export type PictureFormat = "jpeg" | "png" | "webp";

/**
 * The format of a picture by its first bytes; `null` for all other formats, whatever the name or media type says.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { pictureFormat } from "./picture_format.ts";
 * assert.equal(pictureFormat(Uint8Array.of(0xff, 0xd8, 0xff, 0xe0)), "jpeg");
 * assert.equal(pictureFormat(new TextEncoder().encode("<svg/>")), null);
 * ```
 */
export function pictureFormat(bytes: Uint8Array): PictureFormat | null {
  if (startsWith(bytes, [0xff, 0xd8, 0xff])) return "jpeg";
  if (startsWith(bytes, PNG)) return "png";
  if (startsWith(bytes, RIFF) && startsWith(bytes.subarray(8), WEBP)) return "webp";
  return null;
}

const PNG = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
const RIFF = [0x52, 0x49, 0x46, 0x46];
const WEBP = [0x57, 0x45, 0x42, 0x50];

function startsWith(bytes: Uint8Array, beginning: readonly number[]): boolean {
  return beginning.every((byte, at) => bytes[at] === byte);
}

/** Chunks of a PNG that are looked at before its pixels. */
const MAX_CHUNKS = 1_000;
const ANIMATION = 0x6163544c; // acTL
const PIXELS = 0x49444154; // IDAT

/** Whether a PNG has frames: its animation control comes before its pixels (PNG third edition §11.3.6.1). */
export function isAnimatedPng(bytes: Uint8Array): boolean {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = PNG.length, chunk = 0; at + 8 <= bytes.byteLength && chunk < MAX_CHUNKS; chunk++) {
    const type = view.getUint32(at + 4);
    if (type === ANIMATION) return true;
    if (type === PIXELS) return false;
    at += 12 + view.getUint32(at);
  }
  return false;
}
