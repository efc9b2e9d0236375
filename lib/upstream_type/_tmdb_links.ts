import type { DocumentLinks } from "./upstream_type.ts";

/** Where `/3/configuration` says that images are, for clients to put a size and a file's path behind. */
const CONFIGURATION = [["images", "base_url"], ["images", "secure_base_url"]];

/** The addresses of images in TMDB's documents. The other documents hold paths alone. */
export const tmdbLinks: DocumentLinks = {
  type: "tmdb-image",
  path: "/t/p",
  places: ({ path }) => path === "/3/configuration" || path === "/3/configuration/" ? CONFIGURATION : null,
};
