import { type JsonMember, jsonMembers } from "../http/json_members.ts";
import { mergePatched } from "../http/json_merge.ts";
import { canonicalQuery, canonicalText } from "./_canonical_query.ts";
import { findTmdbRoute, tmdbSegments } from "./_tmdb_routes.ts";
import type { PartedDocuments, PartedTarget } from "./type_traits.ts";
import type { TypedRequest } from "./upstream_type.ts";

const APPEND = "append_to_response";
/** TMDB refuses more than 20 parts. */
const MAX_PARTS = 20;
/** Larger documents are not cut: 4 MiB take some 20 milliseconds. */
const MAX_BYTES = 4 * 1024 * 1024;

const ID = "/\\d+(?:-[^/?]*)?";
const TITLE = "alternative_titles,changes,credits,external_ids,images,keywords,lists,recommendations,reviews,similar," +
  "translations,videos,watch/providers";

/**
 * Parts that TMDB appends under their own name, and that are no members of the document itself. Only these are cut out; others
 * stay: `season/1`, `account_states`, and any that TMDB adds.
 */
const PARTS: ReadonlyArray<readonly [path: RegExp, parts: ReadonlyMap<string, string>]> = [
  documents(`/3/movie${ID}`, `${TITLE},release_dates`),
  documents(`/3/tv${ID}`, `${TITLE},aggregate_credits,content_ratings,episode_groups,screened_theatrically`),
  documents(`/3/tv${ID}/season/\\d+`, "aggregate_credits,credits,external_ids,images,translations,videos"),
  documents(`/3/tv${ID}/season/\\d+/episode/\\d+`, "credits,external_ids,images,translations,videos"),
  documents(
    `/3/person${ID}`,
    "changes,combined_credits,external_ids,images,movie_credits,tagged_images,translations,tv_credits",
  ),
  documents(`/3/collection${ID}`, "images,translations"),
];

function documents(path: string, parts: string): readonly [RegExp, ReadonlyMap<string, string>] {
  return [new RegExp(`^${path}$`), new Map(parts.split(",").map((name) => [canonicalText(name), name]))];
}

/** Parts that may be cut, by their spelling in a key; `null` on other paths. */
function cuttable(base: string): ReadonlyMap<string, string> | null {
  const path = base.split("?", 1)[0]!;
  return PARTS.find(([pattern]) => pattern.test(path))?.[1] ?? null;
}

/** The part of a cache key that a request's target gives. */
export function tmdbTarget({ path, query }: TypedRequest): string {
  const canonical = canonicalQuery(query);
  return canonical === "" ? path : `${path}?${canonical}`;
}

/** How `append_to_response` makes documents of TMDB's API out of parts. */
export const tmdbDocuments: PartedDocuments = { read, mayCut, cut };

function read(target: string): PartedTarget | null {
  const start = target.indexOf("?");
  if (start < 0) return cuttable(target) === null ? null : { base: target, parts: [] };
  const path = target.slice(0, start);
  const pairs = target.slice(start + 1).split("&");
  const appending = pairs.filter((pair) => pair.toLowerCase().startsWith(APPEND));
  const value = appending.length === 0 ? "" : valueOf(appending);
  if (value === null || cuttable(path) === null || pairs.includes("")) return null;
  const others = pairs.filter((pair) => !appending.includes(pair));
  const parts = value === "" ? [] : value.split(",");
  if (parts.length > MAX_PARTS) return null;
  return { base: others.length === 0 ? path : `${path}?${others.join("&")}`, parts };
}

/** The list of parts; `null` where it is given twice, or by a name that upstreams may treat differently. */
function valueOf(appending: readonly string[]): string | null {
  const [pair = "", second] = appending;
  return second === undefined && pair.startsWith(`${APPEND}=`) ? pair.slice(APPEND.length + 1) : null;
}

