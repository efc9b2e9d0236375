import assert from "node:assert/strict";
import { artworkId } from "./artwork.ts";
import { demoApiKey, startTmdbOrigin, type TmdbOrigin } from "./tmdb_origin.ts";
import { demoToken } from "./tmdb_accounts.ts";

const key = `api_key=${demoApiKey}`;

async function withOrigin(body: (origin: TmdbOrigin) => Promise<void>): Promise<void> {
  const origin = await startTmdbOrigin();
  try {
    await body(origin);
  } finally {
    await origin.close();
  }
}

/** Status and TMDB code of a request to the origin. */
async function code(origin: TmdbOrigin, target: string, init?: RequestInit): Promise<[number, number]> {
  const response = await fetch(origin.url + target, init);
  return [response.status, (await response.json()).status_code];
}

Deno.test("startTmdbOrigin() serves details with appended parts and exact numbers", () =>
  withOrigin(async (origin) => {
    const film = await fetch(`${origin.url}/3/movie/550?${key}&append_to_response=credits,images`);
    const details = await film.json();
    assert.equal(details.title, "Fight Club");
    assert.equal(details.credits.cast.length, 6);
    assert.ok(details.images.posters[0].file_path.endsWith(".jpg"));
    const exact = await (await fetch(`${origin.url}/3/movie/9000001?${key}`)).text();
    assert.match(exact, /"vote_average":7\.0,/);
    assert.match(exact, /"revenue":9007199254740993[,}]/);
    const show = await (await fetch(`${origin.url}/3/tv/1399?${key}&language=zh-CN`)).json();
    assert.equal(show.name, "权力的游戏");
  }));

Deno.test("startTmdbOrigin() answers errors with TMDB's status and code", () =>
  withOrigin(async (origin) => {
    const many = Array.from({ length: 21 }, (_, index) => `p${index}`).join(",");
    assert.deepEqual(await code(origin, "/3/movie/550"), [401, 7]);
    assert.deepEqual(await code(origin, `/3/movie/1?${key}`), [404, 34]);
    assert.deepEqual(await code(origin, `/3/movie/popular?${key}&page=501`), [400, 22]);
    assert.deepEqual(await code(origin, `/3/movie/550?${key}&append_to_response=${many}`), [400, 27]);
    assert.deepEqual(await code(origin, `/3/movie/550?${key}`, { method: "PUT" }), [405, 42]);
    origin.keys.set(demoApiKey, "suspended");
    assert.deepEqual(await code(origin, `/3/movie/550?${key}`), [401, 10]);
    origin.keys.set(demoApiKey, "limited");
    assert.deepEqual(await code(origin, `/3/movie/550?${key}`), [429, 25]);
  }));

Deno.test("startTmdbOrigin() searches, pages and finds", () =>
  withOrigin(async (origin) => {
    const found = await (await fetch(`${origin.url}/3/search/movie?${key}&query=inception`)).json();
    assert.equal(found.results[0].id, 27205);
    const popular = await (await fetch(`${origin.url}/3/movie/popular?${key}&page=2`)).json();
    assert.deepEqual([popular.page, popular.total_pages, popular.results.length], [2, 2, 12]);
    const external = await (await fetch(`${origin.url}/3/find/tt0137523?${key}&external_source=imdb_id`)).json();
    assert.equal(external.movie_results[0].id, 550);
  }));

Deno.test("startTmdbOrigin() keeps ratings by session and makes another session each time", () =>
  withOrigin(async (origin) => {
    const make = async () =>
      (await (await fetch(`${origin.url}/3/authentication/guest_session/new?${key}`)).json()).guest_session_id;
    const [first, second] = [await make(), await make()];
    assert.notEqual(first, second);
    const rate = { method: "POST", body: '{"value":8.5}', headers: { "content-type": "application/json" } };
    const target = `/3/movie/550/rating?${key}&guest_session_id=${first}`;
    assert.deepEqual(await code(origin, target, rate), [201, 1]);
    assert.deepEqual(await code(origin, target, rate), [201, 12]);
    const states = await (await fetch(`${origin.url}/3/movie/550/account_states?${key}&guest_session_id=${first}`))
      .json();
    assert.deepEqual(states.rated, { value: 8.5 });
    assert.deepEqual(await code(origin, target, { method: "DELETE" }), [200, 13]);
    assert.deepEqual(await code(origin, `/3/movie/550/rating?${key}`, rate), [401, 3]);
    assert.equal(new TextDecoder().decode(origin.requests.find((one) => one.method === "POST")!.body), '{"value":8.5}');
  }));

