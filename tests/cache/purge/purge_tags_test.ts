import assert from "node:assert/strict";
import { purgeTags } from "../../../lib/cache/purge/purge_tags.ts";

Deno.test("purgeTags() reads both fields, sorted, each tag once", () => {
  assert.deepEqual(purgeTags([]), []);
  assert.deepEqual(purgeTags([["surrogate-key", " b  a\tb "]]), ["a", "b"]);
  assert.deepEqual(purgeTags([["surrogate-key", "b"], ["surrogate-key", "c"]]), ["b", "c"]);
  assert.deepEqual(purgeTags([["cache-tag", "movie:550, two words,,"]]), ["movie:550", "two words"]);
  assert.deepEqual(purgeTags([["surrogate-key", "a"], ["cache-tag", "a,b"]]), ["a", "b"]);
});

Deno.test("purgeTags() keeps a bounded number of bounded tags", () => {
  const many = Array.from({ length: 5000 }, (_, index) => `t${index}`).join(" ");
  assert.equal(purgeTags([["surrogate-key", many]]).length, 128);
  const longest = "x".repeat(256);
  assert.deepEqual(purgeTags([["surrogate-key", `${longest} ${"y".repeat(257)}`]]), [longest]);
});
