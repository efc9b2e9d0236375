import assert from "node:assert/strict";
import { apiTags, tmdbDocuments, tmdbTarget, writtenTags } from "../../lib/upstream_type/_tmdb_targets.ts";
import type { PartedTarget } from "../../lib/upstream_type/type_traits.ts";
import { requestFor } from "./_requests.ts";

function read(target: string): PartedTarget | null {
  return tmdbDocuments.read(tmdbTarget(requestFor(target)));
}

/** Cuts a document of one target down to another; `null` where that is not to be. */
function cut(text: string, heldTarget: string, wantedTarget: string): string | null {
  const [held, wanted] = [read(heldTarget), read(wantedTarget)];
  if (held === null || wanted === null || !tmdbDocuments.mayCut(held, wanted)) return null;
  const body = tmdbDocuments.cut(new TextEncoder().encode(text), held, wanted);
  return body === null ? null : new TextDecoder().decode(body);
}

Deno.test("tmdbDocuments.read() takes parts out of a target", () => {
  const cases: [target: string, base: string, parts: string[]][] = [
    ["/3/movie/550", "/3/movie/550", []],
    ["/3/movie/550?append_to_response=", "/3/movie/550", []],
    ["/3/movie/550?append_to_response=images,credits", "/3/movie/550", ["credits", "images"]],
    ["/3/movie/550-fight-club?append_to_response=videos", "/3/movie/550-fight-club", ["videos"]],
    ["/3/tv/1?language=de&append_to_response=b,a&aa=1", "/3/tv/1?aa=1&language=de", ["a", "b"]],
    ["/3/tv/1/season/2/episode/3?append_to_response=season%2F1", "/3/tv/1/season/2/episode/3", ["season%2F1"]],
  ];
  for (const [target, base, parts] of cases) {
    assert.deepEqual(read(target), { base, parts }, target);
  }
});

Deno.test("tmdbDocuments.read() leaves alone what it is not sure of", () => {
  const targets = [
    "/3/movie/popular?append_to_response=credits",
    "/3/movie/550/credits",
    "/3/search/movie?query=a",
    "/3/company/1?append_to_response=images",
    "/4/list/1",
    "/3/Movie/550?append_to_response=credits",
    "/3/movie/550/?append_to_response=credits",
    "/3/movie/550?append_to_response=credits&append_to_response=images",
    "/3/movie/550?append_to_response%5B%5D=credits",
    "/3/movie/550?APPEND_TO_RESPONSE=credits",
    "/3/movie/550?append_to_response",
    `/3/movie/550?append_to_response=${Array.from({ length: 21 }, (_, index) => `p${index}`).join(",")}`,
  ];
  for (const target of targets) assert.equal(read(target), null, target);
  assert.equal(tmdbDocuments.read("/3/movie/550?"), null);
});

Deno.test("tmdbDocuments.cut() keeps every byte of what it serves", () => {
  const from = "/3/movie/550?append_to_response=credits,images,videos,watch/providers";
  const credits = '"cr\\u0065dits" :{"cast" : [ {"id":1.0e3,"name":"A \\"}, \\u00e9"} ]}';
  const text = `{ "id":550,\n "title":"\\"images\\":{}" , ${credits},"images":{"a":[]}  ,"videos" : [1,\t2],` +
    `"watch\\/providers":{"x":null} }\n`;
  const head = '{ "id":550,\n "title":"\\"images\\":{}"';
  const cases: [parts: string, expected: string][] = [
    ["", `${head} }\n`],
    ["credits", `${head} , ${credits} }\n`],
    ["images", `${head},"images":{"a":[]} }\n`],
    ["credits,videos", `${head} , ${credits}  ,"videos" : [1,\t2] }\n`],
    ["watch%2Fproviders,credits", `${head} , ${credits},"watch\\/providers":{"x":null} }\n`],
    ["credits,images,videos", text.replace(',"watch\\/providers":{"x":null}', "")],
  ];
  for (const [parts, expected] of cases) {
    const target = parts === "" ? "/3/movie/550" : `/3/movie/550?append_to_response=${parts}`;
    assert.equal(cut(text, from, target), expected, parts);
    assert.doesNotThrow(() => JSON.parse(expected));
  }
});

Deno.test("tmdbDocuments.cut() cuts nothing where the document is not what the target promises", () => {
  const from = "/3/movie/550?append_to_response=credits,images";
  const to = "/3/movie/550?append_to_response=credits";
  assert.equal(cut('{"id":1,"credits":{},"images":{}}', from, to), '{"id":1,"credits":{}}');
  const refused = [
    // A part is missing, there twice, or in the midst of the document, where it may be a member of its own.
    '{"id":1,"credits":{}}',
    '{"id":1,"images":1,"credits":{},"images":{}}',
    '{"id":1,"images":{},"title":"x","credits":{}}',
    '{"credits":{},"images":{},"id":1}',
    '{"images":{},"credits":{}}',
    // What is no JSON object at all.
    '[{"id":1,"credits":{},"images":{}}]',
    'callback({"id":1,"credits":{},"images":{}})',
    '{"id":1,"credits":{},"images":{}',
    '\ufeff{"id":1,"credits":{},"images":{}}',
    "",
  ];
  for (const text of refused) assert.equal(cut(text, from, to), null, text);
});

Deno.test("tmdbDocuments.cut() does not cut larger documents than are worth the time", () => {
  const padded = (bytes: number) => `{"id":"${"x".repeat(bytes)}","images":{}}`;
  const [from, to] = ["/3/movie/550?append_to_response=images", "/3/movie/550"];
  assert.notEqual(cut(padded(1_000), from, to), null);
  assert.equal(cut(padded(4 * 1024 * 1024), from, to), null);
});

Deno.test("tmdbDocuments.mayCut() cuts known parts of the path's own documents only", () => {
  const may = (held: string, wanted: string) => tmdbDocuments.mayCut(read(held)!, read(wanted)!);
  const append = "?append_to_response=";
  assert.equal(may(`/3/movie/1${append}credits,release_dates`, "/3/movie/1"), true);
  assert.equal(may(`/3/movie/1${append}credits,content_ratings`, `/3/movie/1${append}credits`), false);
  assert.equal(may(`/3/tv/1${append}credits,content_ratings`, `/3/tv/1${append}credits`), true);
  assert.equal(may(`/3/tv/1${append}credits,season/1`, `/3/tv/1${append}credits`), false);
  assert.equal(may(`/3/tv/1${append}credits,season/1`, `/3/tv/1${append}season/1`), true);
  assert.equal(may(`/3/movie/1${append}credits`, `/3/movie/1${append}credits`), false);
  assert.equal(may(`/3/movie/1${append}credits,images`, `/3/movie/1${append}videos`), false);
  assert.equal(may(`/3/movie/1${append}credits`, "/3/movie/2"), false);
  assert.equal(may(`/3/movie/1${append}credits&language=de`, "/3/movie/1"), false);
});

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
