import { genres, people, series } from "./catalog.ts";
import { type ApiAnswer, type ApiRequest, coded, good, paged } from "./tmdb_answers.ts";
import * as records from "./tmdb_records.ts";
import { translatedAnswer } from "./tmdb_translated.ts";
import { answerAccount, bodyOf } from "./tmdb_account_paths.ts";

/** Answers `/3/…` and `/4/…` as TMDB does, from the catalog. */
export function answerApi(path: string, parts: Omit<ApiRequest, "segments" | "caller">, authorization: string | null) {
  const [version, ...segments] = path.split("/").filter((segment) => segment !== "");
  const caller = parts.accounts.identify(withBodyParameters(parts), authorization);
  if (caller === 25) return coded(25, [["retry-after", String(parts.accounts.retryAfterSeconds)]]);
  if (typeof caller === "number") return coded(caller);
  const request = { ...parts, segments, caller };
  if (version !== "3" && version !== "4") return coded(34);
  return answerAccount(request, version) ?? answerCatalog(request);
}

/** The query, with credentials that a client puts into the body of a write in their place. */
function withBodyParameters({ query, body }: Pick<ApiRequest, "query" | "body">): URLSearchParams {
  const all = new URLSearchParams(query);
  if (body.byteLength === 0) return all;
  for (const name of ["api_key", "session_id", "guest_session_id"]) {
    const value = bodyOf({ body })[name];
    if (!all.has(name) && typeof value === "string") all.set(name, value);
  }
  return all;
}

function answerCatalog(request: ApiRequest): ApiAnswer {
  if (request.method !== "GET" && request.method !== "HEAD") return coded(42);
  const [first, second, third] = request.segments;
  const translated = translatedAnswer(request.segments, request.query);
  if (translated !== null) return good(translated);
  switch (first) {
    case "configuration":
      return second === undefined
        ? good(records.configuration())
        : good([{ iso_3166_1: "US", english_name: "America" }]);
    case "genre":
      return good({ genres: [...genres].map(([id, name]) => ({ id, name })) });
    case "search":
      return search(request, second ?? "");
    case "discover":
      return second === "movie" || second === "tv" ? list(request, second) : coded(34);
    case "trending":
      return third === "day" || third === "week" ? trending(request, second ?? "") : coded(34);
    case "find":
      return find(request, second ?? "");
    case "movie":
    case "tv":
      return titlePath(request, first);
    case "person":
      return personPath(request);
    default:
      return coded(34);
  }
}

function languageOf(request: ApiRequest): string {
  return request.query.get("language") || "en-US";
}

function list(request: ApiRequest, kind: "movie" | "tv"): ApiAnswer {
  return paged(records.titlesOf(kind).map((title) => records.titleSummary(title, languageOf(request))), request.query);
}

function trending(request: ApiRequest, kind: string): ApiAnswer {
  if (kind === "person") return paged(people.map(records.personSummary), request.query);
  if (kind === "movie" || kind === "tv") return list(request, kind);
  return kind === "all" ? paged(everyTitle(request), request.query) : coded(34);
}

function everyTitle(request: ApiRequest): Record<string, unknown>[] {
  const titles = [...records.titlesOf("movie"), ...records.titlesOf("tv")];
  return titles.map((title) => ({ ...records.titleSummary(title, languageOf(request)), media_type: title.kind }));
}

function search(request: ApiRequest, kind: string): ApiAnswer {
  const wanted = (request.query.get("query") ?? "").toLowerCase();
  const matches = (text: string) => wanted !== "" && text.toLowerCase().includes(wanted);
  const language = languageOf(request);
  const named = people.filter((person) => matches(person.name)).map(records.personSummary);
  const titled = (kind: "movie" | "tv") =>
    records.titlesOf(kind).filter((title) =>
      matches(records.nameOf(title, "en-US")) || matches(records.nameOf(title, language))
    )
      .map((title) => ({ ...records.titleSummary(title, language), media_type: kind }));
  switch (kind) {
    case "movie":
    case "tv":
      return paged(titled(kind), request.query);
    case "person":
      return paged(named, request.query);
    case "multi":
      return paged([...titled("movie"), ...titled("tv"), ...named], request.query);
    default:
      return coded(34);
  }
}

function find(request: ApiRequest, externalId: string): ApiAnswer {
  const language = languageOf(request);
  const films = records.titlesOf("movie").filter((title) => title.kind === "movie" && title.film.imdbId === externalId);
  const shows = records.titlesOf("tv").filter((title) =>
    title.kind === "tv" && String(title.show.tvdbId) === externalId
  );
  return good({
    movie_results: films.map((title) => records.titleSummary(title, language)),
    person_results: [],
    tv_results: shows.map((title) => records.titleSummary(title, language)),
    tv_episode_results: [],
    tv_season_results: [],
  });
}

