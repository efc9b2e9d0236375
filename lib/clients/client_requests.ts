import type { Title } from "../library/title.ts";
import { clientNamed } from "./client_table.ts";

/** Clients whose requests are known, by the names that the command line takes. */
export const CLIENT_NAMES = ["jellyfin", "kodi", "moviepilot", "seerr"] as const;

/** A name of {@linkcode CLIENT_NAMES}. */
export type ClientName = typeof CLIENT_NAMES[number];

/** What a client asks for when it scans a title that it knows by its id. */
interface ClientRequests {
  /** In which it asks where its user has chosen none. */
  readonly language: string;
  /** Asked once. */
  readonly common: readonly string[];
  /** Queries of a title's own document, in a language. */
  readonly movie: (language: string) => readonly string[];
  readonly tv: (language: string) => readonly string[];
  readonly season: (language: string) => readonly string[];
}

/** Read in the clients' sources; parts of `append_to_response` count as a set, and parameters in any order. */
const REQUESTS: Readonly<Record<ClientName, ClientRequests>> = {
  jellyfin: {
    language: "en",
    common: ["/3/configuration"],
    movie: (l) => [`language=${l}&${jellyfinImages(l)}&append_to_response=credits,keywords,releases,images,videos`],
    tv: (l) => [
      `language=${l}&${jellyfinImages(l)}&append_to_response=` +
      "credits,images,keywords,external_ids,videos,content_ratings,episode_groups,aggregate_credits",
    ],
    season: (l) => [`language=${l}&${jellyfinImages(l)}&append_to_response=credits,images,external_ids,videos`],
  },
  kodi: {
    language: "en-US",
    common: ["/3/configuration"],
    movie: (l) => [
      `language=${l}&append_to_response=trailers,images,releases,casts,keywords`,
      "append_to_response=trailers,images",
    ],
    tv: (l) => [
      `language=${l}&append_to_response=credits,content_ratings,external_ids,images,videos&${kodiLanguages(l)}`,
    ],
    season: (l) => [`language=${l}&append_to_response=credits,images&${kodiLanguages(l)}`],
  },
  moviepilot: {
    language: "zh",
    common: [],
    movie: (l) => [
      "append_to_response=images,credits,alternative_titles,translations,release_dates,external_ids" +
      `&language=${l}`,
    ],
    tv: (l) => [
      "append_to_response=images,credits,alternative_titles,translations,content_ratings,external_ids,episode_groups" +
      `&language=${l}`,
    ],
    season: (l) => [`append_to_response=videos,trailers,images,credits,translations&language=${l}`],
  },
  seerr: {
    language: "en",
    common: [],
    movie: (l) => [
      `language=${l}&append_to_response=credits,external_ids,videos,keywords,release_dates,watch/providers` +
      `&include_video_language=${l}`,
    ],
    tv: (l) => [
      `language=${l}&append_to_response=` +
      "aggregate_credits,credits,external_ids,keywords,videos,content_ratings,watch/providers" +
      `&include_video_language=${l}`,
    ],
    season: (l) => [`language=${l}&append_to_response=external_ids`],
  },
};

function jellyfinImages(language: string): string {
  return `include_image_language=${language === "en" ? "en,null" : `${language},null,en`}`;
}

function kodiLanguages(language: string): string {
  const own = `${language.slice(0, 2)},en,null`;
  return `include_image_language=${own}&include_video_language=${own}`;
}

/** What to fetch for a library. */
export interface ClientOrder {
  readonly titles: readonly Title[];
  /** With none, the plain documents. */
  readonly clients: readonly ClientName[];
  /** `null` is each client's own. */
  readonly language: string | null;
}

/** The paths that the clients ask for when they scan the titles, each once. */
export function clientTargets({ titles, clients, language }: ClientOrder): string[] {
  const plain = language === null ? "" : `?language=${language}`;
  const targets = new Set(clients.flatMap((client) => REQUESTS[client].common));
  for (const title of titles) {
    for (const path of clients.length === 0 ? [title, ...seasonsOf(title)].map((one) => pathOf(one) + plain) : []) {
      targets.add(path);
    }
    for (const client of clients) {
      const { movie, tv, season, language: own } = REQUESTS[client];
      const asked = language ?? own;
      for (const query of title.kind === "movie" ? movie(asked) : tv(asked)) targets.add(`${pathOf(title)}?${query}`);
      for (const part of seasonsOf(title)) {
        for (const query of season(asked)) targets.add(`${pathOf(part)}?${query}`);
      }
    }
  }
  return [...targets];
}

/** The document in which a client finds a title's pictures. */
export function documentTarget(title: Title, client: ClientName, language: string | null): string {
  const { movie, tv, language: own } = REQUESTS[client];
  return `${pathOf(title)}?${(title.kind === "movie" ? movie : tv)(language ?? own)[0]}`;
}

const PICTURE = /^\/[A-Za-z0-9]{1,64}\.(?:jpg|png|svg)$/;

/** The paths of the pictures that a client takes from a document: its poster and its backdrop. */
export function pictureTargets(document: unknown, client: ClientName): string[] {
  const named = (document ?? {}) as Readonly<Record<string, unknown>>;
  const { poster, backdrop } = clientNamed(client)!.sizes;
  return ([["poster_path", poster], ["backdrop_path", backdrop]] as const).flatMap(([name, size]) => {
    const path = named[name];
    return typeof path === "string" && PICTURE.test(path) ? [`/t/p/${size}${path}`] : [];
  });
}

interface Season {
  readonly id: number;
  readonly season: number;
}

function seasonsOf({ id, seasons }: Title): Season[] {
  return seasons.map((season) => ({ id, season }));
}

function pathOf(one: Title | Season): string {
  return "season" in one ? `/3/tv/${one.id}/season/${one.season}` : `/3/${one.kind}/${one.id}`;
}
