import { RouteTrie } from "./_route_trie.ts";
import type { RouteTtl } from "./upstream_type.ts";

/** One row of the table: paths that are treated alike. */
export interface TmdbRoute {
  /** Name of the route class. */
  readonly name: string;
  /** Patterns as {@linkcode RouteTrie} takes them. */
  readonly paths: readonly string[];
  /** Why no response on these paths is shared, in a word; `null` where `GET` and `HEAD` may be. */
  readonly private: string | null;
  /** Whether a 401 here can only be about the key; elsewhere a session may be missing. */
  readonly provesKey: boolean;
  readonly ttl: RouteTtl | null;
}

const SECOND_MS = 1000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

/** TMDB's terms let nothing be kept for more than six months; no lifetime with its stale windows is longer. */
export const MAX_KEPT_MS = 180 * DAY_MS;

/** `[fresh, stale while revalidated, stale when upstreams fail]`, both stale windows counted from the end of freshness. */
type Times = readonly [ttlMs: number, staleWhileRevalidateMs: number, staleIfErrorMs: number];

const CONFIGURATION: Times = [3 * DAY_MS, 4 * DAY_MS, 60 * DAY_MS];
const DETAILS: Times = [6 * HOUR_MS, 1 * DAY_MS, 60 * DAY_MS];
const FIND: Times = [1 * HOUR_MS, 6 * HOUR_MS, 30 * DAY_MS];
const LISTS: Times = [15 * MINUTE_MS, 1 * HOUR_MS, 7 * DAY_MS];
const SEARCH: Times = [10 * MINUTE_MS, 1 * HOUR_MS, 7 * DAY_MS];
const CHANGES: Times = [30 * SECOND_MS, 30 * SECOND_MS, 1 * HOUR_MS];

/** Times of an image; its path names its content, which never changes. */
export const IMAGE_TTL: RouteTtl = ttl([120 * DAY_MS, 30 * DAY_MS, 60 * DAY_MS]);

const TITLE_PARTS = "{alternative_titles,credits,external_ids,images,keywords,lists,recommendations,reviews,similar," +
  "translations,videos}";
const SEASON_PARTS = "{aggregate_credits,credits,external_ids,images,translations,videos}";
const SEASON = "/3/tv/*/season/*";
const EPISODE = "/3/tv/*/season/*/episode/*";

/**
 * TMDB's known paths. Others are passed on and never shared: TMDB may add paths with user state, and a miss does less harm than a
 * leak.
 */
export const tmdbRoutes: readonly TmdbRoute[] = [
  shared("configuration", CONFIGURATION, [
    "/3/configuration",
    "/3/configuration/{countries,jobs,languages,primary_translations,timezones}",
    "/3/genre/{movie,tv}/list",
    "/3/certification/{movie,tv}/list",
    "/3/watch/providers/{movie,tv,regions}",
  ]),
  shared("details", DETAILS, [
    "/3/movie/*",
    `/3/movie/*/${TITLE_PARTS}`,
    "/3/movie/*/release_dates",
    "/3/{movie,tv}/*/watch/providers",
    "/3/tv/*",
    `/3/tv/*/${TITLE_PARTS}`,
    "/3/tv/*/{aggregate_credits,content_ratings,episode_groups,screened_theatrically}",
    "/3/tv/episode_group/*",
    SEASON,
    `${SEASON}/${SEASON_PARTS}`,
    `${SEASON}/watch/providers`,
    EPISODE,
    `${EPISODE}/{credits,external_ids,images,translations,videos}`,
    "/3/person/*",
    "/3/person/*/{combined_credits,external_ids,images,movie_credits,tagged_images,translations,tv_credits}",
    "/3/collection/*",
    "/3/collection/*/{images,translations}",
    "/3/{company,network}/*",
    "/3/{company,network}/*/{alternative_names,images}",
    "/3/{credit,keyword,review}/*",
  ]),
  shared("find", FIND, ["/3/find/*"]),
  shared("lists", LISTS, [
    "/3/movie/{now_playing,popular,top_rated,upcoming}",
    "/3/tv/{airing_today,on_the_air,popular,top_rated}",
    "/3/person/popular",
    "/3/keyword/*/movies",
  ]),
  shared("search", SEARCH, ["/3/search/{collection,company,keyword,movie,multi,person,tv}"]),
  shared("discover", SEARCH, ["/3/discover/{movie,tv}"]),
  shared("trending", SEARCH, ["/3/trending/{all,movie,person,tv}/{day,week}"]),
  shared("changes", CHANGES, [
    "/3/{movie,person,tv}/{changes,latest}",
    "/3/{movie,person,tv}/*/changes",
    "/3/tv/{episode,season}/*/changes",
  ]),
  // A list can be its owner's alone, and then a 401 is about the user.
  { ...shared("user_list", LISTS, ["/3/list/*", "/4/list/*"]), provesKey: false },
  unshared("mutating_get", "mutating-get", [
    "/3/authentication/token/new",
    "/3/authentication/guest_session/new",
    "/4/list/*/clear",
  ]),
  unshared("user_state", "user-state", [
    "/3/account/**",
    "/3/authentication/**",
    "/3/guest_session/**",
    "/3/{movie,tv}/*/{account_states,rating}",
    `${SEASON}/{account_states,rating}`,
    `${EPISODE}/{account_states,rating}`,
    "/3/list",
    "/3/list/*/{add_item,remove_item,clear,item_status}",
    "/4/account/**",
    "/4/auth/**",
    "/4/list",
    "/4/list/*/{items,item_status}",
  ]),
];

/** The class of a path that the table does not know. */
export const unlistedRoute: TmdbRoute = unshared("other", "unlisted-path", []);

function shared(name: string, times: Times, paths: readonly string[]): TmdbRoute {
  return { name, paths, private: null, provesKey: true, ttl: ttl(times) };
}

function unshared(name: string, reason: string, paths: readonly string[]): TmdbRoute {
  return { name, paths, private: reason, provesKey: false, ttl: null };
}

function ttl([ttlMs, staleWhileRevalidateMs, staleIfErrorMs]: Times): RouteTtl {
  return Object.freeze({ ttlMs, staleWhileRevalidateMs, staleIfErrorMs });
}

const trie = new RouteTrie<TmdbRoute>();
for (const route of tmdbRoutes) for (const path of route.paths) trie.add(path, route);

/** Spellings that an upstream may normalise: escapes, empty segments, formats, parameters, case. */
const NEEDS_CARE = /[%.;\\A-Z]|\/\/|\/$/;

/** The route of a raw path. */
export function findTmdbRoute(path: string): TmdbRoute {
  return trie.match(tmdbSegments(path)) ?? unlistedRoute;
}

/** The segments of a raw path as {@linkcode findTmdbRoute} reads them. */
export function tmdbSegments(path: string): readonly string[] {
  return NEEDS_CARE.test(path) ? carefulSegments(path) : path.split("/").slice(1);
}

/** Segments as the most lenient upstream reads them: decoded, in lower case, without empty ones, formats and parameters. */
function carefulSegments(path: string): string[] {
  const decoded = decodeBytes(path).toLowerCase().replaceAll("\\", "/");
  return decoded.split("/").map((segment) => segment.replace(/[.;].*$/s, "")).filter((segment) => segment !== "");
}

/** Decodes escapes to one character a byte: enough to recognise ASCII words; never throws. */
export function decodeBytes(text: string): string {
  if (!text.includes("%")) return text;
  return text.replace(/%([0-9a-f]{2})/gi, (_, hex) => String.fromCharCode(parseInt(hex, 16)));
}
