import assert from "node:assert/strict";
import { titlesIn } from "../../lib/library/title.ts";

Deno.test("titlesIn() takes one a line, each once, and no comments", () => {
  assert.deepEqual(titlesIn("# mine\nmovie:550\n\n tv:1399 # dragons\r\nmovie:550\n", "ids"), [
    { kind: "movie", id: 550, seasons: [] },
    { kind: "tv", id: 1399, seasons: [] },
  ]);
});

Deno.test("titlesIn() names the line that is no title", () => {
  for (const line of ["550", "movie:0", "movie:-1", "person:1", "movie:tt0137523", "movie:55012345678901", "tv: 1"]) {
    assert.throws(() => titlesIn(`movie:1\n${line}\n`, "ids.txt"), { message: /^ids\.txt:2: / }, line);
  }
});
