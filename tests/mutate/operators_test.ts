import assert from "node:assert/strict";
import plugin from "./lint_plugin.ts";
import type { Change } from "./operators.ts";
import { mutate } from "./mutant.ts";

/** Every text that one change makes of a source. */
function changed(source: string): string[] {
  const { changes } = plugin.rules;
  const found = Deno.lint.runPlugin({ name: "mutate", rules: { changes: changes! } }, "a.ts", source);
  return found.map(({ message }) => mutate(source, JSON.parse(message) as Change));
}

const CASES: ReadonlyArray<readonly [source: string, changed: readonly string[]]> = [
  ["a < b;", ["{}", "a <= b;"]],
  ["const c = a >= b;", ["const c = a > b;"]],
  ["const c = (a) === (b);", ["const c = (a) !== (b);"]],
  ["const c = a && b;", ["const c = a || b;"]],
  ["const c = a ?? b;", ["const c = (a);", "const c = (b);"]],
  ["const c = a + b;", ["const c = a - b;"]],
  ["const c = `${a}` + b;", []],
  ["const c = !a;", ["const c = a;"]],
  ["const c = [-a, a++];", ["const c = [a, a++];", "const c = [-a, a--];"]],
  ["a += b;", ["{}", "a -= b;"]],
  ["a ??= b;", ["{}", "a = b;"]],
  ["const c = 0;", ["const c = 1;"]],
  ["const c = 2n;", ["const c = 3n;"]],
  ["const c = true;", ["const c = false;"]],
  ['const c = "no-store";', ['const c = "";']],
  ['const c = "";', ['const c = "changed";']],
  ['const c = "for those who read";', []],
  ['const c = { "a-b": d };', []],
  ['import { a } from "./a.ts"; export * from "./b.ts"; let c: "d"; type E = 1;', []],
  ["if (a) b();", ["if (true) b();", "if (false) b();", "if (a) {}"]],
  ["const c = a ? b : d;", ["const c = true ? b : d;", "const c = false ? b : d;"]],
  ["while (a) { break; }", ["while (false) { break; }", "while (a) { {} }"]],
  ["function f() { return; }", ["function f() { {} }"]],
  ["function f() { throw a; }", ["function f() { {} }"]],
  ["function f() { return g(a, b); }", ["function f() { return a; }"]],
  ["const f = async () => await g(a);", ["const f = async () => a;"]],
  ["const c = a.some(f);", ["const c = a.every(f);"]],
  ["const c = a.trim();", ["const c = a;"]],
];

for (const [source, expected] of CASES) {
  Deno.test(`visitChanges() makes of ${source} ${expected.length === 0 ? "nothing" : expected.join(" and ")}`, () => {
    assert.deepEqual(changed(source).sort(), [...expected].sort());
  });
}
