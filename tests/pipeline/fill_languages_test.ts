import assert from "node:assert/strict";
import type { TmdbOrigin } from "../origins/tmdb_origin.ts";
import { asked, direct, withFilling } from "./_filling.ts";

/** A document with holes: texts that are replaced in the origin's own bytes, in what language the filling is found. */
interface Row {
  readonly target: string;
  /** Pairs of what the origin has there and what the client gets; nothing where the document stays. */
  readonly edits: ReadonlyArray<readonly [from: string, to: string]>;
  /** What `Cache-Status` says of it; `null` where nothing is filled. */
  readonly said: string | null;
  /** What the origin is asked beside the document. */
  readonly more: readonly string[];
  /** Targets that are stored before. */
  readonly stored?: readonly string[];
  /** The document itself is cut out of one of them. */
  readonly isCut?: boolean;
}

const MOVIE = "/3/movie/900001";
const TRANSLATIONS = `${MOVIE}?append_to_response=translations`;
const SEASON = "/3/tv/900010/season/1";

/** One of the members, once. */
const member = (name: string, from: string | null, to: string): readonly [string, string] => [
  `"${name}":${JSON.stringify(from)}`,
  `"${name}":${JSON.stringify(to)}`,
];

const rows: readonly Row[] = [
  {
    target: `${MOVIE}?language=zh-CN`,
    edits: [
      ['"title":"夜の海"', '"title":"夜之海"'],
      member("overview", "", "夜裡的海。"),
      member("tagline", "", "No light."),
    ],
    said: "filled: title (zh-TW), overview (zh-TW), tagline (en-US)",
    more: [TRANSLATIONS],
  },
  {
    // Without a region TMDB's own is meant, and that is not zh-TW.
    target: `${MOVIE}?language=zh`,
    edits: [
      ['"title":"夜の海"', '"title":"夜之海"'],
      member("overview", "", "夜裡的海。"),
      member("tagline", "", "No light."),
    ],
    said: "filled: title (zh-TW), overview (zh-TW), tagline (en-US)",
    more: [TRANSLATIONS],
  },
  {
    target: `${MOVIE}?language=zh-TW`,
    edits: [member("tagline", "", "No light.")],
    said: "filled: tagline (en-US)",
    more: [TRANSLATIONS],
  },
  {
    target: `${MOVIE}?language=de-DE`,
    edits: [member("overview", "", "夜裡的海。"), member("tagline", "", "No light.")],
    said: "filled: overview (zh-TW), tagline (en-US)",
    more: [TRANSLATIONS],
  },
  {
    // The original is in the asked language.
    target: `${MOVIE}?language=ja-JP`,
    edits: [member("tagline", "", "No light.")],
    said: "filled: tagline (en-US)",
    more: [TRANSLATIONS],
  },
  { target: `${MOVIE}?language=en-US`, edits: [], said: null, more: [] },
  { target: MOVIE, edits: [], said: null, more: [] },
  { target: `${MOVIE}?language=en`, edits: [], said: null, more: [] },
  { target: `${MOVIE}?language=zh-CN&language=de-DE`, edits: [], said: null, more: [] },
  {
    // The client has asked for translations itself.
    target: `${MOVIE}?append_to_response=external_ids,translations&language=de-DE`,
    edits: [
      ['"overview":"","tagline":"","poster_path"', '"overview":"夜裡的海。","tagline":"No light.","poster_path"'],
    ],
    said: "filled: overview (zh-TW), tagline (en-US)",
    more: [],
  },
  {
    target: `${MOVIE}?language=zh-CN`,
    isCut: true,
    stored: [`${MOVIE}?append_to_response=translations&language=zh-CN`],
    edits: [
      ['"title":"夜の海"', '"title":"夜之海"'],
      member("overview", "", "夜裡的海。"),
      member("tagline", "", "No light."),
    ],
    said: "filled: title (zh-TW), overview (zh-TW), tagline (en-US)",
    more: [],
  },
  {
    // What another client has asked for has them too, among other parts.
    target: `${MOVIE}?language=de-DE`,
    stored: [`${MOVIE}?append_to_response=external_ids,translations&language=en-US`],
    edits: [member("overview", "", "夜裡的海。"), member("tagline", "", "No light.")],
    said: "filled: overview (zh-TW), tagline (en-US)",
    more: [],
  },
  {
    target: `${MOVIE}?language=fr-FR`,
    stored: [`${MOVIE}?language=zh-CN`, TRANSLATIONS],
    edits: [
      ['"title":"夜の海"', '"title":"夜之海"'],
      member("overview", "", "夜裡的海。"),
      member("tagline", "", "No light."),
    ],
    said: "filled: title (zh-TW), overview (zh-TW), tagline (en-US)",
    more: [],
  },
  // A name that equals the original, and is the translation.
  {
    target: "/3/movie/900002?language=de-DE",
    edits: [],
    said: null,
    more: ["/3/movie/900002?append_to_response=translations"],
  },
  // A name that equals the original, and no language has another.
  {
    target: "/3/movie/900002?language=zh-CN",
    edits: [member("overview", "", "同名。"), member("tagline", "", "Same.")],
    said: "filled: overview (zh-TW), tagline (en-US)",
    more: ["/3/movie/900002?append_to_response=translations"],
  },
  {
    target: "/3/movie/900003?language=zh-CN",
    edits: [],
    said: null,
    more: ["/3/movie/900003?append_to_response=images,translations&include_image_language=zh,en"],
  },
  {
    target: "/3/movie/900004?language=zh-CN",
    edits: [['"poster_path":null', '"poster_path":"/no-picture-en.jpg"']],
    said: "filled: poster_path (en-US)",
    more: ["/3/movie/900004?append_to_response=images&include_image_language=zh,en"],
  },
  {
    target: "/3/movie/900004?language=zh-CN&append_to_response=images",
    edits: [
      ['"poster_path":null', '"poster_path":"/no-picture-en.jpg"'],
      [
        '"logos":[]',
        '"logos":[{"aspect_ratio":0.670,"file_path":"/logo-1.png","iso_3166_1":null,"iso_639_1":"en","vote_average":5.0},' +
        '{"aspect_ratio":0.670,"file_path":"/logo-2.png","iso_3166_1":null,"iso_639_1":"en","vote_average":5.0}]',
      ],
      [
        '"posters":[]',
        '"posters":[{"aspect_ratio":0.670,"file_path":"/no-picture-en.jpg","iso_3166_1":null,"iso_639_1":"en","vote_average":5.0}]',
      ],
    ],
    said: "filled: poster_path (en-US), logos (en-US), posters (en-US)",
    more: ["/3/movie/900004?append_to_response=images&include_image_language=zh,en"],
  },
  {
    // The client's own pictures have the poster already.
    target: "/3/movie/900004?language=zh-CN&append_to_response=images&include_image_language=zh,en",
    edits: [['"poster_path":null', '"poster_path":"/no-picture-en.jpg"']],
    said: "filled: poster_path (en-US)",
    more: [],
  },
  {
    target: "/3/tv/900010?language=zh-CN",
    edits: [
      ['"name":"바다"', '"name":"大海"'],
      member("overview", "", "About the sea."),
      member("tagline", "", "深。"),
    ],
    said: "filled: name (zh-TW), overview (en-US), tagline (zh-TW)",
    more: ["/3/tv/900010?append_to_response=translations"],
  },
  {
    target: "/3/tv/900010?language=en-US&append_to_response=external_ids",
    edits: [],
    said: null,
    more: [],
  },
  {
    target: "/3/collection/900020?language=zh-CN",
    edits: [['"name":"海シリーズ"', '"name":"海系列"'], member("overview", "", "All the seas.")],
    said: "filled: name (zh-TW), overview (en-US)",
    more: ["/3/collection/900020?append_to_response=translations"],
  },
  {
    target: "/3/person/900030?language=zh-CN",
    edits: [member("biography", "", "生於海邊。")],
    said: "filled: biography (zh-TW)",
    more: ["/3/person/900030?append_to_response=translations"],
  },
  {
    target: "/3/person/900031?language=fr-FR",
    edits: [member("biography", "", "Nobody knows.")],
    said: "filled: biography (en-US)",
    more: ["/3/person/900031?append_to_response=translations"],
  },
  {
    target: `${SEASON}?language=zh-CN`,
    edits: [
      ['"name":"第 1 季"', '"name":"Book One: Water"'],
      ['"name":"第 2 集"', '"name":"Second \\"2\\""'],
      [
        '"overview":"","runtime":null,"season_number":1,"vote_average":7.0},{"air_date":null,"episode_number":2',
        '"overview":"一。","runtime":null,"season_number":1,"vote_average":7.0},{"air_date":null,"episode_number":2',
      ],
      [
        '"overview":"","runtime":null,"season_number":1,"vote_average":7.0},{"air_date":null,"episode_number":3',
        '"overview":"二。","runtime":null,"season_number":1,"vote_average":7.0},{"air_date":null,"episode_number":3',
      ],
      ['"overview":"","id":900101', '"overview":"開始。","id":900101'],
    ],
    said: "filled: overview (zh-TW), 2 episode overviews (zh-TW), name (en-US), episode name (en-US)",
    more: [`${SEASON}?language=zh-TW`, `${SEASON}?language=en-US`],
  },
  {
    // Both languages are stored already, one under TMDB's own spelling of it.
    target: `${SEASON}?language=zh-CN`,
    stored: [`${SEASON}?language=zh-TW`, SEASON],
    edits: [
      ['"name":"第 1 季"', '"name":"Book One: Water"'],
      ['"name":"第 2 集"', '"name":"Second \\"2\\""'],
      [
        '"overview":"","runtime":null,"season_number":1,"vote_average":7.0},{"air_date":null,"episode_number":2',
        '"overview":"一。","runtime":null,"season_number":1,"vote_average":7.0},{"air_date":null,"episode_number":2',
      ],
      [
        '"overview":"","runtime":null,"season_number":1,"vote_average":7.0},{"air_date":null,"episode_number":3',
        '"overview":"二。","runtime":null,"season_number":1,"vote_average":7.0},{"air_date":null,"episode_number":3',
      ],
      ['"overview":"","id":900101', '"overview":"開始。","id":900101'],
    ],
    said: "filled: overview (zh-TW), 2 episode overviews (zh-TW), name (en-US), episode name (en-US)",
    more: [],
  },
  // The season is complete but for its picture, which no language on the list has for French alone.
  {
    target: `${SEASON}?language=fr-FR`,
    edits: [['"poster_path":null', '"poster_path":"/season-zh.jpg"']],
    said: "filled: poster_path (zh-TW)",
    more: [`${SEASON}?language=zh-TW`],
  },
  {
    target: "/3/tv/900010/season/2?language=zh-CN",
    edits: [],
    said: null,
    more: ["/3/tv/900010/season/2?language=zh-TW", "/3/tv/900010/season/2?language=en-US"],
  },
  {
    target: `${SEASON}/episode/2?language=zh-CN`,
    edits: [['"name":"第 2 集"', '"name":"Second \\"2\\""'], member("overview", "", "二。")],
    said: "filled: name (en-US), overview (zh-TW)",
    more: [`${SEASON}/episode/2?append_to_response=translations`],
  },
  {
    // A name that reads like a number and is the translation.
    target: `${SEASON}/episode/1?language=zh-CN`,
    edits: [member("overview", "", "一。")],
    said: "filled: overview (zh-TW)",
    more: [`${SEASON}/episode/1?append_to_response=translations`],
  },
  { target: `${SEASON}/episode/3?language=fr-FR`, edits: [], said: null, more: [] },
];

