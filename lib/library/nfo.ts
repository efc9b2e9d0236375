import type { Title } from "./title.ts";

/** Why an `.nfo` file names no title. */
export type NfoSkip = "an episode or a season" | "an IMDb id alone" | "no TMDB id" | "a document type declaration";

/** What an `.nfo` file says of its title. */
export type NfoReading =
  | { readonly title: Pick<Title, "kind" | "id">; readonly skipped: null }
  | { readonly title: null; readonly skipped: NfoSkip };

const KINDS: ReadonlyMap<string, Title["kind"]> = new Map([["movie", "movie"], ["tvshow", "tv"]]);
/** Their ids are those of an episode or a season, which TMDB has no path for. */
const PARTS: ReadonlySet<string> = new Set(["episodedetails", "season"]);

const ID = /^[1-9]\d{0,9}$/;
const URL_OF_TITLE = /themoviedb\.org\/(movie|tv)\/([1-9]\d{0,9})(?!\d)/i;
/** Characters that an id and the attributes before it may take. */
const MAX_VALUE = 64;
const MAX_ATTRIBUTES = 256;

/**
 * Reads an `.nfo` file as Kodi, Jellyfin, Emby and MoviePilot write it: the id is in a child of the root, never in one of its actors
 * or its collection; or the file is an address, or ends in one. Nothing is expanded, and the time is linear in the length.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { readNfo } from "./nfo.ts";
 * const { title } = readNfo('<movie><uniqueid type="tmdb">550</uniqueid></movie>');
 * assert.deepEqual(title, { kind: "movie", id: 550 });
 * ```
 */
export function readNfo(text: string): NfoReading {
  // No media server writes one; what it declares would have to be expanded.
  if (/<!DOCTYPE/i.test(text)) return { title: null, skipped: "a document type declaration" };
  const root = readRoot(text);
  if (PARTS.has(root.name)) return { title: null, skipped: "an episode or a season" };
  const kind = KINDS.get(root.name);
  if (kind !== undefined && root.tmdb !== null) return { title: { kind, id: root.tmdb }, skipped: null };
  // What another program has written in angle brackets is text.
  const outside = kind === undefined ? text : `${text.slice(0, root.start)} ${text.slice(root.end)}`;
  const address = URL_OF_TITLE.exec(outside);
  if (address === null) return { title: null, skipped: root.hasImdb ? "an IMDb id alone" : "no TMDB id" };
  const [, word, id] = address;
  return { title: { kind: word!.toLowerCase() as Title["kind"], id: Number(id) }, skipped: null };
}

/** The first element of a text, as far as it is of use. */
interface Root {
  /** In lower case; empty where there is none. */
  readonly name: string;
  /** Where it begins and ends. */
  readonly start: number;
  readonly end: number;
  readonly tmdb: number | null;
  readonly hasImdb: boolean;
}

function readRoot(text: string): Root {
  let [name, start, end, depth] = ["", 0, text.length, 0];
  let tmdb: number | null = null;
  let hasImdb = false;
  for (const tag of tagsIn(text)) {
    if (tag.form !== "close" && name === "") [name, start] = [tag.name, tag.start];
    else if (tag.form === "open" && depth === 1) {
      const kind = idKind(tag);
      const value = text.slice(tag.end, tag.end + MAX_VALUE).split("<", 1)[0]!.trim();
      if (kind === "tmdb" && ID.test(value)) tmdb ??= Number(value);
      if (kind === "imdb" || value.startsWith("tt") && tag.name === "id") hasImdb = true;
    }
    depth += tag.form === "open" ? 1 : tag.form === "close" ? -1 : 0;
    if (depth > 0) continue;
    end = tag.end;
    break;
  }
  return { name, start, end, tmdb, hasImdb };
}

/** Whose id an element holds. */
function idKind({ name, attributes }: Tag): string | null {
  if (name !== "uniqueid") return /^(tmdb|imdb)_?id$/.exec(name)?.[1] ?? null;
  const [, double, single] = /(?:^|\s)type\s*=\s*(?:"([^"]*)"|'([^']*)')/i.exec(attributes) ?? [];
  return (double ?? single)?.toLowerCase() ?? null;
}

/** A tag of an element. */
interface Tag {
  readonly form: "open" | "close" | "empty";
  /** In lower case. */
  readonly name: string;
  readonly attributes: string;
  /** Its place in the text; the end is behind it. */
  readonly start: number;
  readonly end: number;
}

const NAME = /[A-Za-z_][\w:.-]{0,63}/y;
/** What may hold angle brackets that begin no tag. */
const QUOTED = [["<!--", "-->"], ["<![CDATA[", "]]>"], ["<?", "?>"]] as const;

/** The tags of a text, up to where it breaks off. */
function* tagsIn(text: string): Generator<Tag> {
  let at = text.indexOf("<");
  while (at >= 0) {
    const start = at;
    const quoted = QUOTED.find(([begin]) => text.startsWith(begin, start));
    const isClose = text[start + 1] === "/";
    NAME.lastIndex = start + (isClose ? 2 : 1);
    const name = quoted === undefined ? NAME.exec(text)?.[0] : undefined;
    let end = start + 1;
    if (quoted !== undefined) end = behind(text, quoted[1], start + quoted[0].length);
    else if (name !== undefined) end = endOfTag(text, start + 1);
    // What is not closed has no tags behind it; to look on would take the square of the time.
    if (end < 0) return;
    if (name !== undefined) {
      const form = isClose ? "close" : text[end - 2] === "/" ? "empty" : "open";
      const from = start + (isClose ? 2 : 1) + name.length;
      const attributes = text.slice(from, Math.min(end - 1, from + MAX_ATTRIBUTES));
      yield { form, name: name.toLowerCase(), attributes, start, end };
    }
    at = text.indexOf("<", end);
  }
}

/** The place behind a tag; -1 where it is not closed. */
function endOfTag(text: string, from: number): number {
  for (let at = from; at < text.length; at++) {
    const character = text[at];
    if (character === ">") return at + 1;
    if (character === "<") return -1;
    if (character !== '"' && character !== "'") continue;
    at = text.indexOf(character, at + 1);
    if (at < 0) return -1;
  }
  return -1;
}

function behind(text: string, mark: string, from: number): number {
  const at = text.indexOf(mark, from);
  return at < 0 ? -1 : at + mark.length;
}
