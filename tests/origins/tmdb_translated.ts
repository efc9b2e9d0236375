import type { Json } from "./tmdb_records.ts";

/** Texts in one language; what is missing is empty, as TMDB has it. */
type Texts = Readonly<Record<string, string>>;

/** Texts by language (`zh-TW`). */
type ByLanguage = Readonly<Record<string, Texts>>;

/** A title, person or collection that has texts in some languages only. */
interface Translated {
  /** Language and name of the original; absent for a person. */
  readonly original?: readonly [language: string, name: string];
  /** The member with the name, and its name in translations; absent for a person. */
  readonly name?: readonly [member: string, translated: string];
  /** Members that are empty where there is no text. */
  readonly texts: readonly string[];
  readonly by: ByLanguage;
  /** Pictures by the two letters of their language. */
  readonly posters?: Readonly<Record<string, string>>;
  readonly logos?: Readonly<Record<string, readonly string[]>>;
}

const MOVIE = { name: ["title", "title"], texts: ["overview", "tagline"] } as const;
const SERIES = { name: ["name", "name"], texts: ["overview", "tagline"] } as const;
const FULL = { en: "/en.jpg", zh: "/zh.jpg", de: "/de.jpg", ja: "/ja.jpg", fr: "/fr.jpg" };

/** Things with holes, by their paths. */
const things: Readonly<Record<string, Translated>> = {
  "movie/900001": {
    ...MOVIE,
    original: ["ja", "夜の海"],
    posters: FULL,
    by: {
      "ja-JP": { title: "", overview: "夜の海の話。" },
      "en-US": { title: "Night Sea", overview: 'A boat "at sea" \u2014 at night.', tagline: "No light." },
      "zh-TW": { title: "夜之海", overview: "夜裡的海。" },
      "de-DE": { title: "Nachtmeer" },
    },
  },
  "movie/900002": {
    ...MOVIE,
    original: ["en", "Same Name"],
    posters: FULL,
    by: {
      "en-US": { overview: "The same name everywhere.", tagline: "Same." },
      "de-DE": { title: "Same Name", overview: "Überall derselbe Name.", tagline: "Derselbe." },
      "zh-TW": { overview: "同名。" },
      "fr-FR": { overview: "Le même nom.", tagline: "Même." },
    },
  },
  "movie/900003": { ...MOVIE, original: ["ko", "아무것도"], by: {} },
  "movie/900004": {
    ...MOVIE,
    original: ["en", "No Picture"],
    posters: { en: "/no-picture-en.jpg", de: "/no-picture-de.jpg" },
    logos: { en: ["/logo-1.png", "/logo-2.png"] },
    by: { "en-US": { overview: "One.", tagline: "Two." }, "zh-CN": { title: "無", overview: "一", tagline: "二" } },
  },
  "tv/900010": {
    ...SERIES,
    original: ["ko", "바다"],
    posters: FULL,
    by: {
      "ko-KR": { overview: "바다 이야기." },
      "en-US": { name: "The Sea", overview: "About the sea.", tagline: "Deep." },
      "zh-TW": { name: "大海", tagline: "深。" },
    },
  },
  "collection/900020": {
    name: ["name", "title"],
    original: ["ja", "海シリーズ"],
    texts: ["overview"],
    posters: FULL,
    by: { "en-US": { title: "Sea Collection", overview: "All the seas." }, "zh-TW": { title: "海系列" } },
  },
  "person/900030": {
    texts: ["biography"],
    by: { "en-US": { biography: "Born by the sea." }, "zh-TW": { biography: "生於海邊。" }, "fr-FR": {} },
  },
  "person/900031": { texts: ["biography"], by: { "en-US": { biography: "Nobody knows." } } },
};

/** A season's or an episode's texts by language. */
interface TranslatedSeason {
  readonly by: ByLanguage;
  readonly episodes: readonly ByLanguage[];
  readonly poster?: Readonly<Record<string, string>>;
}

const seasons: Readonly<Record<string, TranslatedSeason>> = {
  "tv/900010/season/1": {
    by: {
      "en-US": { name: "Book One: Water", overview: "It begins." },
      "zh-TW": { overview: "開始。" },
      "fr-FR": { name: "Livre un", overview: "Le début." },
    },
    poster: { en: "/season-en.jpg", zh: "/season-zh.jpg" },
    episodes: [
      {
        "en-US": { name: "Pilot", overview: "First." },
        "zh-TW": { name: "首集", overview: "一。" },
        "zh-CN": { name: "第一集" },
        "fr-FR": { name: "Pilote", overview: "Premier." },
      },
      {
        "en-US": { name: 'Second "2"', overview: "Next." },
        "zh-TW": { overview: "二。" },
        "fr-FR": { name: "Deux", overview: "Deux." },
      },
      { "zh-CN": { name: "終", overview: "完" }, "fr-FR": { name: "Trois", overview: "Fin." } },
    ],
  },
  "tv/900010/season/2": { by: {}, episodes: [{}, {}] },
};

