import assert from "node:assert/strict";
import { MovieDb, type MovieResponse } from "npm:moviedb-promise@4.0.8";
import { demoApiKey, startTmdbOrigin } from "../origins/tmdb_origin.ts";
import { demoConfig } from "../origins/demo_config.ts";
import { startGateway } from "./_gateway.ts";

/** What `append_to_response` adds. */
type MovieWithParts = MovieResponse & {
  readonly credits?: { readonly cast: readonly unknown[] };
  readonly images?: { readonly posters: readonly unknown[] };
};

Deno.test("moviedb-promise works through the gateway with nothing changed but its base URL", async (t) => {
  const origin = await startTmdbOrigin();
  const gateway = await startGateway({ config: (places) => demoConfig(origin.url, places) });
  const client = new MovieDb(demoApiKey, `${gateway.url}/3/`);
  const seen = (start: string) => origin.requests.filter(({ target }) => target.startsWith(start));

  await t.step("search", async () => {
    const found = await client.searchMovie({ query: "Fight Club" });
    assert.equal(found.results?.[0]?.id, 550);
    const again = await client.searchMovie({ query: "Fight Club" });
    assert.deepEqual(again, found);
    assert.equal(seen("/3/search/movie").length, 1);
  });

  await t.step("details with append_to_response, in any order of its parts", async () => {
    const movie: MovieWithParts = await client.movieInfo({ id: 550, append_to_response: "credits,images" });
    assert.equal(movie.id, 550);
    assert.ok(movie.credits!.cast.length > 0);
    assert.ok(movie.images!.posters.length > 0);
    assert.deepEqual(await client.movieInfo({ id: 550, append_to_response: "images,credits" }), movie);
    const [request, ...others] = seen("/3/movie/550?");
    assert.deepEqual(others, []);
    const query = new URLSearchParams(request!.target.split("?")[1]);
    assert.equal(query.get("append_to_response"), "credits,images");
    assert.equal(query.get("api_key"), demoApiKey);
  });

  await t.step("images", async () => {
    const { posters } = await client.movieImages({ id: 550 });
    const [poster] = posters ?? [];
    const response = await fetch(`${gateway.url}/t/p/w500${poster!.file_path}`);
    assert.equal(response.status, 200);
    assert.match(response.headers.get("content-type") ?? "", /^image\//);
    assert.ok((await response.bytes()).length > 0);
  });

  await t.step("a rating is posted once, with its body, and is one user's", async () => {
    const of = (user: string) => ({ params: { session_id: `session-of-${user}` } });
    const answer = await client.movieRatingUpdate({ id: 550, value: 8.5 }, of("alice"));
    assert.equal(answer.status_code, 1);
    const [request, ...others] = seen("/3/movie/550/rating");
    assert.deepEqual(others, []);
    assert.equal(request!.method, "POST");
    assert.equal(JSON.parse(new TextDecoder().decode(request!.body)).value, 8.5);
    assert.match(request!.target, /session_id=session-of-alice/);
    const states = await client.movieAccountStates({ id: 550 }, of("alice"));
    assert.deepEqual(states.rated, { value: 8.5 });
    const other = await client.movieAccountStates({ id: 550 }, of("bob"));
    assert.equal(other.rated, false);
  });

  await t.step("an error is the one that TMDB gives", async () => {
    const error = await client.movieInfo({ id: 999_999_999 }).then(() => null, (caught) => caught);
    assert.equal(error.response.status, 404);
    assert.equal(error.response.data.status_code, 34);
  });
  await gateway.close();
  await origin.close();
});
