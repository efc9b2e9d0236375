import assert from "node:assert/strict";
import { findCycles, inspectSource, listFiles } from "./source_tree.ts";

function source(path: string, ...imports: string[]) {
  return { path, imports, isTypeOnly: false };
}

Deno.test("findCycles() finds a cycle of two, of three and a file that imports itself", () => {
  const found = findCycles([
    source("a", "b"),
    source("b", "a"),
    source("c", "d", "a"),
    source("d", "e"),
    source("e", "c"),
    source("f", "f"),
  ]);
  assert.deepEqual(found, [["a", "b", "a"], ["c", "d", "e", "c"], ["f", "f"]]);
});

Deno.test("findCycles() is silent about a diamond", () => {
  assert.deepEqual(findCycles([source("a", "b", "c"), source("b", "d"), source("c", "d"), source("d")]), []);
});

Deno.test("inspectSource() tells files of types from files with code", () => {
  const isTypeOnly = (text: string) => inspectSource("lib/cache/a.ts", text).isTypeOnly;
  assert.equal(
    isTypeOnly(`import type { A } from "./b.ts";\nexport interface I {}\nexport type T = 1;\ntype U = 2;`),
    true,
  );
  assert.equal(isTypeOnly(`export type { A } from "./b.ts";\nexport type * from "./c.ts";`), true);
  for (
    const code of [
      "export const a = 1;",
      "function f() {}",
      `import "./b.ts";`,
      `export { a } from "./b.ts";`,
      `export * from "./b.ts";`,
    ]
  ) {
    assert.equal(isTypeOnly(`export interface I {}\n${code}`), false, code);
  }
});

Deno.test("inspectSource() resolves what a file imports and is not deceived by comments and strings", () => {
  const text =
    `// import "./no.ts";\nimport { a } from "../http/fields.ts";\nconst s = 'import "./no.ts"';\nimport("./b.ts");\nimport "yaml";`;
  assert.deepEqual(inspectSource("lib/cache/a.ts", text).imports, ["lib/http/fields.ts", "lib/cache/b.ts"]);
});

Deno.test("listFiles() sees the repository, but not its history", () => {
  const files = listFiles();
  assert.ok(
    files.includes("lib/errors.ts") && files.includes("deno.json") && files.includes("tests/house/source_tree.ts"),
  );
  assert.ok(!files.some((path) => path.startsWith(".git/")));
});
