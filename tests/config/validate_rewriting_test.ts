import assert from "node:assert/strict";
import { problemsOf, warningsOf } from "./load_text.ts";

const POOLS = `pools:
  api: { type: tmdb-api, upstreams: [https://one.example] }
  images: { type: tmdb-image, upstreams: [https://two.example] }
  other: { type: custom, upstreams: [https://three.example] }
listeners:
`;
const IMAGES = "  - { name: images, prefix: /t/p, pool: images }\n";
const OTHER = "  - { name: other, prefix: /o, pool: other }\n";

Deno.test("validateRewriting() refuses an image base that can do nothing", async () => {
  const said = (...lines: string[]) => problemsOf(POOLS + lines.join(""));
  const api = (base: string) => `  - { name: api, prefix: /3, pool: api, rewrite_image_base: ${base} }\n`;
  assert.deepEqual(await said(api("true"), OTHER), [
    "6:61 listeners[0].rewrite_image_base: found true expected false, the URL of images, or a listener with a pool of type tmdb-image",
  ]);
  for (const base of ["false", "https://images.example"]) assert.deepEqual(await said(api(base), OTHER), []);
  assert.deepEqual(await said(api("true"), IMAGES), []);
  const custom = (base: string) => `  - { name: a, prefix: /a, pool: other, rewrite_image_base: ${base} }\n`;
  for (const base of ["true", "https://images.example"]) {
    assert.deepEqual(await said(custom(base), IMAGES), [
      "6:41 listeners[0].rewrite_image_base: found rewrite_image_base expected none on a pool of type custom",
    ]);
  }
  assert.deepEqual(await said(custom("false")), []);
});

Deno.test("validateRewriting() says nothing of what others are wrong about", async () => {
  const lines = await problemsOf(
    `${POOLS}  - { name: a, pool: apu, rewrite_image_base: true }\n  - { name: b, prefix: /b, pool: images, rewrite_image_base: 7 }\n`,
  );
  assert.deepEqual(lines.map((line) => line.split(" ")[1]), ["listeners[0].pool:", "listeners[1].rewrite_image_base:"]);
});

Deno.test("validateRewriting() warns of patches that change nothing", async () => {
  const warnings = await warningsOf(
    `${POOLS}${IMAGES}${OTHER}  - { name: a, prefix: /3, pool: api, overrides: [ { path: /3/a, merge: {} }, { path: /3/b, merge: [] } ] }\n`,
  );
  assert.deepEqual(warnings, ["8:73 listeners[2].overrides[0].merge: an empty patch changes nothing"]);
});

Deno.test("validateRewriting() warns of paths that a listener does not have", async () => {
  const warned = async (path: string, more = "prefix: /3/x") =>
    (await warningsOf(
      `${POOLS}${IMAGES}${OTHER}  - { name: a, pool: api, ${more}, overrides: [ { path: "${path}", merge: 1 } ] }\n`,
    )).length;
  for (const path of ["/3/x", "/3/x/y", "/3/x/*", "/3/**", "/3/*/y", "**", "/3*"]) {
    assert.equal(await warned(path), 0, path);
  }
  for (const path of ["/x/y", "/3/xy", "/3", "/4/**", "/3/y*"]) assert.equal(await warned(path), 1, path);
  assert.equal(await warned("/x/y", "prefix: /3, strip_prefix: true"), 0);
  assert.equal(await warned("/x/y", "prefix: /"), 0);
  assert.deepEqual(
    await warningsOf(
      `${POOLS}${IMAGES}${OTHER}  - { name: a, prefix: /3, pool: api, overrides: [ { path: /a, merge: 1 } ] }\n`,
    ),
    ["8:60 listeners[2].overrides[0].path: it matches no path of this listener: they begin with /3"],
  );
});
