import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import { readLibrary } from "../../lib/library/read_library.ts";
import { makeLinks } from "../symlinks.ts";

/** Writes files below a folder of its own, which is removed in the end. */
async function withFiles(
  files: Readonly<Record<string, string>>,
  use: (folder: string) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "usher-library-" });
  try {
    for (const [path, text] of Object.entries(files)) {
      await Deno.mkdir(dirname(join(folder, path)), { recursive: true });
      await Deno.writeTextFile(join(folder, path), text);
    }
    await use(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const nfo = (id: number, root = "movie") => `<${root}><tmdbid>${id}</tmdbid></${root}>`;

Deno.test("readLibrary() tells films from shows, by .nfo files and by names of folders", () =>
  withFiles({
    "Films/Fight Club (1999)/movie.nfo": nfo(550),
    "Films/The Matrix (1999) {tmdb-603}/The Matrix.mkv": "",
    "Films/Inception [tmdbid=27205]/Inception.nfo": "<movie><id>tt1375666</id></movie>",
    "Films/Inception [tmdbid=27205]/Inception.mkv": "",
    "Films/Amélie {tmdb-1}/Amélie.nfo": nfo(194),
    "Films/Heat/Heat.nfo": "<movie><imdbid>tt0113277</imdbid></movie>",
    "Films/Nothing {tmdb-5}/readme.txt": "",
    "Shows/Game of Thrones/tvshow.nfo": nfo(1399, "tvshow"),
    "Shows/Game of Thrones/Season 01/S01E01.nfo": nfo(63056, "episodedetails"),
    "Shows/Game of Thrones/Season 10/S10E01.mkv": "",
    "Shows/Game of Thrones/Specials/S00E01.mkv": "",
    "Shows/The Wire [tmdbid-1438]/Staffel 2/S02E01.mkv": "",
    "Shows/Friends {tmdb-1668}/Friends.S03E04.mkv": "",
    "Shows/.trash/Gone {tmdb-9}/Gone.mkv": "",
  }, async (folder) => {
    const { titles, nfoFiles, namedFolders, skipped } = await readLibrary(folder);
    assert.deepEqual(
      new Set(titles.map(({ kind, id, seasons }) => `${kind}:${id} ${seasons}`)),
      new Set([
        ...["movie:550 ", "movie:603 ", "movie:27205 ", "movie:194 "],
        ...["tv:1399 0,1,10", "tv:1438 2", "tv:1668 3"],
      ]),
    );
    assert.deepEqual([nfoFiles, namedFolders], [6, 4]);
    assert.deepEqual([...skipped].map(([reason, { count, first }]) => [reason, count, first.slice(folder.length)]), [
      ["an IMDb id alone", 1, "/Films/Heat/Heat.nfo"],
      ["an id in its name, but neither a film nor seasons in it", 1, "/Films/Nothing {tmdb-5}"],
      ["an episode or a season", 1, "/Shows/Game of Thrones/Season 01/S01E01.nfo"],
    ]);
  }));

Deno.test("readLibrary() reads each folder once where links make circles, and no file without a bound", () =>
  withFiles({
    "a/Film/movie.nfo": nfo(550),
    "b/large.nfo": `${nfo(551)}${" ".repeat(1_048_576)}`,
    "b/fits.nfo": nfo(552).padEnd(1_048_576),
    [`${"deep/".repeat(14)}movie.nfo`]: nfo(553),
  }, async (folder) => {
    await makeLinks({
      [join(folder, "a/Film/up")]: "../..",
      [join(folder, "a/self")]: ".",
      [join(folder, "b/broken")]: "nowhere",
      [join(folder, "b/device.nfo")]: "/dev/zero",
      [join(folder, "again")]: "a/Film",
    });
    const { titles, skipped } = await readLibrary(folder);
    assert.deepEqual(titles.map(({ id }) => id).sort(), [550, 552]);
    assert.deepEqual([...skipped.keys()].sort(), ["more than 1 MiB", "too many folders above it"]);
  }));

Deno.test("readLibrary() fails where there is no folder", async () => {
  await assert.rejects(readLibrary("/nowhere/at/all"), Deno.errors.NotFound);
});