Deno.test("startTmdbOrigin() knows read tokens and user tokens", () =>
  withOrigin(async (origin) => {
    const authorization = (scopes: string[]) => ({ authorization: `Bearer ${demoToken(demoApiKey, scopes, "alice")}` });
    const details = await fetch(`${origin.url}/3/movie/550`, { headers: authorization(["api_read"]) });
    assert.equal((await details.json()).id, 550);
    const account = await fetch(`${origin.url}/4/account/1/movie/rated`, {
      headers: authorization(["api_read", "api_write"]),
    });
    assert.equal((await account.json()).total_results, 0);
    assert.deepEqual(await code(origin, "/4/account/1/movie/rated", { headers: authorization(["api_read"]) }), [
      401,
      3,
    ]);
  }));

Deno.test("startTmdbOrigin() sends the captured fields and validates by weak entity tag", () =>
  withOrigin(async (origin) => {
    const response = await fetch(`${origin.url}/3/movie/550?${key}`, { headers: { origin: "https://a.example" } });
    await response.body?.cancel();
    assert.equal(response.headers.get("cache-control"), "public, max-age=6991");
    assert.equal(response.headers.get("vary"), "accept-encoding, Origin");
    assert.equal(response.headers.get("access-control-allow-origin"), "*");
    const etag = response.headers.get("etag")!;
    assert.match(etag, /^W\/"[0-9a-f]{32}"$/);
    const again = await fetch(`${origin.url}/3/movie/550?${key}`, { headers: { "if-none-match": etag } });
    await again.body?.cancel();
    assert.equal(again.status, 304);
  }));

Deno.test("startTmdbOrigin() serves pictures at any size, with double slashes, HEAD and 404", () =>
  withOrigin(async (origin) => {
    const poster = artworkId("poster", "movie/550");
    const cases: [target: string, status: number, type: string][] = [
      [`/t/p/w342/${poster}.jpg`, 200, "image/jpeg"],
      [`/t/p/w600_and_h900_bestv2//${poster}.jpg`, 200, "image/jpeg"],
      [`/t/p/w780_filter(duotone,ffffff,bababa)/${poster}.png`, 200, "image/png"],
      [`/t/p/original/${artworkId("logo", "movie/550")}.svg`, 200, "image/svg+xml"],
      [`/t/p/w92/${poster}.webp`, 200, "image/webp"],
      [`/t/p/w342/nothing.jpg`, 404, "text/html"],
    ];
    for (const [target, status, type] of cases) {
      const response = await fetch(origin.url + target);
      const bytes = await response.bytes();
      assert.deepEqual([response.status, response.headers.get("content-type")], [status, type], target);
      assert.ok(bytes.length > 10);
    }
    const head = await fetch(`${origin.url}/t/p/w342/${poster}.jpg`, { method: "HEAD" });
    assert.ok(Number(head.headers.get("content-length")) > 5000);
    assert.equal(origin.count("/t/p/", "HEAD"), 1);
    assert.equal(origin.count(/bestv2\/\//), 1);
  }));

Deno.test("startTmdbOrigin() plays faults and closes while one hangs", () =>
  withOrigin(async (origin) => {
    origin.fault = () => new Response("busy", { status: 503, headers: { "retry-after": "2" } });
    assert.equal(await (await fetch(`${origin.url}/3/movie/550`)).text(), "busy");
    origin.fault = () => "reset";
    await assert.rejects(async () => await (await fetch(`${origin.url}/3/movie/550`)).text());
    origin.fault = () => "hang";
    const hanging = fetch(`${origin.url}/3/movie/550`).then((response) => response.body?.cancel(), () => {});
    while (origin.count("/3/movie/550") < 3) await new Promise((resolve) => setTimeout(resolve, 1));
    await origin.close();
    await hanging;
  }));
