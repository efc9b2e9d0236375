import { artworkId, dimensions, filePath, listedSizes } from "./artwork.ts";
import { type Film, films, genres, people, type Person, type Series, series, translatedTitles } from "./catalog.ts";

/** Any value that goes out as JSON. */
export type Json = unknown;

/** A part of the catalog: films and series, with the name that paths give them. */
export type Title = { readonly kind: "movie"; readonly film: Film } | { readonly kind: "tv"; readonly show: Series };

/** A number that goes out exactly as its text says: 7.0 stays 7.0 and large integers keep their last digit. */
function exactNumber(text: string): Json {
  return (JSON as unknown as { rawJSON(text: string): Json }).rawJSON(text);
}

/** A title's id. */
export function titleId(title: Title): number {
  return title.kind === "movie" ? title.film.id : title.show.id;
}

/** `movie/550`: what ratings and pictures belong to. */
export function ownerOf(title: Title): string {
  return `${title.kind}/${titleId(title)}`;
}

/** Finds a film or a series by its id. */
export function findTitle(kind: "movie" | "tv", id: number): Title | null {
  if (kind === "movie") {
    const film = films.find((candidate) => candidate.id === id);
    return film === undefined ? null : { kind, film };
  }
  const show = series.find((candidate) => candidate.id === id);
  return show === undefined ? null : { kind, show };
}

/** All films or all series. */
export function titlesOf(kind: "movie" | "tv"): readonly Title[] {
  return kind === "movie" ? films.map((film) => ({ kind, film })) : series.map((show) => ({ kind, show }));
}

/** Name of a title in a language. */
export function nameOf(title: Title, language: string): string {
  const name = title.kind === "movie" ? title.film.title : title.show.name;
  return translatedTitles.get(`${titleId(title)}:${language}`) ?? name;
}

/** A title as lists and searches show it. */
export function titleSummary(title: Title, language: string): Record<string, Json> {
  const owner = ownerOf(title);
  const item = title.kind === "movie" ? title.film : title.show;
  const name = nameOf(title, language);
  const dated = title.kind === "movie"
    ? { title: name, original_title: title.film.originalTitle, release_date: title.film.releaseDate, video: false }
    : { name, original_name: title.show.name, first_air_date: title.show.firstAirDate, origin_country: ["US"] };
  return {
    adult: false,
    backdrop_path: filePath("backdrop", owner),
    genre_ids: item.genreIds,
    id: item.id,
    original_language: title.kind === "movie" ? title.film.originalLanguage : "en",
    overview: `What happens in ${name} (${language}).`,
    popularity: exactNumber(`${(item.voteCount % 997) + 10}.${item.id % 1000}`),
    poster_path: filePath("poster", owner),
    vote_average: exactNumber(item.voteAverage),
    vote_count: item.voteCount,
    ...dated,
  };
}

/** A title as its own path shows it, without appended parts. */
export function titleDetails(title: Title, language: string): Record<string, Json> {
  const { genre_ids: _, ...summary } = titleSummary(title, language);
  const item = title.kind === "movie" ? title.film : title.show;
  const own = title.kind === "movie" ? filmDetails(title.film) : seriesDetails(title.show);
  return {
    ...summary,
    genres: item.genreIds.map((id) => ({ id, name: genres.get(id) })),
    homepage: `https://www.example.com/${ownerOf(title)}`,
    production_companies: [{ id: 508, logo_path: filePath("logo", ownerOf(title)), name: "Regency Enterprises" }],
    spoken_languages: [{ english_name: "English", iso_639_1: "en", name: "English" }],
    tagline: `Seen in ${language}`,
    ...own,
  };
}

function filmDetails(film: Film): Record<string, Json> {
  return {
    belongs_to_collection: null,
    budget: 63000000,
    imdb_id: film.imdbId,
    revenue: exactNumber(film.revenue),
    runtime: film.runtimeMinutes,
    status: "Released",
  };
}

