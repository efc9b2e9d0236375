import { artworkKinds, dimensions } from "./artwork.ts";
import { drawPicture } from "./poster.ts";

const MEDIA_TYPES: Readonly<Record<string, string>> = {
  jpg: "image/jpeg",
  png: "image/png",
  svg: "image/svg+xml",
  webp: "image/webp",
};

/** A picture as it goes out. */
export interface ImageAnswer {
  readonly contentType: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** Pictures drawn before, by name; drawing one takes milliseconds. */
const drawn = new Map<string, ImageAnswer>();
const DRAWN_LIMIT = 200;

/**
 * The picture at `/t/p/{size}/{id}.{extension}`; `null` where there is none. Like TMDB's edge it sends WebP to who accepts it,
 * whatever the extension says, and without `Vary`.
 */
export function answerImage(path: string, accept: string): ImageAnswer | null {
  const match = /^\/t\/p\/+([^/]+)\/+([A-Za-z0-9]{1,64})\.([a-z]{3,4})$/.exec(path);
  if (match === null) return null;
  const [, size, id, extension] = match as unknown as [string, string, string, string];
  const format = extension !== "svg" && accept.includes("image/webp") ? "webp" : extension;
  const name = `${size}/${id}.${format}`;
  const before = drawn.get(name);
  if (before !== undefined) return before;
  const image = draw(size, id, format);
  if (image === null) return null;
  if (drawn.size >= DRAWN_LIMIT) drawn.delete(drawn.keys().next().value!);
  drawn.set(name, image);
  return image;
}

function draw(size: string, id: string, format: string): ImageAnswer | null {
  const kind = artworkKinds.get(id);
  const contentType = MEDIA_TYPES[format];
  if (kind === undefined || contentType === undefined) return null;
  // Only a logo's original exists as SVG.
  if (format === "svg" && (kind !== "logo" || size !== "original")) return null;
  const shape = dimensions(kind, decodeURIComponent(size));
  if (shape === null) return null;
  const bytes = drawPicture(format, { width: shape[0], height: shape[1], seed: `${id}/${size}` });
  return bytes === null ? null : { contentType, bytes };
}
