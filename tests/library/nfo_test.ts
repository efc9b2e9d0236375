import assert from "node:assert/strict";
import { readNfo } from "../../lib/library/nfo.ts";
import { assertLinear } from "../linear_time.ts";

const film = { title: { kind: "movie", id: 550 }, skipped: null };
const show = { title: { kind: "tv", id: 1399 }, skipped: null };
const skipped = (reason: string) => ({ title: null, skipped: reason });

Deno.test("readNfo() takes the id as Kodi, Jellyfin, Emby and MoviePilot write it", () => {
  const kodi = `<?xml version="1.0" encoding="UTF-8" standalone="yes" ?>
<movie><title>Fight Club</title><id>tt0137523</id><uniqueid type="imdb">tt0137523</uniqueid>
<uniqueid type="tmdb" default="true">550</uniqueid></movie>`;
  const jellyfin = `\uFEFF<?xml version="1.0"?>
<movie><plot/><set><name>X</name><tmdbid>7</tmdbid></set><actor><name>B</name><tmdbid>287</tmdbid></actor>
<imdbid>tt0137523</imdbid><tmdbid>550</tmdbid></movie>`;
  const emby = "<tvshow>\r\n<actor><tmdbid>9</tmdbid></actor><TMDBID> 1399 </TMDBID><tvdbid>121361</tvdbid></tvshow>";
  const moviepilot = `<tvshow><dateadded>2026-01-01</dateadded><tmdbid>1399</tmdbid>
<uniqueid default='true' type='tmdb'>1399</uniqueid></tvshow>`;
  assert.deepEqual([kodi, jellyfin, emby, moviepilot].map(readNfo), [film, film, show, show]);
});

Deno.test("readNfo() takes an address, alone or behind the element", () => {
  for (
    const text of [
      "https://www.themoviedb.org/movie/550-fight-club\n",
      "<movie><title>x</title></movie>\nhttps://www.themoviedb.org/movie/550",
      "░░ <-- a group of its own -->  http://themoviedb.org/movie/550?language=de",
    ]
  ) assert.deepEqual(readNfo(text), film, text);
  assert.deepEqual(readNfo("https://www.themoviedb.org/tv/1399/season/2"), show);
});

Deno.test("readNfo() says why there is no title", () => {
  assert.deepEqual(
    readNfo('<movie><uniqueid type="imdb">tt0137523</uniqueid></movie>'),
    skipped("an IMDb id alone"),
  );
  assert.deepEqual(readNfo("<movie><id>tt0137523</id></movie>"), skipped("an IMDb id alone"));
  assert.deepEqual(
    readNfo('<episodedetails><uniqueid type="tmdb">63056</uniqueid></episodedetails>'),
    skipped("an episode or a season"),
  );
  assert.deepEqual(readNfo("<season><tmdbid>3624</tmdbid></season>"), skipped("an episode or a season"));
  for (const text of ["", "nothing", "https://www.imdb.com/title/tt0137523/", "<movie><tmdbid>0</tmdbid></movie>"]) {
    assert.deepEqual(readNfo(text), skipped("no TMDB id"), text);
  }
});

Deno.test("readNfo() expands nothing, and believes no id in hostile places", () => {
  const bomb = `<!DOCTYPE m [<!ENTITY a "550"><!ENTITY b "&a;&a;">]><movie><tmdbid>&b;</tmdbid></movie>`;
  assert.deepEqual(readNfo(bomb), skipped("a document type declaration"));
  for (
    const text of [
      "<movie><tmdbid>&#53;50</tmdbid></movie>",
      "<movie><tmdbid>550 or 1</tmdbid></movie>",
      `<movie><tmdbid>${"5".repeat(60)}</tmdbid></movie>`,
      "<movie><!-- <tmdbid>550</tmdbid> --></movie>",
      "<movie><plot><![CDATA[<tmdbid>550</tmdbid>]]></plot></movie>",
      `<movie><plot text="><tmdbid>550</tmdbid>"/></movie>`,
      `<movie><plot text="><tmdbid>550</tmdbid></movie>`,
      "<movie><a><tmdbid>550</tmdbid></a></movie>",
      "<movie></movie><movie><tmdbid>550</tmdbid></movie>",
      "https://www.themoviedb.org/movie/55012345678901",
      "https://www.themoviedb.org/person/550",
    ]
  ) assert.deepEqual(readNfo(text), skipped("no TMDB id"), text);
});

Deno.test("readNfo() takes time in proportion to the length", () => {
  const begin: Readonly<Record<string, string>> = {
    "<movie>": '<a "',
    "<movie><!--": "<!--",
    "<movie><a ": "type=\"type='",
    "<movie ": "<movie '",
    "": "themoviedb.org/movie/",
    " ": "<tmdbid>",
    "  ": "<a><b/></a>",
  };
  for (const [head, part] of Object.entries(begin)) {
    const [once, four] = [1, 4].map((times) => head + part.repeat(4_000 * times));
    assertLinear((times) => void readNfo(times === 1 ? once! : four!), JSON.stringify(head + part));
  }
});
