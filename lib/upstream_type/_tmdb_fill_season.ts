import { type JsonEdit, spliced } from "../http/json_edit.ts";
import { JsonView } from "../http/json_view.ts";
import { type FillAsk, isSame, keyPairs } from "./_tmdb_languages.ts";
import type { FilledDocument, FillPlan } from "./type_traits.ts";

/** Episodes of a season that are filled; further ones stay as they are. */
const MAX_EPISODES = 2_000;

/** Whether a name is what TMDB puts where there is none. */
type IsPlaceholder = (name: string, number: unknown) => boolean;

/** A value that is missing. */
interface Hole {
  /** Its kind in words, one and several. */
  readonly kind: readonly [one: string, several: string];
  readonly edit: (text: string) => JsonEdit;
  /** The same value of another language's document, as it is written there; `null` where that has none either. */
  readonly in: (other: Season) => string | null;
}

/** How a season is filled: with the same season in one language after the other, since its translations say nothing of episodes. */
export function seasonPlan(
  { asked, languages, query }: FillAsk,
  placeholders: { readonly isEpisode: IsPlaceholder; readonly isSeason: IsPlaceholder },
): FillPlan {
  return {
    name: `${asked} ${languages.join(",")}`,
    fill(document, parts) {
      const view = JsonView.of(document);
      if (view === null) return null;
      const season = new Season(view, placeholders);
      let open = season.holes();
      const edits: JsonEdit[] = [];
      const filled: string[] = [];
      for (const [index, part] of parts.entries()) {
        const other = JsonView.of(part);
        if (other === null) continue;
        const { made, left } = fillFrom(new Season(other, placeholders), open);
        open = left;
        edits.push(...made.map(({ edit }) => edit));
        filled.push(...counted(made.map(({ hole }) => hole), languages[index]!));
      }
      const next = open.length === 0 ? undefined : languages[parts.length];
      return {
        document: spliced(document, edits.toSorted((a, b) => a.start - b.start)),
        filled,
        next: next === undefined ? null : queriesFor(next, keyPairs(query)),
      } satisfies FilledDocument;
    },
  };
}

/** TMDB's own language is the one of a request that names none. */
function queriesFor(language: string, keys: readonly string[]): readonly string[] {
  const query = [...keys, `language=${language}`].join("&");
  return isSame(language, "en-US") ? [keys.join("&"), query] : [query];
}

function fillFrom(other: Season, holes: readonly Hole[]) {
  const made: { readonly hole: Hole; readonly edit: JsonEdit }[] = [];
  const left: Hole[] = [];
  for (const hole of holes) {
    const text = hole.in(other);
    if (text === null) left.push(hole);
    else made.push({ hole, edit: hole.edit(text) });
  }
  return { made, left };
}

/** How many holes of each kind a language has filled, in words. */
function counted(holes: readonly Hole[], language: string): string[] {
  const counts = new Map<Hole["kind"], number>();
  for (const { kind } of holes) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  return [...counts].map(([[one, several], count]) => `${count === 1 ? one : `${count} ${several}`} (${language})`);
}

const NAME = ["name", "names"] as const;
const OVERVIEW = ["overview", "overviews"] as const;
const POSTER = ["poster_path", "poster_paths"] as const;
const EPISODE_NAME = ["episode name", "episode names"] as const;
const EPISODE_OVERVIEW = ["episode overview", "episode overviews"] as const;

/** A season's document. */
class Season {
  readonly #view: JsonView;
  readonly #placeholders: { readonly isEpisode: IsPlaceholder; readonly isSeason: IsPlaceholder };
  #episodes: ReadonlyMap<number, JsonView> | null = null;

  constructor(view: JsonView, placeholders: { readonly isEpisode: IsPlaceholder; readonly isSeason: IsPlaceholder }) {
    this.#view = view;
    this.#placeholders = placeholders;
  }

  /** What it lacks, in the order of the document. */
  holes(): readonly Hole[] {
    const own = (kind: Hole["kind"], member: string, textIn: Hole["in"]): Hole => ({
      kind,
      edit: (text) => this.#view.edit(member, text),
      in: textIn,
    });
    const holes: Hole[] = [];
    if (isTextOrNull(this.#view, "name") && this.name === null) {
      holes.push(own(NAME, "name", (other) => other.name));
    }
    if (isEmpty(this.#view, "overview")) holes.push(own(OVERVIEW, "overview", ({ view }) => textIn(view, "overview")));
    if (this.#view.value("poster_path") === null) {
      holes.push(own(POSTER, "poster_path", ({ view }) => textIn(view, "poster_path")));
    }
    for (const [number, episode] of this.episodes) holes.push(...this.#holesOf(episode, number));
    return holes;
  }

  #holesOf(episode: JsonView, number: number): Hole[] {
    const holes: Hole[] = [];
    const there = (other: Season) => other.episodes.get(number);
    if (isTextOrNull(episode, "name") && this.nameOf(episode) === null) {
      holes.push({
        kind: EPISODE_NAME,
        edit: (text) => episode.edit("name", text),
        in: (other) => other.nameOf(there(other)),
      });
    }
    if (isEmpty(episode, "overview")) {
      holes.push({
        kind: EPISODE_OVERVIEW,
        edit: (text) => episode.edit("overview", text),
        in: (other) => textIn(there(other), "overview"),
      });
    }
    return holes;
  }

  get view(): JsonView {
    return this.#view;
  }

  /** By their numbers. */
  get episodes(): ReadonlyMap<number, JsonView> {
    return this.#episodes ??= new Map(
      this.#view.objects("episodes", MAX_EPISODES).flatMap((episode) => {
        const number = episode.value("episode_number");
        return typeof number === "number" ? [[number, episode]] : [];
      }),
    );
  }

  /** The season's name as it is written; `null` where it has none of its own. */
  get name(): string | null {
    const { isSeason } = this.#placeholders;
    const number = this.#view.value("season_number");
    const name = this.#view.value("name");
    // TMDB calls the specials so in every language.
    if (number === 0) return textIn(this.#view, "name");
    return typeof name === "string" && isSeason(name, number) ? null : textIn(this.#view, "name");
  }

  /** The same of one of its episodes. */
  nameOf(episode: JsonView | undefined): string | null {
    const name = episode?.value("name");
    const { isEpisode } = this.#placeholders;
    return typeof name === "string" && isEpisode(name, episode!.value("episode_number"))
      ? null
      : textIn(episode, "name");
  }
}

function isEmpty(view: JsonView, member: string): boolean {
  const value = view.value(member);
  return value === "" || value === null;
}

/** Whether a member is what names are; nothing else is taken for a hole. */
function isTextOrNull(view: JsonView, member: string): boolean {
  const value = view.value(member);
  return typeof value === "string" || value === null;
}

/** A text as it is written; `null` where it is missing or blank. */
function textIn(view: JsonView | undefined, member: string): string | null {
  return view?.isText(member) ? view.text(member) : null;
}