/** All wanted parts are held, and all surplus ones can be cut. */
function mayCut(held: PartedTarget, wanted: PartedTarget): boolean {
  if (held.base !== wanted.base || held.parts.length <= wanted.parts.length) return false;
  const known = cuttable(held.base);
  return known !== null && wanted.parts.every((part) => held.parts.includes(part)) &&
    held.parts.every((part) => wanted.parts.includes(part) || known.has(part));
}

function cut(body: Uint8Array<ArrayBuffer>, held: PartedTarget, wanted: PartedTarget): Uint8Array<ArrayBuffer> | null {
  const known = cuttable(held.base);
  const members = body.byteLength > MAX_BYTES ? null : jsonMembers(body);
  if (known === null || members === null) return null;
  const unwanted = new Set(held.parts.filter((part) => !wanted.parts.includes(part)).map((part) => known.get(part)!));
  const isCertain = isAppended(members, new Set(held.parts.map((part) => known.get(part) ?? decoded(part)))) &&
    holdsOnce(members, unwanted);
  return isCertain ? mergePatched(body, Object.fromEntries([...unwanted].map((name) => [name, null]))) : null;
}

/** The name of a part's member. */
function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** Whether the parts come last: one among the document's own members may be a member of the same name. */
function isAppended(members: readonly JsonMember[], parts: ReadonlySet<string>): boolean {
  const first = members.findIndex(({ name }) => parts.has(name));
  return first > 0 && members.slice(first).every(({ name }) => parts.has(name));
}

/** Whether each of them is present once. A missing part means that the document is not what its target promises. */
function holdsOnce(members: readonly JsonMember[], names: ReadonlySet<string>): boolean {
  const found = members.filter(({ name }) => names.has(name));
  return found.length === names.size && new Set(found.map(({ name }) => name)).size === names.size;
}

/** Segments that an id follows; the tag is the segment, a colon and the id. */
const KINDS: ReadonlySet<string> = new Set([
  ...["movie", "tv", "person", "collection", "company", "network", "keyword", "credit", "review", "list", "find"],
  "episode_group",
]);
const ID_START = /^[a-z0-9]{1,64}/;
const LANGUAGE = /^([a-z]{2,3})(?:-[a-z]{2,4})?$/i;

/**
 * Tags of a request to TMDB's API: what it is about (`movie:550`, `tv:1399`, `person:1`), its language (`lang:de` and
 * `lang:de-de`) and its route class (`class:search`).
 */
export function apiTags(request: TypedRequest): readonly string[] {
  const route = findTmdbRoute(request.path);
  const tags = [`class:${route.name}`];
  const segments = tmdbSegments(request.path);
  const at = segments[1] === "tv" && segments[2] === "episode_group" ? 2 : 1;
  const id = ID_START.exec(segments[at + 1] ?? "")?.[0];
  if (id !== undefined && KINDS.has(segments[at]!) && isId(segments[at]!, id)) tags.push(`${segments[at]}:${id}`);
  const language = LANGUAGE.exec(languageOf(request.query));
  if (language !== null) {
    tags.push(`lang:${language[1]!.toLowerCase()}`);
    if (language[0].length > language[1]!.length) tags.push(`lang:${language[0].toLowerCase()}`);
  }
  return tags;
}

/** Ids of titles and people are numbers; other words in that place (`popular`, `changes`) are lists. */
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
 * Purge tags of the list that a request changes. Ratings purge nothing: a user's own rating is never stored, and one vote hardly
 * moves an average, while it would cost every copy of the title. Changing methods count on lists only: clients do not write to
 * titles, and on a mirror that answers `POST` as `GET` anyone could purge them.
 */
export function writtenTags(request: TypedRequest): readonly string[] {
  const isWritten = CHANGING.has(request.method) || findTmdbRoute(request.path).private === "mutating-get";
  return isWritten ? apiTags(request).filter((tag) => tag.startsWith("list:")) : [];
}

const CHANGING: ReadonlySet<string> = new Set(["DELETE", "PATCH", "POST", "PUT"]);
