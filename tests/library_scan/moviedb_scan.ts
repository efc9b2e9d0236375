import assert from "node:assert/strict";
import { MovieDb, type MovieResponse } from "npm:moviedb-promise@4.0.8";
import type { ScannedTitle, ScanOptions, ScanResult } from "./scanned.ts";

type MovieWithParts = MovieResponse & { readonly images?: { readonly posters: readonly unknown[] } };

/** Requests a second that the client allows itself: as many as it can. */
const UNTHROTTLED = 1_000;

/** A library scan by `moviedb-promise`, with nothing changed but its base URL. */
export async function scanWithMoviedbPromise({ base, key, titles }: ScanOptions): Promise<ScanResult> {
  const client = new MovieDb(key, `${base}/3/`, UNTHROTTLED);
  await client.configuration();
  await client.genreMovieList({ language: "de-DE" });
  let pictureBytes = 0;
  for (const title of titles) pictureBytes += await scanTitle(client, base, title);
  await rateTitles(new MovieDb(key, `${base}/3/`, UNTHROTTLED), titles);
  return { titles: titles.length, pictureBytes };
}

async function scanTitle(client: MovieDb, base: string, { id, title }: ScannedTitle): Promise<number> {
  const { results } = await client.searchMovie({ query: title, language: "de-DE" });
  assert.ok(results?.some((result) => result.id === id), title);
  const movie: MovieWithParts = await client.movieInfo({
    id,
    language: "de-DE",
    append_to_response: "credits,images,release_dates",
  });
  assert.equal(movie.id, id);
  assert.ok(movie.images!.posters.length > 0);
  return await picture(`${base}/t/p/w500${movie.poster_path}`) +
    await picture(`${base}/t/p/w1280${movie.backdrop_path}`);
}

async function picture(url: string): Promise<number> {
  const response = await fetch(url);
  const { byteLength } = await response.bytes();
  assert.equal(response.status, 200);
  assert.match(response.headers.get("content-type") ?? "", /^image\//);
  return byteLength;
}

/** Once it has a session this client puts it into every request: into the query of a GET, into the body of a write. */
async function rateTitles(client: MovieDb, titles: readonly ScannedTitle[]): Promise<void> {
  await client.retrieveSession();
  for (const { id } of titles) {
    assert.equal((await client.movieRatingUpdate({ id, value: 8.5 })).status_code, 1);
    assert.deepEqual((await client.movieAccountStates({ id })).rated, { value: 8.5 });
    assert.equal((await client.movieRatingDelete({ id })).status_code, 13);
    assert.equal((await client.movieAccountStates({ id })).rated, false);
  }
}
