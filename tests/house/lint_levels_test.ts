import assert from "node:assert/strict";
import plugin from "./lint_levels.ts";
import { ROOT_URL } from "./syntax.ts";

function messages(path: string, source: string): string[] {
  return Deno.lint.runPlugin(plugin, path, source).map(({ message }) => message);
}

Deno.test("lint_levels sees every form in which a file names another", () => {
  const forms = [
    `import { Weights } from "../health/weights.ts";`,
    `import type { Weights } from "../health/weights.ts";`,
    `import "../health/weights.ts";`,
    `export { Weights } from "../health/weights.ts";`,
    `export type { Weights } from "../health/weights.ts";`,
    `export * from "../health/weights.ts";`,
    `const weights = await import("../health/weights.ts");`,
    `type Weights = import("../health/weights.ts").Weights;`,
    `new Worker(new URL("../health/weights.ts", import.meta.url), { type: "module" });`,
  ];
  for (const form of forms) {
    const found = messages("lib/cache/key.ts", form);
    assert.equal(found.length, 1, form);
    assert.match(found[0] ?? "", /lib\/cache\/key\.ts \(level 2\) imports lib\/health\/weights\.ts \(level 3\)/);
  }
});

Deno.test("lint_levels finds the file's place from an absolute path, as the linter gives it", () => {
  const path = decodeURI(new URL("lib/pool/pool.ts", ROOT_URL).pathname);
  assert.match(
    messages(path, `import "../cache/key.ts";`)[0] ?? "",
    /^lib\/pool\/pool\.ts imports lib\/cache\/key\.ts/,
  );
});

Deno.test("lint_levels lets a clean file pass", () => {
  const source =
    `import { at } from "../clock.ts";\nimport { LRUCache } from "lru-cache";\nimport { join } from "node:path";`;
  assert.deepEqual(messages("lib/cache/memory/memory_tier.ts", source), []);
});

Deno.test("lint_levels refuses packages that deno.json does not pin; tests may name others, with their exact version", () => {
  assert.match(messages("lib/http/a.ts", `import { z } from "npm:zod@4";`)[0] ?? "", /deno\.json "imports"/);
  assert.match(messages("tests/a_test.ts", `import "https://example.com/x.ts";`)[0] ?? "", /deno\.json "imports"/);
  const pinned = `import { MovieDb } from "npm:moviedb-promise@4.0.8";`;
  assert.match(messages("lib/http/a.ts", pinned)[0] ?? "", /deno\.json "imports"/);
  assert.deepEqual(messages("tests/a_test.ts", pinned), []);
  assert.match(messages("tests/a_test.ts", `import "npm:moviedb-promise@4";`)[0] ?? "", /exact version/);
});

Deno.test("lint_levels refuses a file in a room without a level", () => {
  assert.match(messages("lib/magic/wand.ts", "export {};")[0] ?? "", /no known room/);
});
