import { LISTED_SIZES } from "./listed_sizes.ts";
import type { ListedSizes, SizedPicture } from "./type_traits.ts";

/** A plain width or height; other sizes are cropped or filtered in TMDB's own way. */
const PLAIN = /^(.*\/)(w|h)([1-9]\d{0,3})(\/[^/]+\.(?:jpe?g|png|webp))$/;
const SIZED = /^(.*\/)([wh][1-9]\d{0,3}|original)(\/[^/]+\.(?:jpe?g|png|webp))$/;

/** Widths that TMDB's clients use. */
const WIDTHS = [92, 154, 185, 300, 342, 500, 780, 1280];

/** The listed ones, by kind. */
const KINDS: ReadonlyArray<readonly string[]> = Object.values(LISTED_SIZES);

/** Sizes that a missing one falls back to at most, `original` included. */
const MAX_FALLBACKS = 4;

/** Pixels in width. Only profiles, two thirds as wide as high, are listed by their height. */
function widthOf(size: string): number {
  const pixels = Number(size.slice(1));
  return size.startsWith("h") ? Math.round(pixels * 2 / 3) : pixels;
}

const ALL_WIDTHS: readonly number[] = [...new Set(KINDS.flat())].filter((size) => size.startsWith("w")).map(widthOf)
  .sort((a, b) => a - b);

/**
 * The size in an image path, and larger ones of the same file that it can be made from.
 *
 * @param path without duplicate slashes
 */
export function tmdbSize(path: string): SizedPicture | null {
  const [, base, side, digits, name] = PLAIN.exec(path) ?? [];
  if (base === undefined) return null;
  const pixels = Number(digits);
  if (side === "h") return { fit: { height: pixels }, larger: [`${base}original${name}`] };
  const sizes = [...WIDTHS.filter((width) => width > pixels).map((width) => `w${width}`), "original"];
  return { fit: { width: pixels }, larger: sizes.map((size) => base + size + name) };
}

/** The listed sizes of TMDB's pictures. Paths are without duplicate slashes and needless escapes; those with others are left alone. */
export const tmdbListedSizes: ListedSizes = { larger, bounded };

/** A path does not tell the kind of its picture: the sizes of all kinds that have the asked one count. */
function larger(path: string): readonly string[] {
  const [, base, side, digits, name] = path.includes("%") ? [] : PLAIN.exec(path) ?? [];
  if (base === undefined) return [];
  const asked = side! + digits!;
  const listing = KINDS.filter((sizes) => sizes.includes(asked));
  const sizes = new Set((listing.length > 0 ? listing : KINDS).flat());
  const nearest = [...sizes].filter((size) => widthOf(size) > widthOf(asked)).sort((a, b) => widthOf(a) - widthOf(b));
  return [...nearest.slice(0, MAX_FALLBACKS - 1), "original"].map((size) => base + size + name);
}

function bounded(path: string, maxWidth: number): string | null {
  const [, base, size, name] = path.includes("%") ? [] : SIZED.exec(path) ?? [];
  if (base === undefined || (size !== "original" && widthOf(size!) <= maxWidth)) return null;
  return `${base}${largestWithin(maxWidth)}${name}`;
}

/** The largest listed size that is not wider; the smallest one where all are. */
function largestWithin(maxWidth: number): string {
  return `w${ALL_WIDTHS.findLast((width) => width <= maxWidth) ?? ALL_WIDTHS[0]}`;
}
