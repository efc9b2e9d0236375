import assert from "node:assert/strict";
import { join } from "node:path";
import { drawPicture } from "../origins/poster.ts";
import { demoApiKey } from "../origins/tmdb_origin.ts";
import { eventually } from "../eventually.ts";
import { runMain } from "./_command.ts";
import { startGateway } from "./_gateway.ts";
import { PATIENT, testConfig } from "./test_config.ts";

const FILMS = 450;
const SHOWS = 50;
/** Ids from here on; the last of the films is in no nfo file, its folder alone has its id. */
const [FIRST_FILM, FIRST_SHOW] = [1_000, 5_000];

const range = (from: number, count: number) => Array.from({ length: count }, (_, n) => from + n);

/** A library of 500 titles, in the forms of all the programs that write one. */
async function writeLibrary(folder: string): Promise<void> {
  for (const id of range(FIRST_FILM, FILMS)) {
    const film = join(folder, "Films", id % 10 === 9 ? `Film [tmdbid=${id}]` : `Film ${id} (1999)`);
    await Deno.mkdir(film, { recursive: true });
    await Deno.writeTextFile(join(film, "film.mkv"), "");
    const forms = [
      `<movie><uniqueid type="imdb">tt1</uniqueid><uniqueid type="tmdb" default="true">${id}</uniqueid></movie>`,
      `<movie><actor><tmdbid>1</tmdbid></actor><tmdbid>${id}</tmdbid></movie>`,
      `https://www.themoviedb.org/movie/${id}-film\n`,
    ];
    if (id % 10 !== 9) await Deno.writeTextFile(join(film, "film.nfo"), forms[id % 3]!);
  }
  for (const id of range(FIRST_SHOW, SHOWS)) {
    const season = join(folder, "Shows", `Show ${id}`, "Season 01");
    await Deno.mkdir(season, { recursive: true });
    await Deno.writeTextFile(join(season, "S01E01.nfo"), "<episodedetails><tmdbid>9</tmdbid></episodedetails>");
    await Deno.writeTextFile(join(season, "../tvshow.nfo"), `<tvshow><tmdbid>${id}</tmdbid></tvshow>`);
  }
}

const JPEG = drawPicture("jpg", { width: 2, height: 3, seed: "picture" });

/** Answers any document with the paths of its pictures, and any picture. */
function startOrigin(): { readonly url: string; readonly asked: string[]; close(): Promise<void> } {
  const asked: string[] = [];
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, ({ url }) => {
    const { pathname, search } = new URL(url);
    asked.push(pathname + search);
    if (pathname.startsWith("/t/p/")) return new Response(JPEG, { headers: { "content-type": "image/jpeg" } });
    const id = pathname.split("/")[3];
    if (id === undefined) return Response.json({ images: {} });
    return Response.json({ id: Number(id), poster_path: `/p${id}.jpg`, backdrop_path: `/b${id}.jpg` });
  });
  return { url: `http://127.0.0.1:${server.addr.port}`, asked, close: () => server.shutdown() };
}

/** What the clients send, spelled as their libraries do. */
function* scan(): Generator<string> {
  yield `/3/configuration?api_key=${demoApiKey}`;
  const key = `api_key=${demoApiKey}`;
  const jellyfin = "language=en&include_image_language=en%2Cnull&append_to_response";
  for (const id of range(FIRST_FILM, FILMS)) {
    yield `/3/movie/${id}?${key}&${jellyfin}=credits%2Cimages%2Ckeywords%2Creleases%2Cvideos`;
    yield `/3/movie/${id}?${key}&language=en-US&append_to_response=trailers%2Cimages%2Creleases%2Ccasts%2Ckeywords`;
    yield `/3/movie/${id}?${key}&append_to_response=trailers%2Cimages`;
    yield `/3/movie/${id}?${key}&append_to_response=images,credits,alternative_titles,translations,release_dates,` +
      "external_ids&language=zh";
  }
  for (const id of range(FIRST_SHOW, SHOWS)) {
    yield `/3/tv/${id}?${key}&${jellyfin}=credits%2Cimages%2Ckeywords%2Cexternal_ids%2Cvideos%2Ccontent_ratings%2C` +
      "episode_groups%2Caggregate_credits";
    yield `/3/tv/${id}/season/1?${key}&${jellyfin}=credits%2Cimages%2Cexternal_ids%2Cvideos`;
    yield `/3/tv/${id}?${key}&language=en-US&append_to_response=credits%2Ccontent_ratings%2Cexternal_ids%2Cimages` +
      "%2Cvideos&include_image_language=en%2Cen%2Cnull&include_video_language=en%2Cen%2Cnull";
    yield `/3/tv/${id}?${key}&append_to_response=images,credits,alternative_titles,translations,content_ratings,` +
      "external_ids,episode_groups&&language=zh";
  }
  for (const id of [...range(FIRST_FILM, FILMS), ...range(FIRST_SHOW, SHOWS)]) {
    for (const picture of [`p${id}`, `b${id}`]) yield `/t/p/original/${picture}.jpg`;
  }
}

