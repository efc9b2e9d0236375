import { type JsonEdit, spliced } from "../http/json_edit.ts";
import { JsonView } from "../http/json_view.ts";
import { baseOf, type FillAsk, isIn, isSame, keyPairs } from "./_tmdb_languages.ts";
import type { FilledDocument, FillPlan } from "./type_traits.ts";

/** A name that TMDB gives in the original language where there is none in the asked one. */
interface NameByOriginal {
  readonly member: string;
  readonly original: string;
  /** Its member in a translation's `data`. */
  readonly translated: string;
}

/** A name that TMDB makes of a number where there is none. */
interface NameByNumber {
  readonly member: string;
  readonly number: string;
  readonly isPlaceholder: (name: string, number: unknown) => boolean;
  readonly translated: string;
}

/** What documents of one kind say in one language. */
export interface DetailsShape {
  /** `null` where it is the same in all languages. */
  readonly name: NameByOriginal | NameByNumber | null;
  /** Members that are empty where there is no text, under the same names in translations. */
  readonly texts: readonly string[];
}

/** Translations that are looked at; TMDB has fewer than 200 languages. */
const MAX_TRANSLATIONS = 400;
/** Pictures that are looked at, of each kind. */
const MAX_PICTURES = 1_000;

/** Lists of pictures that are in a language. */
const PICTURE_LISTS = ["logos", "posters"];

/** How the details of one thing are filled: with one part at most, which has the translations into all languages. */
export function detailsPlan(ask: FillAsk, shape: DetailsShape): FillPlan {
  const { asked, languages } = ask;
  return {
    name: `${asked} ${languages.join(",")}`,
    fill(document, parts) {
      const view = JsonView.of(document);
      return view === null ? null : new Details(view, { ask, shape, parts }).filled(document);
    },
  };
}

interface DetailsParts {
  readonly ask: FillAsk;
  readonly shape: DetailsShape;
  readonly parts: readonly Uint8Array[];
}

/** A document's holes, and what fills them. */
class Details {
  readonly #view: JsonView;
  readonly #ask: FillAsk;
  readonly #shape: DetailsShape;
  readonly #isLast: boolean;
  readonly #part: JsonView | null;
  /** Translations' data by their language; `null` where no document so far has them. */
  readonly #translations: readonly Translation[] | null;
  readonly #edits: JsonEdit[] = [];
  readonly #filled: string[] = [];
  #lacksTranslations = false;
  #lacksPictures = false;

  constructor(view: JsonView, { ask, shape, parts }: DetailsParts) {
    this.#view = view;
    this.#ask = ask;
    this.#shape = shape;
    this.#isLast = parts.length > 0;
    this.#part = parts.length === 0 ? null : JsonView.of(parts[0]!);
    this.#translations = translationsOf(view) ?? (this.#part === null ? null : translationsOf(this.#part));
  }

