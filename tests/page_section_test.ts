import assert from "node:assert/strict";
import { table, withSection } from "./page_section.ts";

Deno.test("withSection() puts a section between the comments that name it, and leaves the rest alone", () => {
  const page = "a\n<!-- one -->\nold\n<!-- end -->\nb\n<!-- two -->\n<!-- end -->\n";
  const once = withSection(page, "one", "| 1 |\n");
  assert.equal(once, "a\n<!-- one -->\n\n| 1 |\n\n<!-- end -->\nb\n<!-- two -->\n<!-- end -->\n");
  assert.equal(withSection(once, "one", "| 1 |"), once);
  assert.throws(() => withSection(page, "three", ""), /no place for three/);
});

Deno.test("table() has columns of one width", () => {
  const lines = table([["fault", "times"], ["a", 1], ["longer", 20_000]]).split("\n");
  assert.equal(new Set(lines.map(({ length }) => length)).size, 1);
  assert.equal(lines[1], "| ------ | ----- |");
});
