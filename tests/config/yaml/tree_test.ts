import assert from "node:assert/strict";
import { interpolate, Interpolated, type Lookup, retype, templateParts } from "../../../lib/config/yaml/interpolate.ts";
import { formatLocated, formatPath, type Path } from "../../../lib/config/yaml/located.ts";
import { MAX_TEXT_LENGTH, parseText } from "../../../lib/config/yaml/parse.ts";
import {
  buildTree,
  isMapping,
  referencedFiles,
  type Tree,
  type TreeValue,
  valueAt,
} from "../../../lib/config/yaml/tree.ts";

const VARIABLES: Readonly<Record<string, string>> = { A: "1", EMPTY: "" };

function parse(text: string) {
  const parsed = parseText(text);
  return parsed.ok ? parsed : assert.fail(JSON.stringify(parsed.problems));
}

function treeOf(text: string): Tree {
  const file = () => ({ problem: "there is no such file" });
  return buildTree(parse(text), { env: (name) => VARIABLES[name], file });
}

/** The tree as ordinary values, what was put together by its text. */
function plain(value: TreeValue): unknown {
  if (value instanceof Interpolated) return value.text();
  if (Array.isArray(value)) return value.map(plain);
  return isMapping(value) ? Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item)])) : value;
}

function messages(text: string): string[] {
  return treeOf(text).problems.map(({ path, position, message }) =>
    `${position.line}:${position.column} ${formatPath(path)}: ${message}`
  );
}

Deno.test("buildTree() gives values as YAML 1.2 means them", () => {
  const text = "a: 1\nb: [yes, true, ~, 0x1F]\nc: {d: 'x', 5: y}\ne: |\n  lines\nf:\ng: !!str 7\n";
  assert.deepEqual(plain(treeOf(text).root), {
    a: 1,
    b: ["yes", true, null, 31],
    c: { d: "x", 5: "y" },
    e: "lines\n",
    g: "7",
  });
});

Deno.test("buildTree() replaces references in values, and leaves out what comes to nothing", () => {
  const tree = treeOf('a: ${A}\nb: "x${A}"\nc: ${EMPTY}\nd: ["${EMPTY}"]\ne: $${A}\n');
  assert.deepEqual(plain(tree.root), { a: "1", b: "x1", d: [""], e: "${A}" });
  assert.equal(tree.emptyAt(["c"])?.source, "${EMPTY}");
});

Deno.test("buildTree() knows the place of every key and value", () => {
  const tree = treeOf("a:\n  - b: 1\n    c: [x, y]\n");
  const places: ReadonlyArray<readonly [Path, string | undefined, string | undefined]> = [
    [["a"], "1:1", "2:3"],
    [["a", 0], undefined, "2:5"],
    [["a", 0, "b"], "2:5", "2:8"],
    [["a", 0, "c", 1], undefined, "3:12"],
    [["a", 1], undefined, undefined],
  ];
  for (const [path, key, value] of places) {
    const [keyAt, valueAt] = [tree.keyPosition(path), tree.valuePosition(path)];
    assert.equal(keyAt && `${keyAt.line}:${keyAt.column}`, key, formatPath(path));
    assert.equal(valueAt && `${valueAt.line}:${valueAt.column}`, value, formatPath(path));
  }
});

Deno.test("buildTree() follows aliases and merge keys; own keys win, places are those of the anchor", () => {
  const tree = treeOf("x: &x {p: 1, q: 2}\ny: &y {q: 3}\na: *x\nb:\n  <<: *x\n  p: 9\nc:\n  <<: [*y, *x]\n");
  assert.deepEqual(plain(tree.root), {
    x: { p: 1, q: 2 },
    y: { q: 3 },
    a: { p: 1, q: 2 },
    b: { p: 9, q: 2 },
    c: { q: 3, p: 1 },
  });
  assert.deepEqual(tree.valuePosition(["b", "q"]), { line: 1, column: 17 });
});

