import assert from "node:assert/strict";
import { isEpisodePlaceholder, isSeasonPlaceholder } from "../../lib/upstream_type/_tmdb_languages.ts";
import { tmdbLanguages } from "../../lib/upstream_type/_tmdb_fill.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const text = (document: Uint8Array) => new TextDecoder().decode(document);

/** The plan for a target, filled from these languages. */
function planFor(target: string, languages: readonly string[] = ["zh-TW", "en-US"]) {
  const [path = "", query = ""] = target.split("?");
  return tmdbLanguages.plan({ path, query }, languages);
}

Deno.test("tmdbLanguages plans for documents of titles, seasons, episodes, people and collections, and for no list", () => {
  const paths = [
    "/3/movie/1",
    "/3/movie/1-a",
    "/3/tv/1",
    "/3/tv/1/season/0",
    "/3/tv/1/season/1/episode/2",
    "/3/person/1",
  ];
  for (const path of [...paths, "/3/collection/1"]) assert.notEqual(planFor(`${path}?language=de`), null, path);
  const others = [
    "/3/movie/popular",
    "/3/movie/1/credits",
    "/3/tv/1/season/x",
    "/3/search/movie",
    "/4/list/1",
    "/3/tv/1/",
  ];
  for (const path of others) assert.equal(planFor(`${path}?language=de`), null, path);
});

Deno.test("tmdbLanguages fills from the languages behind the asked one, from all for one that is not listed", () => {
  assert.equal(planFor("/3/movie/1"), null);
  assert.equal(planFor("/3/movie/1?language="), null);
  assert.equal(planFor("/3/movie/1?language=en"), null);
  assert.equal(planFor("/3/movie/1?language=x"), null);
  assert.equal(planFor("/3/movie/1?language=zh-TW")!.name, "zh-TW en-US");
  assert.equal(planFor("/3/movie/1?language=zh")!.name, "zh zh-TW,en-US");
  assert.equal(planFor("/3/movie/1?l%61nguage=de%2DDE")!.name, "de-DE zh-TW,en-US");
});

Deno.test("tmdbLanguages asks for parts with the client's key, under its own spelling, and with no other parameter", () => {
  const plan = planFor("/3/person/1?api_key=abc&language=de-DE&append_to_response=images&region=DE", ["en-US"])!;
  assert.deepEqual(plan.fill(bytes('{"biography":""}'), [])!.next, [
    "api_key=abc&append_to_response=translations&language=de-DE",
    "api_key=abc&append_to_response=translations&language=en-US",
    "api_key=abc&append_to_response=translations",
  ]);
  const season = planFor("/3/tv/1/season/1?API_KEY=abc&language=de", ["en-US"])!;
  assert.deepEqual(season.fill(bytes('{"overview":null}'), [])!.next, ["API_KEY=abc", "API_KEY=abc&language=en-US"]);
});

Deno.test("tmdbLanguages asks for one part of a title's details, whatever that leaves open", () => {
  const plan = planFor("/3/movie/1?language=de")!;
  const document = bytes('{"overview":"","tagline":""}');
  assert.notEqual(plan.fill(document, [])!.next, null);
  for (const part of ["", "[]", "{}", '{"translations":{"translations":{}}}']) {
    const { next, filled, document: same } = plan.fill(document, [bytes(part)])!;
    assert.deepEqual([next, filled], [null, []]);
    assert.equal(same, document);
  }
});

Deno.test("tmdbLanguages writes texts as TMDB has written them, and adds no member", () => {
  const part = bytes(
    '{"translations":{"translations":[{"iso_3166_1":"US","iso_639_1":"en","data":{"overview":"a\\u00e9\\/b","tagline":"x"}}]}}',
  );
  const plan = planFor("/3/movie/1?language=de", ["en"])!;
  const { document, filled } = plan.fill(bytes('{ "overview" : "" , "vote":7.0}'), [part])!;
  assert.equal(text(document), '{ "overview" : "a\\u00e9\\/b" , "vote":7.0}');
  assert.deepEqual(filled, ["overview (en)"]);
});

