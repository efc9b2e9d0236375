import { createHash } from "node:crypto";
import { films, people, series } from "./catalog.ts";

/** What an image shows; it decides the shape of the picture. */
export type ArtworkKind = "poster" | "backdrop" | "logo" | "profile" | "still";

/** Size tokens that `/3/configuration` lists, as TMDB does. Real clients use others too. */
export const listedSizes: Readonly<Record<ArtworkKind, readonly string[]>> = {
  backdrop: ["w300", "w780", "w1280", "original"],
  logo: ["w45", "w92", "w154", "w185", "w300", "w500", "original"],
  poster: ["w92", "w154", "w185", "w342", "w500", "w780", "original"],
  profile: ["w45", "w185", "h632", "original"],
  still: ["w92", "w185", "w300", "original"],
};

const originals: Readonly<Record<ArtworkKind, readonly [width: number, height: number]>> = {
  poster: [1000, 1500],
  backdrop: [1920, 1080],
  logo: [500, 200],
  profile: [800, 1200],
  still: [1280, 720],
};

/** The image id of an owner's picture: 27 letters and digits, always the same. */
export function artworkId(kind: ArtworkKind, owner: string): string {
  const digest = createHash("sha256").update(`${kind}:${owner}`).digest("base64");
  return digest.replaceAll(/[+/=]/g, "x").slice(0, 27);
}

/** `file_path` as the API names a picture; logos always say `.png`. */
export function filePath(kind: ArtworkKind, owner: string): string {
  return `/${artworkId(kind, owner)}.${kind === "logo" ? "png" : "jpg"}`;
}

/** Kind of every picture of the catalog, by image id. */
export const artworkKinds: ReadonlyMap<string, ArtworkKind> = new Map(allArtwork());

function* allArtwork(): Iterable<[id: string, kind: ArtworkKind]> {
  const titles = [...films.map((film) => `movie/${film.id}`), ...series.map((show) => `tv/${show.id}`)];
  for (const owner of titles) {
    for (const kind of ["poster", "backdrop", "logo", "still"] as const) yield [artworkId(kind, owner), kind];
  }
  for (const person of people) yield [artworkId("profile", `person/${person.id}`), "profile"];
}

/** Width and height in pixels of a picture at a size token; `null` for a token that names no size. */
export function dimensions(kind: ArtworkKind, size: string): readonly [width: number, height: number] | null {
  const [width, height] = originals[kind];
  if (size === "original") return [width, height];
  const box = /^w(\d{1,4})_and_h(\d{1,4})(?:_[a-z0-9_]+)?$/.exec(size);
  if (box !== null) return [bounded(Number(box[1])), bounded(Number(box[2]))];
  const side = /^([wh])(\d{1,4})(?:_filter\([a-z0-9,]+\))?$/.exec(size);
  if (side === null) return null;
  const length = bounded(Number(side[2]));
  if (side[1] === "w") return [length, bounded(Math.round(length * height / width))];
  return [bounded(Math.round(length * width / height)), length];
}

function bounded(length: number): number {
  return Math.min(2000, Math.max(1, length));
}
