import assert from "node:assert/strict";
import { tmdbChanges } from "../../lib/upstream_type/_tmdb_changes.ts";
import { apiTags } from "../../lib/upstream_type/_tmdb_targets.ts";
import { requestFor } from "./_requests.ts";

function read(text: string) {
  return tmdbChanges.read(new TextEncoder().encode(text));
}

Deno.test("tmdbChanges.target() asks for a day that is over up to the next, and for today up to now", () => {
  const ask = { kind: "movie", page: 2 };
  assert.equal(
    tmdbChanges.target({ ...ask, day: "2026-02-28", isToday: false }),
    "/3/movie/changes?start_date=2026-02-28&end_date=2026-03-01&page=2",
  );
  assert.equal(
    tmdbChanges.target({ kind: "tv", day: "2026-12-31", isToday: true, page: 1 }),
    "/3/tv/changes?start_date=2026-12-31&page=1",
  );
});

Deno.test("tmdbChanges.read() takes ids and the number of pages, and leaves out what makes no sense", () => {
  assert.deepEqual(read('{"results":[{"id":550,"adult":false},{"id":1399}],"page":1,"total_pages":7}'), {
    ids: [550, 1399],
    pages: 7,
  });
  const odd = '{"id":"5"},{"id":-1},{"id":1.5},{"id":4294967296},{"id":null},{},null,7,[],{"id":9}';
  assert.deepEqual(read(`{"results":[${odd}],"total_pages":"many"}`), { ids: [9], pages: 1 });
  assert.deepEqual(read('{"results":[],"total_pages":-4}'), { ids: [], pages: 1 });
  const million = JSON.stringify({ results: Array.from({ length: 1_000_000 }, (_, id) => ({ id: id + 1 })) });
  assert.equal(read(million)!.ids.length, 1_000);
});

Deno.test("tmdbChanges.read() takes nothing that is no page", () => {
  for (const text of ["", "<html>", "null", "[]", "{}", '{"results":{"id":1}}', '"results"', '{"results":[{"id":1}]']) {
    assert.equal(read(text), null, text);
  }
  assert.equal(tmdbChanges.read(new Uint8Array([0xff, 0xfe])), null);
});

Deno.test("tmdbChanges.tag() is the tag that responses about the same have", () => {
  for (const [kind, path] of [["movie", "/3/movie/550"], ["tv", "/3/tv/1399/season/1"], ["person", "/3/person/287"]]) {
    const id = Number(path!.split("/")[3]);
    assert.ok(apiTags(requestFor(path!)).includes(tmdbChanges.tag(kind!, id)), path);
  }
});
