import assert from "node:assert/strict";
import { findCycles, listFiles, readSource, readText } from "./source_tree.ts";
import levels from "./lint_levels.ts";
import style from "./lint_style.ts";

const files = listFiles();
const productFiles = files.filter((path) => /^(lib|routes)\/.*\.tsx?$/.test(path) || path === "main.ts");

Deno.test("house: every *_test.ts registers a test", () => {
  const empty = files.filter((path) => path.endsWith("_test.ts")).filter((path) =>
    !/\bDeno\.test\(|\b\w*[sS]uite\(/.test(readText(path))
  );
  assert.deepEqual(empty, []);
});

Deno.test("house: no file imports itself by a detour", () => {
  const cycles = findCycles(files.filter((path) => path.endsWith(".ts")).map(readSource));
  assert.deepEqual(cycles.map((cycle) => cycle.join(" -> ")), []);
});

Deno.test("house: what a source imports exists", () => {
  const broken = files.filter((path) => path.endsWith(".ts")).map(readSource)
    .flatMap(({ path, imports }) =>
      imports.filter((target) => !files.includes(target)).map((target) => `${path} -> ${target}`)
    )
    .filter((line) => !line.startsWith("tests/house/"));
  assert.deepEqual(broken, []);
});

Deno.test("house: levels and style hold, as `deno lint` says it", () => {
  const found = productFiles.flatMap((path) => {
    const text = readText(path);
    return [levels, style].flatMap((plugin) => Deno.lint.runPlugin(plugin, path, text))
      .map(({ id, range, message }) => `${path}:${text.slice(0, range[0]).split("\n").length} [${id}] ${message}`);
  });
  assert.deepEqual(found, []);
});