const LISTS: ReadonlySet<string> = new Set([
  ...["popular", "top_rated", "now_playing", "upcoming", "airing_today", "on_the_air"],
]);

function titlePath(request: ApiRequest, kind: "movie" | "tv"): ApiAnswer {
  const [, id, part, ...rest] = request.segments;
  if (id === undefined) return coded(34);
  if (LISTS.has(id)) return list(request, kind);
  if (id === "changes") return changes(request, kind);
  const title = records.findTitle(kind, numberOf(id));
  if (title === null) return coded(numberOf(id) > 0 ? 34 : 6);
  if (part === undefined) return withAppended(request, title);
  if (part === "season" && title.kind === "tv") return seasonPath(request, title.show.id, rest);
  const body = rest.length === 0 ? titlePart(title, part, request) : null;
  return body === null ? coded(34) : good({ id: records.titleId(title), ...body });
}

function numberOf(segment: string): number {
  // TMDB takes `550-fight-club` for 550.
  return Number(/^(\d{1,9})(?:-.*)?$/.exec(segment)?.[1] ?? "0");
}

function changes(request: ApiRequest, kind: "movie" | "tv"): ApiAnswer {
  const ids = records.titlesOf(kind).slice(0, 5).map((title) => ({ id: records.titleId(title), adult: false }));
  return paged(ids, request.query);
}

function withAppended(request: ApiRequest, title: records.Title): ApiAnswer {
  const parts = (request.query.get("append_to_response") ?? "").split(",").map((part) => part.trim());
  const named = parts.filter((part) => part !== "");
  if (named.length > 20) return coded(27);
  const details = records.titleDetails(title, languageOf(request));
  for (const part of named) {
    const body = titlePart(title, part, request);
    if (body !== null) details[part] = body;
  }
  return good(details);
}

/** A part of a title, under its own path or appended. */
function titlePart(title: records.Title, part: string, request: ApiRequest): Record<string, unknown> | null {
  const language = languageOf(request);
  switch (part) {
    case "credits":
    case "aggregate_credits":
      return records.creditsOf(title);
    case "images":
      return records.imagesOf(title);
    case "videos":
      return { results: [{ id: "533ec654c3a3685448000001", key: "SUXWAEX2jlg", site: "YouTube", type: "Trailer" }] };
    case "external_ids":
      return title.kind === "movie" ? { imdb_id: title.film.imdbId } : { imdb_id: null, tvdb_id: title.show.tvdbId };
    case "release_dates":
    case "content_ratings":
      return { results: [{ iso_3166_1: "US", release_dates: [{ certification: "R", type: 3 }] }] };
    case "keywords":
      return { keywords: [{ id: 825, name: "support group" }] };
    case "alternative_titles":
    case "translations":
      return { titles: [{ iso_3166_1: "CN", title: records.nameOf(title, "zh-CN"), type: "" }] };
    case "recommendations":
    case "similar":
      return paged(records.titlesOf(title.kind).map((other) => records.titleSummary(other, language)), request.query)
        .body as Record<string, unknown>;
    case "account_states":
      return accountStates(title, request);
    default:
      return null;
  }
}

function accountStates(title: records.Title, { accounts, caller }: ApiRequest): Record<string, unknown> {
  const value = caller.user === null ? null : accounts.rating(caller.user, records.ownerOf(title));
  // `of` is no field of TMDB's: it lets a test see whose answer it got.
  return { favorite: false, of: caller.user, rated: value === null ? false : { value }, watchlist: false };
}

function seasonPath(request: ApiRequest, showId: number, rest: readonly string[]): ApiAnswer {
  const show = series.find((candidate) => candidate.id === showId)!;
  const [season, word, episode] = rest;
  const number = Number(season);
  if (!(number >= 1 && number <= show.seasons)) return coded(34);
  if (word === undefined) return good(records.seasonDetails(show, number, languageOf(request)));
  const inSeason = word === "episode" && Number(episode) >= 1 && Number(episode) <= show.episodesASeason;
  return inSeason ? good(records.episodeDetails(show, [number, Number(episode)], languageOf(request))) : coded(34);
}

function personPath(request: ApiRequest): ApiAnswer {
  const [, id, part] = request.segments;
  const language = languageOf(request);
  if (id === "popular") return paged(people.map(records.personSummary), request.query);
  const person = people.find((candidate) => candidate.id === numberOf(id ?? ""));
  if (person === undefined) return coded(34);
  switch (part) {
    case undefined:
      return good(records.personDetails(person, language));
    case "movie_credits":
    case "tv_credits":
      return good({
        id: person.id,
        ...records.personCredits(person, part === "movie_credits" ? "movie" : "tv", language),
      });
    case "combined_credits":
      return good({ id: person.id, ...records.personCredits(person, "movie", language) });
    case "external_ids":
      return good({ id: person.id, imdb_id: `nm${String(person.id).padStart(7, "0")}` });
    default:
      return coded(34);
  }
}
