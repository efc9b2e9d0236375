import assert from "node:assert/strict";
import theMovieDb from "npm:themoviedb-javascript-library@3.0.3";
import { TMDB } from "npm:tmdb-ts@2.3.0";
import { demoToken } from "../origins/tmdb_accounts.ts";
import { demoApiKey, startTmdbOrigin } from "../origins/tmdb_origin.ts";
import { demoConfig } from "../origins/demo_config.ts";
import { startGateway } from "./_gateway.ts";

/** Takes one of the functions of `themoviedb-javascript-library` with its two callbacks for a promise of the document. */
// deno-lint-ignore no-explicit-any
function documentOf(call: (success: (text: string) => void, error: (text: string) => void) => void): Promise<any> {
  return new Promise((resolve, reject) =>
    call((text) => resolve(JSON.parse(text)), (text) => reject(new Error(String(text))))
  );
}

/** As much of a browser's request as the library uses, which is made for pages; it asks by the runtime's own `fetch`. */
class BrowserRequest {
  onload: (() => void) | null = null;
  onerror: (() => void) | null = null;
  ontimeout: (() => void) | null = null;
  timeout = 0;
  readyState = 1;
  status = 0;
  responseText = "";
  #method = "GET";
  #url = "";
  readonly #headers = new Headers();

  open(method: string, url: string): void {
    [this.#method, this.#url] = [method, url];
  }

  setRequestHeader(name: string, value: string): void {
    this.#headers.set(name, value);
  }

  async send(body: string | null): Promise<void> {
    try {
      const response = await fetch(this.#url, { method: this.#method, headers: this.#headers, body });
      this.responseText = await response.text();
      this.status = response.status;
      this.readyState = 4;
    } catch {
      return this.onerror?.();
    }
    this.onload?.();
  }
}

Deno.test("D5: further libraries work through the gateway, pointed at it as docs/clients.md says", async (t) => {
  const origin = await startTmdbOrigin();
  const gateway = await startGateway({ config: (places) => demoConfig(origin.url, places) });
  const seen = (start: string) => origin.requests.filter(({ target }) => target.startsWith(start));

  await t.step("tmdb-ts: option `fetch`", async () => {
    const client = new TMDB(demoToken(demoApiKey, ["api_read"]), {
      fetch: (url, init) => fetch(String(url).replace("https://api.themoviedb.org", gateway.url), init),
    });
    const found = await client.search.movies({ query: "Fight Club" });
    assert.equal(found.results[0]?.id, 550);
    assert.deepEqual(await client.search.movies({ query: "Fight Club" }), found);
    assert.equal(seen("/3/search/movie").length, 1);
    const movie = await client.movies.details(550, ["credits", "images"]);
    assert.ok(movie.credits.cast.length > 0);
    assert.deepEqual(await client.movies.details(550, ["images", "credits"]), movie);
    assert.equal(seen("/3/movie/550?").length, 1);
    const { images } = await client.configuration.getApiConfiguration();
    assert.equal(images.secure_base_url, `${gateway.url}/t/p/`);
    const poster = await fetch(`${images.secure_base_url}w500${movie.images.posters[0]!.file_path}`);
    assert.equal(poster.status, 200);
    assert.ok((await poster.bytes()).length > 0);
    const error = await client.movies.details(999_999_999).then(() => null, (caught) => caught);
    assert.equal(error.status_code, 34);
  });

  await t.step("themoviedb-javascript-library: common.base_uri", async () => {
    const { common, movies, search } = theMovieDb;
    common.api_key = demoApiKey;
    common.base_uri = `${gateway.url}/3/`;
    common.images_uri = `${gateway.url}/t/p/`;
    Object.assign(globalThis, { XMLHttpRequest: BrowserRequest });
    try {
      const before = seen("/3/movie/550?").length;
      const movie = await documentOf((success, error) => movies.getById({ id: 550 }, success, error));
      assert.equal(movie.id, 550);
      assert.deepEqual(await documentOf((success, error) => movies.getById({ id: 550 }, success, error)), movie);
      assert.equal(seen("/3/movie/550?").length, before + 1);
      const found = await documentOf((success, error) => search.getMovie({ query: "Fight%20Club" }, success, error));
      assert.equal(found.results[0].id, 550);
      const poster = await fetch(common.getImage({ size: "w500", file: movie.poster_path.slice(1) }));
      assert.equal(poster.status, 200);
      assert.ok((await poster.bytes()).length > 0);
      const rated = await documentOf((success, error) =>
        movies.rate({ id: 550, session_id: "session-of-alice" }, 8.5, success, error)
      );
      assert.equal(rated.status_code, 1);
      const [request, ...others] = seen("/3/movie/550/rating");
      assert.deepEqual(others, []);
      assert.equal(JSON.parse(new TextDecoder().decode(request!.body)).value, 8.5);
      await assert.rejects(
        documentOf((success, error) => movies.getById({ id: 999_999_999 }, success, error)),
        /"status_code":34/,
      );
    } finally {
      Reflect.deleteProperty(globalThis, "XMLHttpRequest");
    }
  });
  await gateway.close();
  await origin.close();
});
