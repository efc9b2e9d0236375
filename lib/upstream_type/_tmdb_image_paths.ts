import type { SizedPicture } from "./sized_pictures.ts";

const IMAGE = /([^/]{1,128})\/([A-Za-z0-9_-]{1,128})\.[A-Za-z0-9]{2,5}$/;

/** Tags of a request for an image: the picture in all sizes and formats (`img:<id>`), and the size (`size:w500`). */
export function imageTags(path: string): readonly string[] {
  const found = IMAGE.exec(path);
  return found === null ? [] : [`img:${found[2]}`, `size:${found[1]}`];
}

/** A width or a height alone; `w600_and_h900_bestv2` and filters are cut and coloured in ways that are TMDB's own. */
const PLAIN = /^(.*\/)(w|h)([1-9]\d{0,3})(\/[^/]+\.(?:jpe?g|png|webp))$/;

/** Widths that clients ask for, of all kinds of pictures together. */
const WIDTHS = [92, 154, 185, 300, 342, 500, 780, 1280];

/**
 * The size that an image path names, and the larger ones of the same file that it can be made of.
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
