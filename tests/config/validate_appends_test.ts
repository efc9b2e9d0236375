import assert from "node:assert/strict";
import { configOf, problemsOf, warningsOf } from "./load_text.ts";

function file(type: string, cache: string): string {
  return `pools: { p: { type: ${type}, upstreams: [http://a.example] } }
listeners:
  - { name: l, pool: p, cache: ${cache} }
`;
}

Deno.test("validateAppends() takes reuse_appends on TMDB's API only", async () => {
  assert.equal((await configOf(file("tmdb-api", "{ reuse_appends: true }"))).listeners[0]!.cache.reuseAppends, true);
  assert.equal((await configOf(file("tmdb-api", "{}"))).listeners[0]!.cache.reuseAppends, false);
  for (const type of ["custom", "tmdb-image"]) {
    assert.deepEqual(await problemsOf(file(type, "{ reuse_appends: true }")), [
      `3:49 listeners[0].cache.reuse_appends: found true expected \`false\`: pool p is of type ${type}, and only tmdb-api has parts to append`,
    ]);
    assert.deepEqual(await problemsOf(file(type, "{ reuse_appends: false }")), []);
  }
});

Deno.test("validateAppends() warns where nothing is stored", async () => {
  const lines = await warningsOf(file("tmdb-api", "{ reuse_appends: true, mode: off }"));
  assert.match(lines[0] ?? "", /^3:49 listeners\[0\]\.cache\.reuse_appends: it has no effect: `mode: off`/);
});

Deno.test("validateAppends() leaves a pool that is wrong to those who check pools", async () => {
  const lines = await problemsOf(file("tmdb", "{ reuse_appends: true }"));
  assert.ok(lines.every((line) => !line.includes("reuse_appends")), lines.join("\n"));
});
