import { canonicalText } from "./_canonical_query.ts";
import { findTmdbRoute, tmdbSegments } from "./_tmdb_routes.ts";
import type { TypedRequest } from "./upstream_type.ts";

/** What follows these in a path is an id; the tag is the word, a colon and the id. */
const KINDS: ReadonlySet<string> = new Set([
  ...["movie", "tv", "person", "collection", "company", "network", "keyword", "credit", "review", "list", "find"],
  "episode_group",
]);
const ID = /^[a-z0-9]{1,64}/;
const LANGUAGE = /^([a-z]{2,3})(?:-[a-z]{2,4})?$/i;

/**
 * Tags of a request to TMDB's API: what it is about (`movie:550`, `tv:1399`, `person:1`), its language (`lang:de` and `lang:de-de`) and
 * its route class (`class:search`).
 */
export function apiTags(request: TypedRequest): readonly string[] {
  const route = findTmdbRoute(request.path);
  const tags = [`class:${route.name}`];
  const segments = tmdbSegments(request.path);
  const at = segments[1] === "tv" && segments[2] === "episode_group" ? 2 : 1;
  const id = ID.exec(segments[at + 1] ?? "")?.[0];
  if (id !== undefined && KINDS.has(segments[at]!) && isId(segments[at]!, id)) tags.push(`${segments[at]}:${id}`);
  const language = LANGUAGE.exec(languageOf(request.query));
  if (language !== null) {
    tags.push(`lang:${language[1]!.toLowerCase()}`);
    if (language[0].length > language[1]!.length) tags.push(`lang:${language[0].toLowerCase()}`);
  }
  return tags;
}

/** Titles and people have numbers; what stands there else (`popular`, `changes`) is a list. */
function isId(kind: string, id: string): boolean {
  return ["credit", "review", "find", "episode_group", "list"].includes(kind) ? /\d/.test(id) : /^\d+$/.test(id);
}

function languageOf(query: string): string {
  for (const pair of query.split("&")) {
    const equals = pair.indexOf("=");
    if (equals > 0 && canonicalText(pair.slice(0, equals)) === "language") return canonicalText(pair.slice(equals + 1));
  }
  return "";
}

/**
 * Purge tags of what a request changes, if it is answered well: those of the list in its path. Ratings purge nothing: what a user sees of
 * an own rating is never stored, and one vote changes a title's average less than the whole world's do while it is fresh; each would
 * cost every copy of the title. A method that changes something counts on lists alone: nobody writes to titles, and a mirror that
 * answers `POST` as `GET` would let anyone purge them.
 */
export function writtenTags(request: TypedRequest): readonly string[] {
  const isWritten = CHANGING.has(request.method) || findTmdbRoute(request.path).private === "mutating-get";
  return isWritten ? apiTags(request).filter((tag) => tag.startsWith("list:")) : [];
}

const CHANGING: ReadonlySet<string> = new Set(["DELETE", "PATCH", "POST", "PUT"]);