Deno.test("buildTree() locates what cannot be used", () => {
  const table: ReadonlyArray<readonly [string, RegExp]> = [
    ["a: 1\nb: 2\na: 3\n", /^3:1 a: found the key "a" a second time expected it once \(first in line 1\)/],
    ["a:\n  b: ${NONE}\n", /^2:6 a\.b: found \$\{NONE\}, which is not set/],
    ["a: ${file:/none}\n", /^1:4 a: found \$\{file:\/none\} \(there is no such file\)/],
    ["a: *x\n", /^1:4 a: found an alias without its anchor/],
    ["a: *x\nb: &x 1\n", /^1:4 a: found an alias without its anchor/],
    ["? [a]\n: 1\n", /^1:3 : found an unusable key|^1:3 found|unusable key/],
    ["${A}: 1\n", /unusable key/],
    ["__proto__: 1\n", /unusable key/],
    ["<<: 5\n", /^1:5 : found a merge key/],
    ["a:\n  <<:\n", /found a merge key/],
    ["a: !!binary aGk=\n", /^1:13 a: found a value with a tag/],
  ];
  for (const [text, expected] of table) assert.match(messages(text)[0] ?? "none", expected, text);
});

Deno.test("buildTree() is bounded: aliases of aliases, aliases of themselves, merges of themselves", () => {
  const laughs = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"];
  for (let level = 1; level < 12; level++) {
    laughs.push(`a${level}: &a${level} [${Array(10).fill(`*a${level - 1}`).join(", ")}]`);
  }
  assert.match(messages(laughs.join("\n")).join(), /more than 100000 values/);
  assert.match(messages("a: &a [*a]\n").join(), /more than 32 levels/);
  assert.match(messages("a: &a {b: *a}\n").join(), /more than 32 levels/);
  assert.match(messages("a: &a\n  <<: *a\n").join(), /merge key/);
  const merges = ["m0: &m0 {k: 1}"];
  for (let level = 1; level < 25; level++) merges.push(`m${level}: &m${level} {<<: [*m${level - 1}, *m${level - 1}]}`);
  treeOf(merges.join("\n"));
});

Deno.test("buildTree() keeps keys of the file from meaning anything to JavaScript", () => {
  const tree = treeOf("constructor: 1\ntoString: 2\n");
  assert.equal(Object.getPrototypeOf(tree.root), null);
  assert.equal(valueAt(tree.root, ["hasOwnProperty"]), undefined);
  assert.equal(valueAt(tree.root, ["constructor"]), 1);
});

Deno.test("referencedFiles() lists each file once, up to the limit", () => {
  const parsed = parse('a: ${file:/x}\nb: ["${file:/y} ${file:/x}", "$${file:/no}"]\n');
  assert.deepEqual(referencedFiles(parsed, 10).sort(), ["/x", "/y"]);
  assert.equal(referencedFiles(parsed, 1).length, 1);
});

Deno.test("buildTree() keeps members of null in merge patches, and nowhere else", () => {
  const tree = treeOf(
    "listeners:\n  - host:\n    overrides:\n      - path: ~\n        merge: { a: null, b: { c: , d: ~ }, e: [null] }\n",
  );
  assert.deepEqual(plain(tree.root), {
    listeners: [{ overrides: [{ merge: { a: null, b: { c: null, d: null }, e: [null] } }] }],
  });
});

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

const OUTSIDE: Readonly<Record<string, string>> = { NAME: "secret-7", EMPTY: "", COUNT: "16", NESTED: "${NAME}" };

const lookup: Lookup = {
  env: (name) => Object.hasOwn(OUTSIDE, name) ? OUTSIDE[name] : undefined,
  file: (path) => path === "/run/secrets/x" ? { text: "from-file\n\n" } : { problem: "there is no such file" },
};

/** What a scalar becomes: its text, or its problems. */
function outcome(scalar: string): unknown {
  const parts = templateParts(scalar);
  if (parts === null) return scalar;
  const result = interpolate(parts, lookup);
  if (!result.ok) return result.problems;
  return result.value instanceof Interpolated ? result.value.text() : result.value;
}

