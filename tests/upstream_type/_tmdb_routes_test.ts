import assert from "node:assert/strict";
import { decodeBytes, findTmdbRoute, MAX_KEPT_MS, tmdbRoutes } from "../../lib/upstream_type/_tmdb_routes.ts";

/** Paths of TMDB's reference, and the class each has to be of. */
const CLASSES: Readonly<Record<string, readonly string[]>> = {
  configuration: [
    "/3/configuration",
    "/3/configuration/languages",
    "/3/genre/movie/list",
    "/3/certification/tv/list",
    "/3/watch/providers/regions",
  ],
  details: [
    "/3/movie/550",
    "/3/movie/550-fight-club",
    "/3/movie/550/credits",
    "/3/movie/550/release_dates",
    "/3/movie/550/watch/providers",
    "/3/tv/1399",
    "/3/tv/1399/aggregate_credits",
    "/3/tv/1399/content_ratings",
    "/3/tv/1399/episode_groups",
    "/3/tv/episode_group/5acf93e60e0a26346d0000ce",
    "/3/tv/1399/season/1",
    "/3/tv/1399/season/1/credits",
    "/3/tv/1399/season/1/watch/providers",
    "/3/tv/1399/season/1/episode/2",
    "/3/tv/1399/season/1/episode/2/images",
    "/3/person/287",
    "/3/person/287/combined_credits",
    "/3/collection/10/translations",
    "/3/company/1/images",
    "/3/network/49",
    "/3/keyword/825",
    "/3/credit/52fe4250c3a36847f80149f3",
    "/3/review/5",
  ],
  find: ["/3/find/tt0137523"],
  lists: ["/3/movie/popular", "/3/movie/now_playing", "/3/tv/on_the_air", "/3/person/popular", "/3/keyword/825/movies"],
  search: ["/3/search/movie", "/3/search/multi", "/3/search/keyword"],
  discover: ["/3/discover/movie", "/3/discover/tv"],
  trending: ["/3/trending/all/day", "/3/trending/person/week"],
  changes: [
    "/3/movie/changes",
    "/3/tv/latest",
    "/3/movie/550/changes",
    "/3/tv/season/3624/changes",
    "/3/tv/episode/63056/changes",
  ],
  user_list: ["/3/list/28", "/4/list/28"],
  mutating_get: ["/3/authentication/token/new", "/3/authentication/guest_session/new", "/4/list/28/clear"],
  user_state: [
    "/3/account",
    "/3/account/1/rated/movies",
    "/3/account/1/favorite",
    "/3/authentication",
    "/3/authentication/session/new",
    "/3/authentication/token/validate_with_login",
    "/3/guest_session/0123/rated/movies",
    "/3/movie/550/account_states",
    "/3/tv/1399/account_states",
    "/3/movie/550/rating",
    "/3/tv/1399/rating",
    "/3/tv/1399/season/1/account_states",
    "/3/tv/1399/season/1/episode/2/account_states",
    "/3/tv/1399/season/1/episode/2/rating",
    "/3/list",
    "/3/list/28/add_item",
    "/3/list/28/remove_item",
    "/3/list/28/clear",
    "/3/list/28/item_status",
    "/4/account/5d1f/movie/recommendations",
    "/4/auth/request_token",
    "/4/auth/access_token",
    "/4/list",
    "/4/list/28/items",
    "/4/list/28/item_status",
  ],
  other: [
    "/",
    "/3",
    "/4",
    "/5/movie/550",
    "/3/me",
    "/3/movie",
    "/3/movie/550/notes_of_mine",
    "/3/movie/550/credits/more",
  ],
};

Deno.test("findTmdbRoute() knows TMDB's paths", () => {
  for (const [name, paths] of Object.entries(CLASSES)) {
    for (const path of paths) assert.equal(findTmdbRoute(path).name, name, path);
  }
});

Deno.test("findTmdbRoute() keeps every private path private however it is spelled", () => {
  for (const path of [...CLASSES.user_state!, ...CLASSES.mutating_get!]) {
    const escaped = path.replaceAll(/[a-z]/g, (letter) => `%${letter.charCodeAt(0).toString(16)}`);
    const spellings = [
      `${path}/`,
      path.replaceAll("/", "//"),
      path.replaceAll("/", "/./"),
      path.toUpperCase(),
      escaped,
      path.replaceAll("/", "%2F").replace("%2F", "/"),
      path.replaceAll("/", "\\").replace("\\", "/"),
      `${path}.json`,
      `${path};v=1`,
    ];
    for (const spelling of spellings) assert.notEqual(findTmdbRoute(spelling).private, null, spelling);
  }
});

Deno.test("findTmdbRoute() finds public paths in other spellings", () => {
  assert.equal(findTmdbRoute("/3//movie/550/").name, "details");
  assert.equal(findTmdbRoute("/3/%6dovie/popular").name, "lists");
});

Deno.test("tmdbRoutes keep nothing longer than the terms allow, and give times to what is shared alone", () => {
  for (const { name, ttl, private: reason } of tmdbRoutes) {
    assert.equal(ttl === null, reason !== null, name);
    if (ttl === null) continue;
    assert.ok(ttl.ttlMs >= 30_000 && ttl.staleWhileRevalidateMs >= 30_000, name);
    assert.ok(ttl.staleIfErrorMs >= ttl.staleWhileRevalidateMs, name);
    assert.ok(ttl.ttlMs + ttl.staleIfErrorMs <= MAX_KEPT_MS, name);
  }
});

Deno.test("decodeBytes() decodes each escape once and leaves broken ones", () => {
  assert.equal(decodeBytes("%61%2561%zz%"), "a%61%zz%");
});
