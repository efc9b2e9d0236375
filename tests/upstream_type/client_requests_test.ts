import assert from "node:assert/strict";
import { canonicalQuery } from "../../lib/upstream_type/_canonical_query.ts";
import { findTmdbRoute } from "../../lib/upstream_type/_tmdb_routes.ts";
import { CLIENT_NAMES, clientTargets, documentTarget, pictureTargets } from "../../lib/clients/client_requests.ts";

const titles = [{ kind: "movie", id: 550, seasons: [] }, { kind: "tv", id: 1399, seasons: [0, 2] }] as const;

Deno.test("clientTargets() are paths of shared routes, each once, in the client's language or another", () => {
  for (const client of CLIENT_NAMES) {
    const targets = clientTargets({ titles, clients: [client, client], language: null });
    assert.equal(new Set(targets.map((target) => target.replace(/\?.*/, "") + canonical(target))).size, targets.length);
    for (const target of targets) assert.equal(findTmdbRoute(target.replace(/\?.*/, "")).private, null, target);
    const german = clientTargets({ titles, clients: [client], language: "de-DE" });
    assert.ok(german.some((target) => target.includes("language=de-DE")), client);
    for (const title of titles) assert.ok(targets.includes(documentTarget(title, client, null)), client);
    assert.equal(targets.filter((target) => target.startsWith("/3/tv/1399/season/2?")).length, 1, client);
  }
});

function canonical(target: string): string {
  return canonicalQuery(target.replace(/^[^?]*\??/, ""));
}

Deno.test("clientTargets() without a client are the plain documents", () => {
  assert.deepEqual(clientTargets({ titles, clients: [], language: null }), [
    "/3/movie/550",
    "/3/tv/1399",
    "/3/tv/1399/season/0",
    "/3/tv/1399/season/2",
  ]);
  assert.equal(clientTargets({ titles, clients: [], language: "de" })[0], "/3/movie/550?language=de");
});

Deno.test("clientTargets() share the cache key of what the clients' own code asks", () => {
  const asked = {
    jellyfin: "language=en&include_image_language=en%2Cnull&append_to_response=credits%2Cimages%2Ckeywords%2Creleases" +
      "%2Cvideos&api_key=k",
    kodi: "api_key=k&language=en-US&append_to_response=trailers%2Cimages%2Creleases%2Ccasts%2Ckeywords",
    moviepilot: "api_key=k&append_to_response=images,credits,alternative_titles,translations,release_dates," +
      "external_ids&language=zh",
    seerr: "api_key=k&language=en&append_to_response=credits,external_ids,videos,keywords,release_dates," +
      "watch%2Fproviders&include_video_language=en",
  };
  for (const client of CLIENT_NAMES) {
    const target = documentTarget(titles[0], client, null);
    assert.equal(canonical(target), canonicalQuery(asked[client]), client);
  }
});

Deno.test("pictureTargets() takes what is a picture's path, and nothing else", () => {
  const document = { poster_path: "/pB8BM7pdSp6B6Ih7QZ4DrQ3PmJK.jpg", backdrop_path: "/x.png" };
  assert.deepEqual(pictureTargets(document, "seerr"), [
    "/t/p/w600_and_h900_bestv2/pB8BM7pdSp6B6Ih7QZ4DrQ3PmJK.jpg",
    "/t/p/w1920_and_h800_multi_faces/x.png",
  ]);
  const hostile = [null, 7, {}, "/../../3/account", "//h/x.jpg", "/a.jpg?session_id=1", "/a b.jpg", "/a.html"];
  for (const poster_path of hostile) assert.deepEqual(pictureTargets({ poster_path }, "kodi"), []);
  assert.deepEqual(pictureTargets(null, "kodi"), []);
});