  filled(document: Uint8Array<ArrayBuffer>): FilledDocument {
    if (this.#shape.name !== null) this.#fillName(this.#shape.name);
    for (const text of this.#shape.texts) {
      const value = this.#view.value(text);
      if (value === "" || value === null) this.#fillText(text, text);
    }
    this.#fillPoster();
    for (const list of PICTURE_LISTS) this.#fillPictures(list);
    const edits = this.#edits.toSorted((a, b) => a.start - b.start);
    return { document: spliced(document, edits), filled: this.#filled, next: this.#next() };
  }

  #fillName(name: NameByOriginal | NameByNumber): void {
    const value = this.#view.value(name.member);
    if (typeof value !== "string" || !this.#mayLackName(name, value)) return;
    if (this.#translations === null) {
      this.#lacksTranslations = true;
      return;
    }
    // Where there is a translation of the name, it is no hole, however it reads.
    const { asked } = this.#ask;
    if (value !== "" && this.#translations.some((one) => isIn(asked, one) && textIn(one, name.translated) !== null)) {
      return;
    }
    const isPlaceholder = "number" in name
      ? (text: string) => name.isPlaceholder(text, this.#view.value(name.number))
      : null;
    this.#fillText(name.member, name.translated, isPlaceholder);
  }

  /** Whether a name may be none of the asked language: whether it is, translations say. */
  #mayLackName(name: NameByOriginal | NameByNumber, value: string): boolean {
    if (value === "") return true;
    if ("number" in name) {
      const number = this.#view.value(name.number);
      return typeof number === "number" && value.includes(String(number));
    }
    const original = this.#view.value("original_language");
    return value === this.#view.value(name.original) && typeof original === "string" &&
      baseOf(original) !== baseOf(this.#ask.asked);
  }

  /** Fills a member with the first text that a translation has for it. */
  #fillText(member: string, translated: string, isNone: ((text: string) => boolean) | null = null): void {
    if (this.#translations === null) {
      this.#lacksTranslations = true;
      return;
    }
    const { name } = this.#shape;
    const isOriginal = name !== null && "original" in name && member === name.member && this.#view.value(member) !== "";
    for (const language of this.#ask.languages) {
      // The name in the original language is there already; its translation says nothing.
      if (isOriginal && baseOf(String(this.#view.value("original_language"))) === baseOf(language)) return;
      const found = this.#translations.find((one) => isIn(language, one));
      const text = found === undefined ? null : textIn(found, translated);
      if (text === null || isNone?.(JSON.parse(text)) === true) continue;
      if (text !== this.#view.text(member)) this.#edit(member, text, language);
      return;
    }
  }

  #edit(member: string, text: string, language: string): void {
    this.#edits.push(this.#view.edit(member, text));
    this.#filled.push(`${member} (${language})`);
  }

  #fillPoster(): void {
    if (this.#view.value("poster_path") !== null) return;
    const [poster, language] = this.#pictures("posters") ?? [];
    const named = poster?.find((picture) => picture.isText("file_path"));
    if (named !== undefined) this.#edit("poster_path", named.text("file_path")!, language!);
    else if (poster === undefined) this.#lacksPictures = true;
  }

  /** Fills a list of pictures that the client has asked for and that is empty. */
  #fillPictures(list: string): void {
    const images = this.#view.object("images");
    const value = images?.value(list);
    if (images == null || !Array.isArray(value) || value.length > 0) return;
    const [pictures, language] = this.#pictures(list) ?? [];
    if (pictures === undefined) {
      this.#lacksPictures = true;
      return;
    }
    this.#edits.push(images.edit(list, `[${pictures.map(({ written }) => written).join(",")}]`));
    this.#filled.push(`${list} (${language})`);
  }

  /** The pictures of the first language that has some, and the language; `null` where none is known. */
  #pictures(list: string): [JsonView[], string] | null {
    for (const source of [this.#view, this.#part]) {
      const pictures = source?.object("images")?.objects(list, MAX_PICTURES) ?? [];
      for (const language of this.#ask.languages) {
        const own = pictures.filter((picture) => picture.value("iso_639_1") === baseOf(language));
        const exact = own.filter((picture) => picture.value("iso_3166_1") === language.split("-")[1]?.toUpperCase());
        if (own.length > 0) return [exact.length > 0 ? exact : own, language];
      }
    }
    return null;
  }

  /** One part has all that can fill the document. */
  #next(): readonly string[] | null {
    if (this.#isLast || !(this.#lacksTranslations || this.#lacksPictures)) return null;
    const { asked, languages } = this.#ask;
    const query = (...pairs: readonly string[]) => [...keyPairs(this.#ask.query), ...pairs].join("&");
    if (this.#lacksPictures) {
      const parts = this.#lacksTranslations ? "images,translations" : "images";
      const of = [...new Set(languages.map(baseOf))].join(",");
      return [query(`append_to_response=${parts}`, `include_image_language=${of}`)];
    }
    const others = languages.filter((language) => !isSame(language, asked));
    const append = "append_to_response=translations";
    // Each has the same translations, whatever language it is in; one without serves all languages.
    return [...[asked, ...others].map((language) => query(append, `language=${language}`)), query(append)];
  }
}

/** One of a document's translations. */
interface Translation {
  readonly iso6391: unknown;
  readonly iso31661: unknown;
  readonly data: JsonView;
}

function translationsOf(view: JsonView): readonly Translation[] | null {
  const appended = view.object("translations");
  if (appended === null) return null;
  return appended.objects("translations", MAX_TRANSLATIONS).flatMap((one) => {
    const data = one.object("data");
    return data === null ? [] : [{ iso6391: one.value("iso_639_1"), iso31661: one.value("iso_3166_1"), data }];
  });
}

/** A text of a translation, as it is written; `null` where it has none. */
function textIn({ data }: Translation, member: string): string | null {
  return data.isText(member) ? data.text(member) : null;
}
