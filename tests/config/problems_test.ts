import assert from "node:assert/strict";
import { formatLocated } from "../../lib/config/yaml/located.ts";
import { parseText } from "../../lib/config/yaml/parse.ts";
import { describe, Problems } from "../../lib/config/yaml/problems.ts";
import { buildTree, valueAt } from "../../lib/config/yaml/tree.ts";

const VARIABLES: Readonly<Record<string, string>> = { SECRET: "hunter2", EMPTY: "" };

function problemsFor(text: string): Problems {
  const parsed = parseText(text);
  assert.ok(parsed.ok);
  const file = () => ({ problem: "there is no such file" });
  return new Problems("c.yaml", buildTree(parsed, { env: (name) => VARIABLES[name], file }));
}

function lines(problems: Problems): string[] {
  return problems.list().map(formatLocated);
}

Deno.test("Problems points at the value, the key, or the nearest parent that is there", () => {
  const problems = problemsFor("a:\n  b: 1\n  c:\n    - d: x\n");
  problems.add(["a", "b"], "value");
  problems.add(["a", "b"], "key", { atKey: true });
  problems.add(["a", "z"], "missing");
  problems.add(["a", "c", 0, "z"], "missing from an item");
  problems.add(["y", "z"], "missing from the file");
  assert.deepEqual(lines(problems), [
    "c.yaml:1:1 a.z: missing",
    "c.yaml:1:1 y.z: missing from the file",
    "c.yaml:2:3 a.b: key",
    "c.yaml:2:6 a.b: value",
    "c.yaml:4:7 a.c[0].z: missing from an item",
  ]);
});

Deno.test("Problems says what was found, from outside by its reference only", () => {
  const problems = problemsFor(`
text: hello
number: 5
list: [1]
mapping: {a: 1}
from_outside: x\${SECRET}y
nothing: \${EMPTY}
url: https://user:pw@one.example
token: literal-secret
long: ${"x".repeat(1000)}
api_keys: [literal, "literal\${SECRET}"]
upstreams: ["ftp://x"]
`);
  const found = (...path: PropertyKey[]) => problems.found(path);
  assert.equal(found("text"), '"hello"');
  assert.equal(found("number"), "5");
  assert.equal(found("list"), "a list");
  assert.equal(found("mapping"), "a mapping");
  assert.equal(found("none"), "nothing");
  assert.equal(found("mapping", "none"), "nothing");
  assert.equal(found("from_outside"), '"x${SECRET}y"');
  assert.equal(found("nothing"), "nothing (${EMPTY} is empty)");
  assert.equal(found("url"), '"https://…@one.example"');
  assert.equal(found("token"), "a value that is not shown");
  assert.equal(found("api_keys", 0), "a value that is not shown");
  assert.equal(found("api_keys", 1), "${SECRET}");
  assert.equal(found("upstreams", 0, "url"), '"ftp://x"');
  assert.ok(found("long").length < 100);
});

Deno.test("Problems names the nearest known text", () => {
  const problems = problemsFor("level: inof\nother: zzzzzz\n");
  problems.expect(["level"], "one of debug, info", ["debug", "info"]);
  problems.expect(["other"], "one of debug, info", ["debug", "info"]);
  assert.deepEqual(lines(problems), [
    'c.yaml:1:8 level: found "inof" expected one of debug, info; did you mean "info"?',
    'c.yaml:2:8 other: found "zzzzzz" expected one of debug, info',
  ]);
});

Deno.test("Problems.has() answers for a path and what is beneath it", () => {
  const problems = problemsFor("a: {b: [1]}\nab: 1\n");
  problems.add(["a", "b", 0], "wrong");
  problems.suspect(["c"]);
  assert.ok(problems.has([]) && problems.has(["a"]) && problems.has(["a", "b"]) && problems.has(["c"]));
  assert.ok(!problems.has(["ab"]) && !problems.has(["a", "b", 0, "x"]) && !problems.hasExactly(["a", "b"]));
  assert.equal(problems.list().length, 1);
});

Deno.test("Problems lists what was wrong in the tree, each thing once, in order, at most 200", () => {
  const problems = problemsFor("b: ${NONE}\na: ${NONE}\n");
  problems.add(["a"], "again");
  problems.add(["a"], "again");
  assert.deepEqual(problems.list().map(({ path }) => path), ["b", "a", "a"]);
  for (let count = 0; count < 1000; count++) problems.add(["a"], `number ${count}`);
  assert.equal(problems.list().length, 200);
});

Deno.test("Problems keeps warnings apart", () => {
  const problems = problemsFor("a: 1\n");
  problems.warn(["a"], "odd");
  assert.deepEqual(problems.list(), []);
  assert.deepEqual(problems.warnings().map(formatLocated), ["c.yaml:1:4 a: odd"]);
});

Deno.test("describe() shows a secret neither as text nor as number", () => {
  for (const value of ["hunter2", 12345]) assert.equal(describe(value, true), "a value that is not shown");
  assert.equal(describe(valueAt(null, ["a"]), false), "nothing");
});