Deno.test("tmdbLanguages takes nothing but texts for texts: other values are no holes, and fill none", () => {
  const filled = (target: string, document: string, part: string) =>
    text(planFor(target, ["en"])!.fill(bytes(document), [bytes(part)])!.document);
  const movie = "/3/movie/1?language=de";
  const posters = (paths: string) => `{"images":{"posters":[${paths}]}}`;
  const poster = (path: string) => `{"iso_639_1":"en","file_path":${path}}`;
  for (const path of ["null", "{}", "7", '""']) {
    assert.equal(filled(movie, '{"poster_path":null}', posters(poster(path))), '{"poster_path":null}', path);
  }
  assert.equal(
    filled(movie, '{"poster_path":null}', posters(`${poster("[]")},${poster('"/a.jpg"')}`)),
    '{"poster_path":"/a.jpg"}',
  );
  const season = "/3/tv/1/season/0?language=de";
  const part =
    '{"season_number":0,"name":"N","overview":"O","episodes":[{"episode_number":1,"name":"A"},{"name":"B"}]}';
  for (const odd of ["{}", "[1]", "7", "false"]) {
    const document =
      `{"season_number":0,"name":${odd},"overview":${odd},"episodes":[{"episode_number":1,"name":${odd}},{"name":""}]}`;
    assert.equal(filled(season, document, part), document);
    const hole = '{"season_number":0,"name":""}';
    assert.equal(filled(season, hole, `{"season_number":0,"name":${odd}}`), hole);
  }
  const nulls = '{"season_number":0,"name":null,"episodes":[{"episode_number":10e-1,"name":null}]}';
  assert.equal(
    filled(season, nulls, part),
    '{"season_number":0,"name":"N","episodes":[{"episode_number":10e-1,"name":"A"}]}',
  );
});

Deno.test("tmdbLanguages fills many episodes, and says how many in a few words", () => {
  const episodes = (name: (number: number) => string) =>
    bytes(JSON.stringify({
      season_number: 1,
      name: "One",
      episodes: Array.from(
        { length: 3_000 },
        (_, at) => ({ episode_number: at + 1, name: name(at + 1), overview: "-" }),
      ),
    }));
  const plan = planFor("/3/tv/1/season/1?language=de", ["en"])!;
  const { document, filled, next } = plan.fill(episodes((at) => `Folge ${at}`), [episodes((at) => `Real ${at}`)])!;
  assert.deepEqual([filled, next], [["2000 episode names (en)"], null]);
  assert.equal(JSON.parse(text(document)).episodes[1_999].name, "Real 2000");
  assert.equal(JSON.parse(text(document)).episodes[2_000].name, "Folge 2001");
});

Deno.test("placeholders of episodes and seasons are known by their number and the words around it", () => {
  for (
    const name of [
      "Episode 5",
      "第 5 集",
      "第5話",
      "Épisode 5",
      "Folge 5",
      "5. rész",
      "5화",
      "Эпизод 5",
      "Tập 5",
      " episode 5 ",
    ]
  ) {
    assert.ok(isEpisodePlaceholder(name, 5), name);
    assert.ok(!isEpisodePlaceholder(name, 6), name);
  }
  for (const name of ["Chapter 5", "5", "Episode 5: The End", "Episode V", "第 5 章", "Apollo 5", ""]) {
    assert.ok(!isEpisodePlaceholder(name, 5), name);
  }
  for (
    const name of ["Season 2", "第 2 季", "Staffel 2", "Saison 2", "Temporada 2", "시즌 2", "2. évad", "シーズン2"]
  ) {
    assert.ok(isSeasonPlaceholder(name, 2), name);
  }
  for (const name of ["Book 2", "Season Two", "Miniseries", "第 2 部分"]) {
    assert.ok(!isSeasonPlaceholder(name, 2), name);
  }
});