function seriesDetails(show: Series): Record<string, Json> {
  return {
    episode_run_time: [60],
    in_production: false,
    number_of_episodes: show.seasons * show.episodesASeason,
    number_of_seasons: show.seasons,
    seasons: Array.from({ length: show.seasons }, (_, index) => ({
      episode_count: show.episodesASeason,
      id: show.id * 100 + index + 1,
      name: `Season ${index + 1}`,
      poster_path: filePath("poster", `tv/${show.id}`),
      season_number: index + 1,
    })),
    status: "Ended",
    type: "Scripted",
  };
}

/** A person as lists show them. */
export function personSummary(person: Person): Record<string, Json> {
  return {
    adult: false,
    gender: 0,
    id: person.id,
    known_for_department: person.department,
    name: person.name,
    original_name: person.name,
    popularity: exactNumber(`${(person.id % 89) + 1}.0`),
    profile_path: filePath("profile", `person/${person.id}`),
  };
}

/** A person as their own path shows them. */
export function personDetails(person: Person, language: string): Record<string, Json> {
  return {
    ...personSummary(person),
    also_known_as: [],
    biography: `Who ${person.name} is (${language}).`,
    birthday: person.birthday,
    deathday: null,
    imdb_id: `nm${String(person.id).padStart(7, "0")}`,
    place_of_birth: null,
  };
}

/** The people in a title: always the same six for an id, the last of them directing. */
export function creditsOf(title: Title): Record<string, Json> {
  const id = titleId(title);
  const cast = Array.from({ length: 6 }, (_, index) => {
    const person = people[(id + index * 5) % people.length]!;
    return { ...personSummary(person), character: `Role ${index + 1}`, credit_id: creditId(id, index), order: index };
  });
  const director = people[(id + 3) % people.length]!;
  const crew = [{ ...personSummary(director), credit_id: creditId(id, 6), department: "Directing", job: "Director" }];
  return { cast, crew };
}

function creditId(id: number, index: number): string {
  return (id * 64 + index).toString(16).padStart(24, "5");
}

/** Where a person played. */
export function personCredits(person: Person, kind: "movie" | "tv", language: string): Record<string, Json> {
  const cast = titlesOf(kind).filter((_, index) => index % 5 === person.id % 5).map((title) => ({
    ...titleSummary(title, language),
    character: "Role 1",
  }));
  return { cast, crew: [] };
}

/** The pictures of a title. */
export function imagesOf(title: Title): Record<string, Json> {
  const owner = ownerOf(title);
  const list = (kind: "poster" | "backdrop" | "logo") => {
    const [width, height] = dimensions(kind, "original")!;
    return [{
      aspect_ratio: Number((width / height).toFixed(3)),
      file_path: filePath(kind, owner),
      height,
      iso_639_1: kind === "backdrop" ? null : "en",
      vote_average: exactNumber("5.0"),
      vote_count: 1,
      width,
    }];
  };
  return { backdrops: list("backdrop"), logos: list("logo"), posters: list("poster") };
}

/** `/3/configuration`: what clients build image addresses from. */
export function configuration(): Record<string, Json> {
  return {
    change_keys: ["adult", "air_date", "cast", "crew", "images", "overview", "title", "videos"],
    images: {
      base_url: "http://image.tmdb.org/t/p/",
      secure_base_url: "https://image.tmdb.org/t/p/",
      backdrop_sizes: listedSizes.backdrop,
      logo_sizes: listedSizes.logo,
      poster_sizes: listedSizes.poster,
      profile_sizes: listedSizes.profile,
      still_sizes: listedSizes.still,
    },
  };
}

/** One season with its episodes. */
export function seasonDetails(show: Series, season: number, language: string): Record<string, Json> {
  const episodes = Array.from(
    { length: show.episodesASeason },
    (_, i) => episodeDetails(show, [season, i + 1], language),
  );
  return { _id: artworkId("still", `${show.id}/${season}`), episodes, name: `Season ${season}`, season_number: season };
}

/** One episode, by season and episode number. */
export function episodeDetails(show: Series, at: readonly [number, number], language: string): Record<string, Json> {
  const [season, episode] = at;
  return {
    episode_number: episode,
    id: show.id * 10000 + season * 100 + episode,
    name: `Episode ${episode} (${language})`,
    season_number: season,
    still_path: filePath("still", `tv/${show.id}`),
  };
}
