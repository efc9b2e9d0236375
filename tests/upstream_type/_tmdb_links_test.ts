import assert from "node:assert/strict";
import { tmdbLinks } from "../../lib/upstream_type/_tmdb_links.ts";
import { upstreamTypes } from "../../lib/upstream_type/registry.ts";

const places = (path: string, query = "") => tmdbLinks.places({ method: "GET", path, query, header: () => null });

Deno.test("tmdbLinks are the two base addresses of the configuration, and nothing of other documents", () => {
  const both = [["images", "base_url"], ["images", "secure_base_url"]];
  assert.deepEqual(places("/3/configuration"), both);
  assert.deepEqual(places("/3/configuration", "append_to_response=countries"), both);
  assert.deepEqual(places("/3/configuration/"), both);
  for (const path of ["/3/configuration/countries", "/4/configuration", "/configuration", "/3/movie/550"]) {
    assert.equal(places(path), null, path);
  }
});

Deno.test("tmdbLinks lead to a type that there is, and belong to the API alone", () => {
  assert.equal(upstreamTypes.traits(tmdbLinks.type)?.links, null);
  assert.equal(upstreamTypes.traits("custom")?.links, null);
  assert.equal(upstreamTypes.traits("tmdb-api")?.links, tmdbLinks);
});
