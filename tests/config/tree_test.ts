import assert from "node:assert/strict";
import { Interpolated } from "../../lib/config/yaml/interpolate.ts";
import { formatPath, type Path } from "../../lib/config/yaml/located.ts";
import { parseText } from "../../lib/config/yaml/parse.ts";
import { buildTree, isMapping, referencedFiles, type Tree, type TreeValue, valueAt } from "../../lib/config/yaml/tree.ts";

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
