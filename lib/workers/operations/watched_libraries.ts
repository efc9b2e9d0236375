import { pause } from "../../clock.ts";
import { clientTargets } from "../../clients/client_requests.ts";
import type { PrewarmConfig } from "../../config/prewarm.ts";
import { readLibrary } from "../../library/read_library.ts";
import type { Title } from "../../library/title.ts";

/** As much of a listener as says which library is its. */
export interface LibraryListener {
  readonly name: string;
  readonly prewarm: PrewarmConfig;
}

/** Pause of a look at a library after every few folders: the supervisor has more to do. */
const REST_MS = 20;

/** What the media libraries of listeners hold, as far as they were read. */
export class WatchedLibraries {
  readonly #signal: AbortSignal;
  /** By listener: what was asked for, and each title by the name of its tag. */
  readonly #read = new Map<string, { readonly as: string; readonly titles: ReadonlyMap<string, Title> }>();

  /** @param signal ends pauses */
  constructor(signal: AbortSignal) {
    this.#signal = signal;
  }

  /** Whether the library was read with the same settings. */
  knows(listener: LibraryListener): boolean {
    return this.#read.get(listener.name)?.as === settingsOf(listener);
  }

  /** Paths of all that the clients ask for. @throws {Error} where the library cannot be read; its message is for the operator */
  async all(listener: LibraryListener): Promise<string[]> {
    return targetsOf([...(await this.#look(listener)).values()], listener);
  }

  /** The same of titles and seasons that were not there the last time. @throws as {@linkcode all} */
  async unseen(listener: LibraryListener): Promise<string[]> {
    const before = this.knows(listener) ? this.#read.get(listener.name)?.titles : undefined;
    const fresh = [...await this.#look(listener)].filter(([name, { seasons }]) => {
      const known = before?.get(name);
      return known === undefined || seasons.some((season) => !known.seasons.includes(season));
    });
    return targetsOf(fresh.map(([, title]) => title), listener);
  }

  /** The same of the titles that have one of these tags, such as `movie:550`. */
  tagged(listener: LibraryListener, tags: readonly string[]): string[] {
    const known = this.#read.get(listener.name)?.titles;
    return targetsOf(tags.flatMap((tag) => known?.get(tag) ?? []), listener);
  }

  /** Forgets libraries of other listeners than these. */
  keepOnly(listeners: readonly LibraryListener[]): void {
    const kept = new Set(listeners.filter(({ prewarm }) => prewarm.nfo !== null).map(({ name }) => name));
    for (const name of this.#read.keys()) if (!kept.has(name)) this.#read.delete(name);
  }

  async #look(listener: LibraryListener): Promise<ReadonlyMap<string, Title>> {
    const as = settingsOf(listener);
    const rest = () => pause(REST_MS, this.#signal);
    const { titles } = await readLibrary(listener.prewarm.nfo!, { rest });
    const named = new Map(titles.map((title) => [`${title.kind}:${title.id}`, title]));
    this.#read.set(listener.name, { as, titles: named });
    return named;
  }
}

function settingsOf({ prewarm: { nfo, clients, language, images } }: LibraryListener): string {
  return JSON.stringify([nfo, clients, language, images]);
}

function targetsOf(titles: readonly Title[], { prewarm: { clients, language } }: LibraryListener): string[] {
  return titles.length === 0 ? [] : clientTargets({ titles, clients, language });
}
