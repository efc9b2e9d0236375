import { canonicalText, isApiKey } from "./_canonical_query.ts";

/** A request for a document, as far as it says how that is filled. */
export interface FillAsk {
  /** The language that it is in. */
  readonly asked: string;
  /** The languages that it is filled from, in this order; one at least. */
  readonly languages: readonly string[];
  /** Raw; what is in it of the client's key, every part is asked with too. */
  readonly query: string;
}

/** TMDB's language where a request names none. */
const DEFAULT = "en-US";
const FORM = /^[A-Za-z]{2,3}(?:-[A-Za-z]{2,4})?$/;

/** The language that a query asks for; `null` where it names one twice, or none that TMDB has. */
export function askedLanguage(query: string): string | null {
  const named = query.includes("%")
    ? decodedLanguages(query)
    : [...query.matchAll(PLAIN)].map(([, value = ""]) => value);
  if (named.length > 1) return null;
  const language = named[0] ?? "";
  return language === "" ? DEFAULT : FORM.test(language) ? language : null;
}

/** The pairs of a query that name the client's application key, as they are written. */
export function keyPairs(query: string): readonly string[] {
  return query.split("&").filter((pair) => isApiKey(canonicalText(pair.split("=", 1)[0]!)));
}

const PLAIN = /(?:^|&)language(?:=([^&]*))?(?=&|$)/g;

function decodedLanguages(query: string): string[] {
  return query.split("&").flatMap((pair) => {
    const [name = "", value = ""] = pair.split(/=(.*)/s, 2);
    return canonicalText(name) === "language" ? [canonicalText(value)] : [];
  });
}

/**
 * The languages of a list that a language is filled from: those behind it, or all where it is not on the list.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { languagesAfter } from "./_tmdb_languages.ts";
 * assert.deepEqual(languagesAfter("zh-CN", ["zh-TW", "en-US"]), ["zh-TW", "en-US"]);
 * assert.deepEqual(languagesAfter("zh-tw", ["zh-TW", "en-US"]), ["en-US"]);
 * assert.deepEqual(languagesAfter("en", ["zh-TW", "en-US"]), []);
 * ```
 */
export function languagesAfter(asked: string, languages: readonly string[]): readonly string[] {
  const at = languages.findIndex((language) => isSame(asked, language));
  return at < 0 ? languages : languages.slice(at + 1);
}

/** Regions that TMDB takes where a language is named without one; the language's own letters where it is not here. */
const REGIONS: Readonly<Record<string, string>> = {
  ...{
    ar: "sa",
    be: "by",
    bn: "bd",
    ca: "es",
    cs: "cz",
    da: "dk",
    el: "gr",
    en: "us",
    et: "ee",
    eu: "es",
    fa: "ir",
    gl: "es",
  },
  ...{
    he: "il",
    hi: "in",
    ja: "jp",
    ka: "ge",
    kk: "kz",
    ko: "kr",
    ml: "in",
    ms: "my",
    nb: "no",
    sl: "si",
    sq: "al",
    sr: "rs",
  },
  ...{ sv: "se", ta: "in", te: "in", tl: "ph", uk: "ua", ur: "pk", vi: "vn", zh: "cn" },
};

/** A language's name in lower case, with the region that it means. */
function named(language: string): string {
  const lower = language.toLowerCase();
  return lower.includes("-") ? lower : `${lower}-${REGIONS[lower] ?? lower}`;
}

/** Whether two names mean one language to TMDB. */
export function isSame(a: string, b: string): boolean {
  return named(a) === named(b);
}

/** The language without its region, in lower case. */
export function baseOf(language: string): string {
  return language.toLowerCase().split("-", 1)[0]!;
}

/** Whether the codes of a translation name a language. */
export function isIn(language: string, { iso6391, iso31661 }: TranslationCodes): boolean {
  return typeof iso6391 === "string" && typeof iso31661 === "string" && isSame(language, `${iso6391}-${iso31661}`);
}

/** A translation's language (ISO 639-1) and region (ISO 3166-1), if they are what they should be. */
export interface TranslationCodes {
  readonly iso6391: unknown;
  readonly iso31661: unknown;
}

/** Names that TMDB gives an episode without a name, by the text around its number: a word before it, or signs around it. */
const EPISODE = placeholder(
  "Aflevering|Afsnit|Avsnitt|Bölüm|Capítulo|Episode|Episodi|Episodio|Episodul|Episódio|Epizod|Epizoda|Epizóda|Folge|Jakso|" +
    "Odcinek|Osa|Tập|Épisode|Επεισόδιο|Епизод|Епізод|Серия|Серія|Эпизод|פרק|الحلقة|ตอนที่|エピソード|에피소드",
  "[集话話回期]|화|[.] ?(?:rész|bölüm|epizod|epizoda|díl)",
);

/** The same of a season. */
const SEASON = placeholder(
  "Kausi|Mùa|Saison|Season|Seizoen|Sesong|Sezon|Sezona|Sezonul|Staffel|Stagione|Säsong|Sæson|Temporada|Série|Évad|Σεζόν|" +
    "Κύκλος|Сезон|עונה|الموسم|ฤดูกาลที่|ซีซันที่|シーズン|시즌",
  "[季部]|기|[.] ?(?:évad|sezon|sezona|série|séria)",
);

function placeholder(before: string, behind: string): RegExp {
  return new RegExp(`^(?:(?:${before})\\s*(\\d+)|第?\\s*(\\d+)\\s*(?:${behind}))$`, "iu");
}

/** Whether a text is what TMDB puts in the place of an episode's name where a language has none: `Episode 5`, `第 5 集`. */
export function isEpisodePlaceholder(name: string, number: unknown): boolean {
  return numberIn(EPISODE, name) === number;
}

/** The same of a season's name: `Season 5`, `第 5 季`. */
export function isSeasonPlaceholder(name: string, number: unknown): boolean {
  return numberIn(SEASON, name) === number;
}

function numberIn(form: RegExp, name: string): number | null {
  const found = form.exec(name.trim());
  return found === null ? null : Number(found[1] ?? found[2]);
}
