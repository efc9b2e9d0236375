import assert from "node:assert/strict";
import { apiTags } from "../../lib/upstream_type/_tmdb_tags.ts";
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