Deno.test("interpolate() puts variables, defaults and files in, and says what is missing", () => {
  const table: ReadonlyArray<readonly [string, string | RegExp]> = [
    ["plain", "plain"],
    ["$NAME $5 $$ {x}", "$NAME $5 $$ {x}"],
    ["${NAME}", "secret-7"],
    ["<${NAME}|${COUNT}>", "<secret-7|16>"],
    ["${EMPTY}", ""],
    ["${EMPTY:-x}", "x"],
    ["${NONE:-x y}", "x y"],
    ["${NONE:-}", ""],
    ["${NONE:-a:-b}", "a:-b"],
    ["${NAME:-x}", "secret-7"],
    ["${NESTED}", "${NAME}"],
    ["${file:/run/secrets/x}", "from-file"],
    ["$${NAME}", "${NAME}"],
    ["$${NAME} ${COUNT}", "${NAME} 16"],
    ["${NONE}", /found \$\{NONE\}, which is not set, expected .* set it, or give a default with \$\{NONE:-default\}/],
    ["${file:/none}", /found \$\{file:\/none\} \(there is no such file\) expected a file/],
    ["${file:}", /expected a path/],
    ["${NAME", /expected a \} that ends/],
    ["${}", /expected \$\{NAME\}/],
    ["${1X}", /expected \$\{NAME\}/],
    ["${NAME-x}", /expected \$\{NAME\}/],
    ["${constructor}", /not set/],
  ];
  for (const [scalar, expected] of table) {
    const got = outcome(scalar);
    if (typeof expected === "string") assert.equal(got, expected, scalar);
    else assert.match(String(got), expected, scalar);
  }
});

Deno.test("interpolate() reports each reference of a scalar that cannot be replaced", () => {
  assert.equal((outcome("${A} ${NAME} ${B}") as string[]).length, 2);
});

Deno.test("Interpolated shows its source and never its value", () => {
  const parts = templateParts("key=${NAME} ${NONE:-fallback-secret} ${file:/run/secrets/x}") ?? [];
  const result = interpolate(parts, lookup);
  assert.ok(result.ok && result.value instanceof Interpolated);
  assert.equal(result.value.source, "key=${NAME} ${NONE} ${file:/run/secrets/x}");
  assert.equal(result.value.references, "${NAME}${NONE}${file:/run/secrets/x}");
  const shown = [Deno.inspect(result.value), JSON.stringify(result.value), String(result.value)].join();
  assert.doesNotMatch(shown, /secret-7|fallback-secret|from-file/);
});

Deno.test("retype() reads a plain scalar as the YAML 1.2 core schema does", () => {
  const table: ReadonlyArray<readonly [string, unknown]> = [
    ["16", 16],
    ["-1", -1],
    ["1.5", 1.5],
    ["1e3", 1000],
    ["0x10", 16],
    ["0o17", 15],
    ["007", 7],
    [" 16 ", 16],
    ["True", true],
    ["false", false],
    ["yes", "yes"],
    ["~", null],
    ["null", null],
    ["", null],
    ["30s", "30s"],
    ["1_000", "1_000"],
    ["Infinity", "Infinity"],
    ["[1]", "[1]"],
  ];
  for (const [text, expected] of table) assert.equal(retype(text), expected, text);
});

Deno.test("formatPath() is unambiguous for unusual keys", () => {
  assert.equal(formatPath([]), "");
  assert.equal(formatPath([0]), "[0]");
  assert.equal(formatPath(["a", "b", 1]), "a.b[1]");
  assert.notEqual(formatPath(["a.b"]), formatPath(["a", "b"]));
  assert.notEqual(formatPath(["a", "0"]), formatPath(["a", 0]));
  assert.equal(formatPath(["a", 'say "x"\n']), 'a["say \\"x\\"\\n"]');
});

Deno.test("formatLocated() leaves out what is not known", () => {
  const located = { file: "c.yaml", line: 2, column: 3, path: "a.b", message: "found 1 expected 2" };
  assert.equal(formatLocated(located), "c.yaml:2:3 a.b: found 1 expected 2");
  assert.equal(formatLocated({ ...located, path: "" }), "c.yaml:2:3: found 1 expected 2");
  assert.equal(formatLocated({ ...located, line: 0, column: 0, path: "" }), "c.yaml: found 1 expected 2");
});