/** The origin's own document with a row's edits, each of which it has to have once. */
async function expected(origin: TmdbOrigin, { target, edits }: Row): Promise<string> {
  return edits.reduce((text, [from, to]) => {
    assert.equal(text.split(from).length, 2, `${from} is in ${target} once`);
    return text.replace(from, () => to);
  }, await direct(origin, target));
}

Deno.test("LanguageFiller fills holes of thirty documents from the next language, and leaves every other byte", async (t) => {
  assert.ok(rows.length >= 30);
  for (const row of rows) {
    await t.step(
      `${row.target}${row.stored === undefined ? "" : " (stored)"}`,
      () =>
        withFilling(async ({ ask }, origin) => {
          for (const stored of row.stored ?? []) await ask(stored);
          const wanted = await expected(origin, row);
          origin.requests.length = 0;
          const first = await ask(row.target);
          assert.equal(first.text, wanted);
          assert.equal(first.headers.get("content-length"), String(new TextEncoder().encode(wanted).byteLength));
          if (row.said === null) assert.doesNotMatch(first.cacheStatus, /filled/);
          else assert.ok(first.cacheStatus.includes(row.said), first.cacheStatus);
          const isStored = row.isCut === true;
          assert.deepEqual(asked(origin), [...isStored ? [] : [row.target], ...row.more]);
          const second = await ask(row.target);
          assert.equal(second.text, wanted);
          assert.match(second.cacheStatus, /^usher; hit/);
          assert.equal(second.headers.get("etag"), first.headers.get("etag"));
          assert.equal(origin.requests.length, row.more.length + (isStored ? 0 : 1));
        }, { listener: { cache: { reuse_appends: true } } }),
    );
  }
});