Deno.test("usher prewarm --nfo warms a library of 500 titles: a scan after it makes no request to the origin", async () => {
  await using stack = new AsyncDisposableStack();
  const folder = stack.adopt(await Deno.makeTempDir(), (path) => Deno.remove(path, { recursive: true }));
  await writeLibrary(folder);
  const small = stack.adopt(await Deno.makeTempDir(), (path) => Deno.remove(path, { recursive: true }));
  await Deno.writeTextFile(join(small, "movie.nfo"), "<movie><tmdbid>7</tmdbid></movie>");
  const prewarm = {
    ...{ concurrency: 64, rate: 10_000 },
    ...{ nfo: small, client: ["jellyfin", "kodi", "moviepilot"], images: "images" },
  };
  const origin = stack.adopt(startOrigin(), (running) => running.close());
  const pool = { health: false, upstreams: [origin.url], timeouts: PATIENT };
  const gateway = stack.adopt(
    await startGateway({
      config: (places) =>
        testConfig(places, {
          logging: { access: "errors" },
          pools: {
            api: { type: "tmdb-api", api_keys: [demoApiKey], key_limits: { max_rps: 4000, burst: 4000 }, ...pool },
            images: { type: "tmdb-image", ...pool },
          },
          listeners: [
            { name: "api", prefix: "/3", pool: "api", prewarm },
            { name: "images", prefix: "/t/p", pool: "images", prewarm: { concurrency: 64, rate: 10_000 } },
          ],
        }),
    }),
    (running) => running.close(),
  );
  await gateway.logged("Prewarmed");
  const first = origin.asked.splice(0).map((target) => target.replace(/\?.*/, ""));
  assert.deepEqual(first.toSorted(), [
    ...["/3/configuration", "/3/movie/7", "/3/movie/7", "/3/movie/7", "/3/movie/7"],
    ...["/t/p/original/b7.jpg", "/t/p/original/p7.jpg"],
  ]);
  const clients = ["jellyfin", "kodi", "moviepilot"].flatMap((client) => ["--client", client]);
  const library = ["prewarm", "--config", gateway.configPath, "--listener", "api", "--nfo", folder, ...clients];
  const found = /500 titles: 450 films and 50 shows with 50 seasons, from 505 \.nfo files and the names of 45 folders/;

  const dry = await runMain([...library, "--dry-run"]);
  assert.match(dry.stdout, found);
  assert.equal(dry.stdout.split("\n").filter((line) => line.startsWith("/3/")).length, 2_101);
  const unasked = await runMain(library);
  assert.match(unasked.stdout, /1800 film documents of 60KiB each, assumed: none is stored/);
  assert.match(
    unasked.stdout,
    /2101 requests, at most 4000 a second: 1 s and more/,
    "the key's rate, not the listener's",
  );
  assert.match(unasked.stderr, /There is no terminal to ask on: say --yes/);
  assert.deepEqual([unasked.code, origin.asked.length], [2, 0]);

  const done = await runMain([...library, "--yes", "--images", "images"]);
  assert.deepEqual([done.code, done.stderr], [0, ""], done.stdout);
  assert.match(done.stdout, found);
  assert.match(done.stdout, /Left out, an episode or a season: 50, first .*S01E01\.nfo/);
  assert.match(done.stdout, /done: 2101 of 2101, 2100 fetched, 1 fresh, 0 skipped, 0 failed, 1000 pictures/);

  await eventually("all is on disk, where each worker finds it", async () => {
    const { cache } = await gateway.status() as unknown as { cache: { disk: { queuedWrites: number } } };
    return cache.disk.queuedWrites === 0;
  });
  origin.asked.length = 0;
  const known = await runMain([...library, "--images", "images", "--estimate"]);
  assert.equal(known.code, 0, known.stderr);
  assert.match(known.stdout, /1800 film documents of \d+B each, as \d+ of 12 that were looked up and are stored/);
  assert.match(known.stdout, /550 posters in original of \d+B each, as the 1002 that listener images holds/);
  assert.match(known.stdout, /About \d+KiB in all, at most\n3151 requests/);
  const configured = await runMain(library.slice(0, 5));
  assert.match(
    configured.stdout,
    /done: 5 of 5, 0 fetched, 5 fresh, 0 skipped, 0 failed, 2 pictures/,
    configured.stderr,
  );
  assert.deepEqual(origin.asked, []);
  let asked = 0;
  const targets = scan();
  await Promise.all(Array.from({ length: 16 }, async () => {
    for (const target of targets) {
      const response = await fetch(gateway.url + target);
      await response.body?.cancel();
      assert.equal(response.status, 200, target);
      asked++;
    }
  }));
  assert.deepEqual([asked, origin.asked], [3_001, []]);
  const list = join(gateway.directory, "ids.txt");
  await Deno.writeTextFile(list, `movie:${FIRST_FILM} # the first\ntv:${FIRST_SHOW}\n`);
  const again = await runMain([...library.slice(0, 5), "--ids", list, "--client", "jellyfin", "--yes"]);
  assert.match(again.stdout, /done: 3 of 3, 0 fetched, 3 fresh/, again.stderr);
});
