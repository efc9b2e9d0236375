/** What a title is, as TMDB's paths say it. */
export type TitleKind = "movie" | "tv";

/** A title of a media library. */
export interface Title {
  readonly kind: TitleKind;
  /** TMDB's number. */
  readonly id: number;
  /** Numbers of the seasons that the library holds of it, 0 for specials; none for a film. */
  readonly seasons: readonly number[];
}

/** Titles that one library may have. */
export const MAX_TITLES = 200_000;

/** Collects titles, each once with all of its seasons. */
export class TitleSet {
  readonly #titles = new Map<
    string,
    { readonly kind: TitleKind; readonly id: number; readonly seasons: Set<number> }
  >();

  /** @throws {Error} where there are too many; its message is for the operator */
  add({ kind, id, seasons }: Title): void {
    const name = `${kind}:${id}`;
    const title = this.#titles.get(name) ?? { kind, id, seasons: new Set() };
    for (const season of seasons) title.seasons.add(season);
    this.#titles.set(name, title);
    if (this.#titles.size > MAX_TITLES) throw new Error(`There are more than ${MAX_TITLES} titles`);
  }

  /** In the order in which they were added. */
  list(): Title[] {
    return [...this.#titles.values()].map(({ kind, id, seasons }) => ({
      kind,
      id,
      seasons: [...seasons].sort((a, b) => a - b),
    }));
  }
}

const LINE = /^(movie|tv):([1-9]\d{0,9})$/;

/**
 * The titles in a text, one a line as `movie:550` or `tv:1399`; `#` begins a comment.
 *
 * @throws {Error} naming the line that is none
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { titlesIn } from "./title.ts";
 * assert.deepEqual(titlesIn("movie:550 # Fight Club\n", "ids"), [{ kind: "movie", id: 550, seasons: [] }]);
 * ```
 */
export function titlesIn(text: string, name: string): Title[] {
  const titles = new TitleSet();
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    const id = line.replace(/(?:^|\s)#.*$/, "").trim();
    if (id === "") continue;
    const match = LINE.exec(id);
    if (match === null) throw new Error(`${name}:${index + 1}: movie:550 or tv:1399 is needed`);
    titles.add({ kind: match[1] as TitleKind, id: Number(match[2]), seasons: [] });
  }
  return titles.list();
}
