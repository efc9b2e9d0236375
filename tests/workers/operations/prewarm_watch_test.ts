import assert from "node:assert/strict";
import { join } from "node:path";
import { createLogger } from "../../../lib/logging/logger.ts";
import { Prewarmer } from "../../../lib/workers/operations/prewarmer.ts";
import { configOf, type Mapping } from "../../gateway/config_of.ts";
import { eventually } from "../../eventually.ts";
import { MapStateStore } from "../../state/map_state_store.ts";

/** A prewarmer of a library; what it asked for, and what it logged. */
async function watching(prewarm: Mapping) {
  const upstreams = ["http://127.0.0.1:9"];
  const config = await configOf({
    pools: {
      api: { type: "tmdb-api", health: false, upstreams },
      images: { type: "tmdb-image", health: false, upstreams },
    },
    listeners: [
      { name: "api", prefix: "/3", pool: "api", prewarm: { rate: 1_000, ...prewarm } },
      { name: "images", prefix: "/t/p", pool: "images" },
    ],
  });
  const asked: string[] = [];
  const lines: string[] = [];
  const logger = createLogger({ level: "info", format: "json", sink: (line) => void lines.push(line), now: () => 0 });
  const prewarmer = new Prewarmer({
    ...{ state: new MapStateStore(), logger, config: () => config },
    fetch(listener, url, clients) {
      asked.push(`${listener} ${url}`);
      const pictures = clients.length > 0 && /movie\/\d/.test(url)
        ? [`/t/p/original/${/\d+/.exec(url.slice(3))}.jpg`]
        : [];
      return Promise.resolve({ outcome: "fetched", detail: null, bytes: 1, pictures });
    },
  });
  return { prewarmer, asked, lines, [Symbol.asyncDispose]: () => prewarmer.close() };
}

async function addFilm(folder: string, id: number): Promise<void> {
  await Deno.mkdir(join(folder, `${id}`), { recursive: true });
  await Deno.writeTextFile(join(folder, `${id}`, "movie.nfo"), `<movie><tmdbid>${id}</tmdbid></movie>`);
}

Deno.test("Prewarmer fetches a library with its pictures, what is new in it, and what has changed upstream", async () => {
  await using stack = new AsyncDisposableStack();
  const folder = stack.adopt(await Deno.makeTempDir(), (path) => Deno.remove(path, { recursive: true }));
  await addFilm(folder, 550);
  const settings = { nfo: folder, client: "seerr", images: "images", rescan: "1s" };
  const { prewarmer, asked, lines } = stack.use(await watching(settings));
  await prewarmer.start();
  const query = "language=en&append_to_response=credits,external_ids,videos,keywords,release_dates,watch/providers" +
    "&include_video_language=en";
  const film = (id: number) => [`api /3/movie/${id}?${query}`, `images /t/p/original/${id}.jpg`];
  await eventually("the library is fetched", () => prewarmer.status()[0]?.state === "done");
  assert.deepEqual(asked, film(550));
  assert.deepEqual(prewarmer.status()[0]!.pictures, { fetched: 1, fresh: 0, skipped: 0, failed: 0 });
  await addFilm(folder, 551);
  await eventually("the new film is fetched", () => asked.length === 4 && prewarmer.status()[0]?.state === "done");
  assert.deepEqual(asked.slice(2), film(551), "and it alone");
  await prewarmer.changed(["movie:551", "movie:7", "person:550"], ["api"]);
  await prewarmer.changed(["movie:550"], ["other"]);
  await eventually("what has changed is fetched", () => asked.length === 6 && prewarmer.status()[0]?.state === "done");
  assert.deepEqual(asked.slice(4), film(551));
  await Deno.rename(folder, `${folder}-gone`);
  await eventually("that it is gone is said", () => lines.some((line) => line.includes("Cannot read the library")));
  await Deno.rename(`${folder}-gone`, folder);
});

Deno.test("Prewarmer starts without a library that is not there, fetches the paths beside it, and reads it when it comes", async () => {
  await using stack = new AsyncDisposableStack();
  const above = stack.adopt(await Deno.makeTempDir(), (path) => Deno.remove(path, { recursive: true }));
  const nfo = join(above, "media");
  const { prewarmer, asked, lines } = stack.use(await watching({ nfo, paths: ["/3/movie/popular"], rescan: "1s" }));
  await prewarmer.start();
  await eventually("the path is fetched", () => asked.length === 1);
  await eventually("the rest is said", () => lines.some((line) => line.includes("Cannot read the library")));
  assert.deepEqual(asked, ["api /3/movie/popular"]);
  await addFilm(nfo, 550);
  await eventually("the library is fetched", () => asked.length === 2);
  assert.equal(asked[1], "api /3/movie/550", "without a client the plain document");
});
