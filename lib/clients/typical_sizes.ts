/**
 * What a document takes, in bytes: assumed, since TMDB's differ by ten and more. What is stored says more.
 */
export const ASSUMED_DOCUMENT_BYTES = { film: 60 * 1024, show: 80 * 1024, season: 80 * 1024 } as const;

/** What a picture takes in bytes, as docs/images.md has measured on made ones, by its size and whether it is upright. */
const MEASURED: Readonly<Record<string, { readonly poster: number; readonly backdrop: number }>> = {
  original: { poster: 910 * 1024, backdrop: 1229 * 1024 },
  w342: { poster: 43 * 1024, backdrop: 17 * 1024 },
  w500: { poster: 79 * 1024, backdrop: 31 * 1024 },
  w780: { poster: 168 * 1024, backdrop: 67 * 1024 },
};
/** Of a JPEG of the width of a screen, by the same measurements. */
const BYTES_A_PIXEL = 0.2;

/**
 * Bytes of a picture in a size, measured or by its pixels.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { typicalPictureBytes } from "./typical_sizes.ts";
 * assert.equal(typicalPictureBytes("w600_and_h900_bestv2", "poster"), 108_000);
 * ```
 */
export function typicalPictureBytes(size: string, kind: "poster" | "backdrop"): number {
  const known = MEASURED[size]?.[kind];
  if (known !== undefined) return known;
  const [, width, height] = /^w(\d{1,4})(?:_and_h(\d{1,4}))?/.exec(size) ?? [];
  if (width === undefined) return MEASURED["original"]![kind];
  const tall = height === undefined ? Number(width) * (kind === "poster" ? 1.5 : 9 / 16) : Number(height);
  return Math.round(Number(width) * tall * BYTES_A_PIXEL);
}
