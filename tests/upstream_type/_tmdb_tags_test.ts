import assert from "node:assert/strict";
import { apiTags, writtenTags } from "../../lib/upstream_type/_tmdb_tags.ts";
import { requestFor } from "./_requests.ts";

const CASES: ReadonlyArray<readonly [target: string, tags: readonly string[]]> = [
  ["/3/movie/550", ["class:details", "movie:550"]],
  ["/3/movie/550-fight-club/credits?api_key=k&language=de", ["class:details", "movie:550", "lang:de"]],
  ["/3/tv/1399/season/1/episode/2?language=pt-BR", ["class:details", "tv:1399", "lang:pt", "lang:pt-br"]],
  ["/3/person/1?l%61nguage=en%2DUS", ["class:details", "person:1", "lang:en", "lang:en-us"]],
  ["/3/movie/popular?page=2", ["class:lists"]],
  ["/3/movie/changes", ["class:changes"]],
  ["/3/tv/episode_group/5acf93e60e0a26346d0000ce", ["class:details", "episode_group:5acf93e60e0a26346d0000ce"]],
  ["/3/find/tt0137523?external_source=imdb_id", ["class:find", "find:tt0137523"]],
  ["/3/search/movie?query=550&language=xx/../..", ["class:search"]],
  ["/3//MOVIE/550.json", ["class:details", "movie:550"]],
  ["/3/configuration", ["class:configuration"]],
];

Deno.test("apiTags() names what a response is about, its language and its class", () => {
  for (const [target, tags] of CASES) assert.deepEqual(apiTags(requestFor(target)), tags, target);
});

Deno.test("writtenTags() names what a request changes, by the ids in its path", () => {
  const cases: ReadonlyArray<readonly [method: string, target: string, tags: readonly string[]]> = [
    ["POST", "/3/list/5/add_item?session_id=s", ["list:5"]],
    ["POST", "/3/list/5/remove_item?session_id=s", ["list:5"]],
    ["POST", "/3/list/5/clear?session_id=s&confirm=true", ["list:5"]],
    ["DELETE", "/3/list/5?session_id=s", ["list:5"]],
    ["PUT", "/4/list/5", ["list:5"]],
    ["POST", "/4/list/5/items", ["list:5"]],
    ["PUT", "/4/list/5/items", ["list:5"]],
    ["DELETE", "/4/LIST/5//items", ["list:5"]],
    ["GET", "/4/list/5/clear", ["list:5"]],
    ["POST", "/3/list/5/what_tmdb_adds_one_day", ["list:5"]],
    // What these change is no shared response.
    ["POST", "/3/list?session_id=s", []],
    ["POST", "/4/list", []],
    ["POST", "/3/movie/550/rating?guest_session_id=g&language=de", []],
    ["POST", "/3/tv/1399/season/1/episode/2/rating?session_id=s", []],
    ["POST", "/3/account/1/favorite?session_id=s", []],
    ["POST", "/3/account/1/watchlist?session_id=s", []],
    ["DELETE", "/3/authentication/session", []],
    ["GET", "/3/authentication/token/new", []],
    ["GET", "/3/list/5", []],
    ["HEAD", "/4/list/5", []],
    ["OPTIONS", "/3/list/5", []],
    ["GET", "/3/movie/550", []],
    // Nobody writes there.
    ["POST", "/3/movie/550", []],
    ["PUT", "/3/tv/1399/season/1?language=de", []],
    ["DELETE", "/3/person/1/images", []],
    ["POST", "/3/movie/550/what_tmdb_adds_one_day", []],
  ];
  for (const [method, target, tags] of cases) {
    assert.deepEqual(writtenTags({ ...requestFor(target), method, header: () => null }), tags, `${method} ${target}`);
  }
});
