import assert from "node:assert/strict";
import plugin from "./lint_style.ts";

function messages(path: string, source: string): string[] {
  return Deno.lint.runPlugin(plugin, path, source).map(({ message }) => message);
}

function assertRefused(path: string, source: string, says: RegExp): void {
  const found = messages(path, source);
  assert.equal(found.length, 1, `${source}\n-> ${found.join("\n") || "(clean)"}`);
  assert.match(found[0] ?? "", says);
}

Deno.test("lint_style refuses a function over 60 lines and takes one of 60", () => {
  const body = (lines: number) => `function long() {\n${"  work();\n".repeat(lines - 2)}}\n`;
  assert.deepEqual(messages("lib/http/a.ts", body(60)), []);
  assertRefused("lib/http/a.ts", body(61), /61 lines, at most 60/);
});

Deno.test("lint_style refuses a file over 400 lines", () => {
  assert.deepEqual(messages("lib/http/a.ts", "f();\n".repeat(400)), []);
  assertRefused("lib/http/a.ts", "f();\n".repeat(401), /401 lines, at most 400/);
});

Deno.test("lint_style refuses more than 4 parameters, not counting this", () => {
  assert.deepEqual(messages("lib/http/a.ts", "function f(this: X, a, b, c) {}"), []);
  assertRefused("lib/http/a.ts", "function f(a, b, c, d, e) {}", /takes 5 parameters/);
  assertRefused("lib/http/a.ts", "class C { m(a, b, c, d, e) {} }", /takes 5 parameters/);
  assert.deepEqual(
    messages("lib/http/a.ts", "class E extends TypeError { constructor(m, a, b, options) { super(m, options); } }"),
    [],
  );
});

Deno.test("lint_style refuses barrels, vague names and names that are not snake_case", () => {
  assertRefused("lib/http/index.ts", "", /no barrel files/);
  assertRefused("routes/mod.ts", "", /no barrel files/);
  assertRefused("lib/http/field_utils.ts", "", /says nothing/);
  assertRefused("lib/http/manager.ts", "", /says nothing/);
  assertRefused("lib/http/cacheControl.ts", "", /snake_case/);
  for (const name of ["cache_control.ts", "_chunks.ts", "p2c.ts"]) {
    assert.deepEqual(messages(`lib/http/${name}`, ""), []);
  }
});

Deno.test("lint_style refuses default exports in every form", () => {
  assertRefused("lib/http/a.ts", "export default 1;", /default export/);
  assertRefused("routes/a.ts", "const app = 1;\nexport { app as default };", /default export/);
  assert.deepEqual(messages("tests/house/lint_style.ts", "export default 1;"), []);
});

Deno.test("lint_style asks a docstring of every export", () => {
  const forms = [
    "function f() {}",
    "async function f() {}",
    "class C {}",
    "abstract class C {}",
    "interface I {}",
    "type T = 1;",
    "enum E {}",
    "const c = 1;",
  ];
  for (const form of forms) {
    assertRefused("lib/http/a.ts", `/** The file. */\nimport "./b.ts";\nexport ${form}`, /no docstring/);
    assertRefused("lib/http/a.ts", `// Not a docstring.\nexport ${form}`, /no docstring/);
    assert.deepEqual(messages("lib/http/a.ts", `/** What it is. */\nexport ${form}`), []);
  }
});

Deno.test("lint_style takes one docstring for all signatures of an overload", () => {
  const rest = "export function f(a: string): string;\nexport function f(a: never) { return a; }\n";
  assert.deepEqual(messages("lib/http/a.ts", `/** Doubles. */\nexport function f(a: number): number;\n${rest}`), []);
});

Deno.test("lint_style refuses private and public words and top-level arrow functions", () => {
  assertRefused("lib/http/a.ts", "class C { private x = 1; }", /#name/);
  assertRefused("lib/http/a.ts", "class C { public m() {} }", /#name/);
  assertRefused("lib/http/a.ts", "class C { constructor(private x: number) {} }", /#name/);
  assertRefused("lib/http/a.ts", "const f = () => 1;", /declared with `function`/);
  assert.deepEqual(
    messages(
      "lib/http/a.ts",
      "class C { readonly x = 1; #y = 2; private = 3; private constructor(readonly z: number) {} }\nconst t = { f: () => 1 };",
    ),
    [],
  );
});

Deno.test("lint_style leaves tests alone", () => {
  assert.deepEqual(messages("tests/http/a_test.ts", "export const f = (a, b, c, d) => 1;"), []);
});
