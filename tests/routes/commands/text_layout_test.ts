import assert from "node:assert/strict";
import { aligned, harmless, painter, wrapped } from "../../../routes/commands/text_layout.ts";

Deno.test("wrapped() breaks at spaces, and within words that are longer than a line", () => {
  assert.equal(wrapped("one two three", 2, 22), "one two three");
  assert.equal(wrapped("aaaa bbbb cccc dddd eeee ffff", 4, 24), "aaaa bbbb cccc dddd\n    eeee ffff");
  const lines = wrapped(`x ${"y".repeat(50)}`, 0, 20).split("\n");
  assert.deepEqual(lines.map((line) => line.length), [1, 20, 20, 10]);
  assert.equal(wrapped("", 4), "");
});

Deno.test("aligned() puts columns below each other and wraps the last one", () => {
  assert.deepEqual(aligned([["a", "bb", "c"], ["ddd", "e", "f"]], 2), ["  a    bb  c", "  ddd  e   f"]);
  for (const line of aligned([["name", "word ".repeat(60)]], 2)) {
    for (const part of line.split("\n")) assert.ok(part.length <= 100, part);
  }
  assert.deepEqual(aligned([], 2), []);
  assert.deepEqual(aligned([["alone"]], 1), [" alone"]);
});

Deno.test("harmless() leaves nothing that moves a cursor or begins a line", () => {
  assert.equal(harmless("a\x1b[31m\r\nb\u202e"), "a?[31m??b?");
});

Deno.test("painter() colours for a terminal alone", () => {
  assert.equal(painter(false)("bad", "x"), "x");
  assert.equal(painter(true)("bad", "x"), "\x1b[31mx\x1b[0m");
});
