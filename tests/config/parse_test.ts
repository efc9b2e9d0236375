import assert from "node:assert/strict";
import { MAX_TEXT_LENGTH, parseText } from "../../lib/config/yaml/parse.ts";

/** The mistakes in the syntax of `text`, as `line:column message`. */
function mistakes(text: string): string[] {
  const parsed = parseText(text);
  return parsed.ok ? [] : parsed.problems.map(({ line, column, message }) => `${line}:${column} ${message}`);
}

Deno.test("parseText() locates mistakes in the syntax and says what is due", () => {
  const table: ReadonlyArray<readonly [string, RegExp]> = [
    ["a: 1\nb: [1, 2\nc: 3\n", /^3:1 .*expected a comma, a bracket or a closing quote/],
    ["a: b: c\n", /^1:4 found a second ": " in one line/],
    ["a:\n\t- b\n", /^2:1 found a tab expected spaces/],
    ["a: 'x\n", /closing quote/],
    ['a: "\\q"\n', /^1:5 found an unknown escape/],
    ["a: @x\n", /^1:4 found a reserved character/],
    ["a: 'ok'\n b: 2\n", /^2:1 found another indentation/],
    ["a: 1\n---\nb: 2", /^2:1 found a second document/],
    ["a: !foo 1\n", /^1:4 found a tag/],
    ["a:\n  b\n  c: 1\n", /expected one|expected `key: value`/],
    ["a: [1, ${X}]\n", /^1:9 .*put quotes around \$\{…\}/],
    ["a: }\n", /found something that cannot stand here/],
  ];
  for (const [text, expected] of table) assert.match(mistakes(text)[0] ?? "none", expected, text);
});

Deno.test("parseText() reports one mistake a line and the first ten only", () => {
  const found = mistakes("a: b: c\n".repeat(50));
  assert.equal(found.length, 10);
  assert.equal(new Set(found.map((line) => line.split(":")[0])).size, 10);
});

Deno.test("parseText() never repeats the file's text, which may be a secret", () => {
  for (
    const text of [
      "token: hunter2 x: y\n",
      "token: [hunter2\n",
      "- a\nhunter2\n",
      "token: *hunter2 x\n",
      "a: !hunter2 1\n",
    ]
  ) {
    assert.doesNotMatch(mistakes(text).join("\n"), /hunter2/, text);
  }
});

Deno.test("parseText() is bounded: text, nesting", () => {
  assert.match(mistakes("#".repeat(MAX_TEXT_LENGTH + 1)).join(), /expected a smaller file/);
  for (const text of ["[".repeat(30_000), "{a: ".repeat(10_000), "- ".repeat(20_000)]) {
    assert.notEqual(mistakes(text).length, 0);
  }
});

Deno.test("parseText() gives positions and what aliases stand for", () => {
  const parsed = parseText("\ufeffa: &x 1\nb: &x 2\nc: *x\n");
  assert.ok(parsed.ok);
  assert.deepEqual(parsed.position(9), { line: 2, column: 1 });
});

Deno.test("parseText() reads an empty text and one of comments as nothing", () => {
  for (const text of ["", "\n\n", "# only\n# comments\n", "---\n"]) {
    const parsed = parseText(text);
    assert.ok(parsed.ok, text);
    assert.ok(parsed.contents === null || text === "---\n", text);
  }
});
