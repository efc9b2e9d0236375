import assert from "node:assert/strict";
import { configOf, problemsOf, warningsOf } from "./load_text.ts";

function withPrewarm(prewarm: unknown): string {
  const pools = { p: { type: "custom", upstreams: ["https://one.example"] } };
  return JSON.stringify({ pools, listeners: [{ name: "l", pool: "p", prewarm }] });
}

Deno.test("prewarmKey takes paths and URLs, and nothing that a request line could not hold", async () => {
  const isTaken = async (path: string) => (await problemsOf(withPrewarm({ paths: [path] }))).length === 0;
  for (const path of ["/", "/3/movie/550?language=de", "https://h/a", "HTTP://h:1/a?b"]) {
    assert.ok(await isTaken(path), path);
  }
  for (const path of ["", "a", "//h a", "/a#b", "ftp://h/a", "/a\nb", `/${"x".repeat(9000)}`]) {
    assert.ok(!await isTaken(path), path.slice(0, 20));
  }
});

Deno.test("prewarmKey bounds what it asks of the upstreams", async () => {
  const below = [{ concurrency: 0 }, { rate: 0 }, { every: "1s" }];
  for (const wrong of [...below, { concurrency: 65 }, { rate: 10_001 }, { urls: [] }]) {
    assert.equal((await problemsOf(withPrewarm(wrong))).length, 1, JSON.stringify(wrong));
  }
});

Deno.test("prewarmOf() makes the file's path absolute and names each target once", async () => {
  const prewarmOf = async (prewarm: unknown) => (await configOf(withPrewarm(prewarm))).listeners[0]!.prewarm;
  const keys = { file: "lists/a.txt", concurrency: 3, rate: 4, at_start: false, every: "5m" };
  assert.deepEqual(await prewarmOf({ paths: ["/a", "http://h/b?c", "/a"], ...keys }), {
    targets: ["/a", "http://h/b?c"],
    file: "/etc/usher/lists/a.txt",
    ...{ nfo: null, clients: [], language: null, images: null, rescanMs: 3_600_000 },
    concurrency: 3,
    ratePerSecond: 4,
    atStart: false,
    everyMs: 300_000,
  });
  const { file, everyMs } = await prewarmOf({});
  assert.deepEqual([file, everyMs], [null, null]);
});

/** A listener of each of TMDB's types; the first has this `prewarm`. */
function ofLibrary(prewarm: unknown, type = "tmdb-api"): string {
  const upstreams = ["https://one.example"];
  const pools = { api: { type, upstreams }, images: { type: "tmdb-image", upstreams } };
  const listeners = [{ name: "api", prefix: "/3", pool: "api", prewarm }, {
    name: "images",
    prefix: "/t/p",
    pool: "images",
  }];
  return JSON.stringify({ pools, listeners });
}

Deno.test("prewarm: a library has clients, a language and a listener of pictures, each with its place where it is wrong", async () => {
  const library = { nfo: "media", client: "kodi", language: "de-DE", images: "images", rescan: "10m" };
  const { prewarm } = (await configOf(ofLibrary(library))).listeners[0]!;
  assert.deepEqual(
    [prewarm.nfo, prewarm.clients, prewarm.language, prewarm.images, prewarm.rescanMs],
    ["/etc/usher/media", ["kodi"], "de-DE", "images", 600_000],
  );
  const problems: readonly [unknown, RegExp][] = [
    [{ ...library, client: ["kodi", "plex"] }, /listeners\[0\]\.prewarm\.client\[1\]: found "plex"/],
    [{ ...library, language: "German" }, /listeners\[0\]\.prewarm\.language: /],
    [{ ...library, images: "api" }, /prewarm\.images: found "api" expected a listener of type tmdb-image: images/],
    [{ ...library, rescan: "10ms" }, /prewarm\.rescan: /],
  ];
  for (const [wrong, said] of problems) {
    const found = await problemsOf(ofLibrary(wrong));
    assert.ok(found.length === 1 && said.test(found[0]!), found.join("\n"));
  }
  const warnings: readonly [string, RegExp][] = [
    [ofLibrary({ client: "kodi" }), /prewarm\.client: it has no effect without `nfo`/],
    [ofLibrary({ nfo: "media", images: "images" }), /prewarm\.images: it has no effect without `client`/],
    [ofLibrary({ nfo: "media" }, "custom"), /prewarm\.nfo: it has no effect: only type tmdb-api/],
  ];
  for (const [text, said] of warnings) assert.match((await warningsOf(text)).join("\n"), said);
});

Deno.test("prewarm: a library that cannot be read is a warning with its place", async () => {
  const unreadable = { "/etc/usher/media": "there is no such folder" };
  const [warning, ...others] = await warningsOf(ofLibrary({ nfo: "media" }), { unreadable });
  assert.match(
    warning!,
    /^1:\d+ listeners\[0\]\.prewarm\.nfo: cannot read \/etc\/usher\/media: there is no such folder/,
  );
  assert.deepEqual(others, []);
});