const PLACEHOLDERS: Readonly<Record<string, readonly [season: string, episode: string]>> = {
  zh: ["第 # 季", "第 # 集"],
  de: ["Staffel #", "Episode #"],
  fr: ["Saison #", "Épisode #"],
};

/** What stands where a season or an episode has no name in a language. */
function placeholder(language: string, kind: 0 | 1, number: number): string {
  const forms = PLACEHOLDERS[language.slice(0, 2)] ?? ["Season #", "Episode #"];
  return forms[kind].replace("#", String(number));
}

/** A number that goes out exactly as its text says. */
function exact(text: string): Json {
  return (JSON as unknown as { rawJSON(text: string): Json }).rawJSON(text);
}

/** What the origin answers for a thing with holes; `null` for other paths. */
export function translatedAnswer(segments: readonly string[], query: URLSearchParams): Record<string, Json> | null {
  const path = segments.join("/");
  const language = query.get("language") || "en-US";
  const thing = things[path];
  const details = thing !== undefined ? thingDetails(thing, path, language) : seasonDetails(path, language);
  if (details === null) return null;
  for (const part of (query.get("append_to_response") ?? "").split(",")) {
    if (part === "translations") details[part] = { translations: translationsOf(path) };
    if (part === "images" && thing !== undefined) details[part] = imagesOf(thing, query);
    if (part === "external_ids") details[part] = { imdb_id: null };
  }
  return details;
}

function thingDetails(thing: Translated, path: string, language: string): Record<string, Json> {
  const texts = thing.by[language] ?? {};
  const details: Record<string, Json> = { adult: false, id: Number(path.split("/")[1]), popularity: exact("7.0") };
  if (thing.name !== undefined) {
    const [original, name] = thing.original!;
    details["original_language"] = original;
    details[`original_${thing.name[0]}`] = name;
    details[thing.name[0]] = texts[thing.name[1]] || name;
  }
  for (const text of thing.texts) details[text] = texts[text] ?? "";
  if (thing.name !== undefined) details["poster_path"] = (thing.posters ?? {})[language.slice(0, 2)] ?? null;
  return { ...details, vote_average: exact("8.0"), vote_count: exact("12345678901234567890") };
}

function translationsOf(path: string): Json {
  const episode = /^(tv\/\d+\/season\/\d+)\/episode\/(\d+)$/.exec(path);
  const by = things[path]?.by ?? seasons[path]?.by ?? seasons[episode?.[1] ?? ""]?.episodes[Number(episode?.[2]) - 1] ??
    {};
  const names = things[path] === undefined ? ["name", "overview"] : [
    ...(things[path].name === undefined ? [] : [things[path].name[1]]),
    ...things[path].texts,
  ];
  return Object.entries(by).map(([language, texts]) => ({
    iso_3166_1: language.slice(3),
    iso_639_1: language.slice(0, 2),
    name: language,
    english_name: language,
    data: Object.fromEntries(names.map((name) => [name, texts[name] ?? ""])),
  }));
}

/** Pictures in the languages that the query names; all where it names none. */
function imagesOf({ posters = {}, logos = {} }: Translated, query: URLSearchParams): Json {
  const named = [query.get("language")?.slice(0, 2), ...(query.get("include_image_language") ?? "").split(",")];
  const languages = named.filter((language) => language !== undefined && language !== "");
  const isNamed = (language: string) => languages.length === 0 || languages.includes(language);
  const picture = (language: string, path: string) => ({
    aspect_ratio: exact("0.670"),
    file_path: path,
    iso_3166_1: null,
    iso_639_1: language,
    vote_average: exact("5.0"),
  });
  return {
    backdrops: [],
    logos: Object.entries(logos).filter(([language]) => isNamed(language))
      .flatMap(([language, paths]) => paths.map((path) => picture(language, path))),
    posters: Object.entries(posters).filter(([language]) => isNamed(language))
      .map(([language, path]) => picture(language, path)),
  };
}

function seasonDetails(path: string, language: string): Record<string, Json> | null {
  const [season = "", episode] = path.split("/episode/");
  const found = seasons[season];
  if (found === undefined) return null;
  const number = Number(season.split("/")[3]);
  if (episode !== undefined) return episodeDetails(found, number, Number(episode), language);
  const texts = found.by[language] ?? {};
  return {
    _id: `s${number}`,
    air_date: "2020-01-01",
    episodes: found.episodes.map((_, index) => episodeDetails(found, number, index + 1, language)),
    name: texts["name"] || placeholder(language, 0, number),
    overview: texts["overview"] ?? "",
    id: 900_100 + number,
    poster_path: (found.poster ?? {})[language.slice(0, 2)] ?? null,
    season_number: number,
    vote_average: exact("7.0"),
  };
}

function episodeDetails(season: TranslatedSeason, number: number, episode: number, language: string) {
  const by = season.episodes[episode - 1];
  if (by === undefined) return null;
  const texts = by[language] ?? {};
  return {
    air_date: null,
    episode_number: episode,
    id: 900_000 + number * 100 + episode,
    name: texts["name"] || placeholder(language, 1, episode),
    overview: texts["overview"] ?? "",
    runtime: null,
    season_number: number,
    vote_average: exact("7.0"),
  };
}
