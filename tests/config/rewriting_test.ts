import assert from "node:assert/strict";
import { configOf, problemsOf, type Surroundings, warningsOf } from "./load_text.ts";

Deno.test("rewritingOf() takes over what is said, in order", async () => {
  const [listener] = (await configOf(`
pools:
  a: { type: custom, upstreams: [https://one.example] }
listeners:
  - name: a
    pool: a
    public_url: HTTPS://Films.example/
    overrides:
      - { path: /b, query: { lang: de }, merge: { x: null } }
      - { path: /a/**, merge: [] }
`)).listeners;
  assert.equal(listener!.publicUrl, "https://films.example");
  assert.deepEqual(listener!.overrides, [
    { path: "/b", query: { lang: "de" }, merge: { x: null } },
    { path: "/a/**", query: {}, merge: [] },
  ]);
});

const HEAD = "pools: { a: { type: custom, upstreams: [https://one.example] } }\nlisteners:\n  - name: a\n    pool: a\n";

/** What is said of these lines of a listener; the first is in line 5. */
function said(lines: string, around?: Surroundings): Promise<string[]> {
  return problemsOf(HEAD + lines.replaceAll(/^(?=.)/gm, "    "), around);
}

async function patchOf(merge: string, around?: Surroundings): Promise<unknown> {
  const config = await configOf(`${HEAD}    overrides: [ { path: /a, merge: ${merge} } ]\n`, around);
  return config.listeners[0]!.overrides[0]!.merge;
}

Deno.test("rewritingKeys take any value of JSON as a patch, members of null included", async () => {
  assert.deepEqual(await patchOf("{ a: null, b: [1, null, 2.5, { c: }], d: true, e: text, '': {} }"), {
    a: null,
    b: [1, null, 2.5, { c: null }],
    d: true,
    e: "text",
    "": {},
  });
  assert.equal(await patchOf("5"), 5);
  assert.deepEqual(await patchOf("{ constructor: 1, '7': { toString: null } }"), {
    7: { toString: null },
    constructor: 1,
  });
});

Deno.test("rewritingKeys put what comes from outside into a patch", async () => {
  const env = { TITLE: "Fight Club", YEAR: "1999" };
  assert.deepEqual(await patchOf('{ title: "${TITLE}", year: "${YEAR}", none: "${NONE:-}" }', { env }), {
    title: "Fight Club",
    year: 1999,
  });
});

Deno.test("rewritingKeys refuse numbers that are not what was written, and say where they stand", async () => {
  const lines = await said(
    "overrides:\n  - path: /a\n    merge:\n      ids: [1, 12345678901234567890]\n      x: .inf\n",
  );
  assert.deepEqual(lines, [
    "8:20 listeners[0].overrides[0].merge.ids[1]: found 12345678901234567000 expected a number that is exact in 64 bits, or quotes around it",
    "9:14 listeners[0].overrides[0].merge.x: found Infinity expected a number that is exact in 64 bits, or quotes around it",
  ]);
});

Deno.test("rewritingKeys bound a patch, its depth and the number of overrides", async () => {
  const [large] = await said(`overrides: [ { path: /a, merge: { a: ${"x".repeat(70_000)} } } ]\n`);
  assert.match(
    large!,
    /^5:\d+ listeners\[0\]\.overrides\[0\]\.merge: found a mapping expected a value of at most 65536/,
  );
  const [deep] = await said(`overrides: [ { path: /a, merge: ${"[".repeat(40)}${"]".repeat(40)} } ]\n`);
  assert.match(deep!, /more than 32 levels of nesting/);
  const [many] = await said(`overrides: [ ${"{ path: /a, merge: 1 }, ".repeat(201)} ]\n`);
  assert.match(many!, /a list of at most 200 items/);
});

Deno.test("rewritingKeys want a path and a patch, and know no other keys", async () => {
  assert.deepEqual(await said("overrides: [ { merge: 1 } ]\n"), [
    "5:18 listeners[0].overrides[0].path: found nothing expected a glob such as /3/movie/550 or /3/tv/**",
  ]);
  assert.deepEqual(await said("overrides:\n  - path: /a\n"), [
    "6:9 listeners[0].overrides[0].merge: found nothing expected a value, as JSON has them",
  ]);
  assert.match((await said("overrides: [ { path: a, merge: 1 } ]\n"))[0]!, /found "a" expected a glob such as/);
  assert.match((await said("overrides: [ { path: /a, merg: 1 } ]\n"))[0]!, /did you mean "merge"\?/);
  assert.match((await said("overrides: [ { path: /a, query: { a: 1 }, merge: 1 } ]\n"))[0]!, /put quotes around it/);
});

Deno.test("rewritingKeys take true, false and URLs for the image base", async () => {
  const base = async (text: string, around?: Surroundings) =>
    (await configOf(
      `pools: { a: { type: tmdb-api, upstreams: [https://one.example] } }\nlisteners: [ { name: a, pool: a, rewrite_image_base: ${text} } ]\n`,
      around,
    )).listeners[0]!.rewriteImageBase;
  assert.equal(await base("false"), false);
  assert.equal(await base("HTTPS://Images.example/t/p/"), "https://images.example/t/p");
  assert.equal(await base('"${BASE}"', { env: { BASE: "false" } }), false);
  const lines = await Promise.all(
    ["yes", "{}", "5", "fals", "ftp://a", "https://u:p@a", "https://a?b"].map((text) =>
      said(`rewrite_image_base: ${text}\n`)
    ),
  );
  assert.deepEqual(lines.map(([line]) => line?.replace(/^5:\d+ listeners\[0\]\.rewrite_image_base: found /, "")), [
    '"yes" expected true, false or a URL such as https://images.example/t/p',
    "a mapping expected true, false or a URL such as https://images.example/t/p",
    "5 expected true, false or a URL such as https://images.example/t/p",
    '"fals" expected true, false or a URL such as https://images.example/t/p; did you mean "false"?',
    '"ftp://a" expected true, false or a URL such as https://images.example/t/p',
    '"https://…@a" expected a URL without credentials (they would show in logs)',
    '"https://a?b" expected a URL without a query',
  ]);
});

const POOLS = `pools:
  api: { type: tmdb-api, upstreams: [https://one.example] }
  images: { type: tmdb-image, upstreams: [https://two.example] }
  other: { type: custom, upstreams: [https://three.example] }
listeners:
`;
const IMAGES = "  - { name: images, prefix: /t/p, pool: images }\n";
const OTHER = "  - { name: other, prefix: /o, pool: other }\n";

Deno.test("checkRewriting() refuses an image base that can do nothing", async () => {
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

Deno.test("checkRewriting() says nothing of what others are wrong about", async () => {
  const lines = await problemsOf(
    `${POOLS}  - { name: a, pool: apu, rewrite_image_base: true }\n  - { name: b, prefix: /b, pool: images, rewrite_image_base: 7 }\n`,
  );
  assert.deepEqual(lines.map((line) => line.split(" ")[1]), ["listeners[0].pool:", "listeners[1].rewrite_image_base:"]);
});

Deno.test("checkRewriting() warns of patches that change nothing", async () => {
  const warnings = await warningsOf(
    `${POOLS}${IMAGES}${OTHER}  - { name: a, prefix: /3, pool: api, overrides: [ { path: /3/a, merge: {} }, { path: /3/b, merge: [] } ] }\n`,
  );
  assert.deepEqual(warnings, ["8:73 listeners[2].overrides[0].merge: an empty patch changes nothing"]);
});

Deno.test("checkRewriting() warns of paths that a listener does not have", async () => {
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

const TMDB = HEAD.replace("type: custom", "type: tmdb-api");

Deno.test("fill_language is a list of languages as TMDB names them, or one alone; off by default", async () => {
  const of = async (line: string) => (await configOf(`${TMDB}    ${line}\n`)).listeners[0]!;
  assert.deepEqual((await of("cors: pass")).fillLanguages, []);
  const { fillLanguages, fillWaitMs } = await of("fill_language: [zh-TW, en-US]");
  assert.deepEqual([fillLanguages, fillWaitMs], [["zh-TW", "en-US"], 3_000]);
  assert.deepEqual((await of("fill_language: de\n    fill_wait: 500ms")).fillLanguages, ["de"]);
});

Deno.test("checkRewriting() refuses languages that TMDB cannot have, that come twice, or that no document of the pool is in", async () => {
  const problems = (line: string) => problemsOf(`${TMDB}    ${line}\n`);
  assert.deepEqual(await problems("fill_language: [zh_TW]"), [
    '5:21 listeners[0].fill_language[0]: found "zh_TW" expected a language as TMDB names it, such as zh-TW or de',
  ]);
  assert.deepEqual(await problems("fill_language: [en-US, de, en-US]"), [
    '5:32 listeners[0].fill_language[2]: found "en-US" expected each language once',
  ]);
  assert.match((await problems("fill_language: [a1, bb, cc, dd, ee, ff]")).join(), /of at most 5 items/);
  assert.deepEqual(await said("fill_language: [de]\n"), [
    "5:5 listeners[0].fill_language: found fill_language expected none on a pool of type custom",
  ]);
  assert.deepEqual(await warningsOf(`${TMDB}    fill_language: [de]\n    cache: { mode: off }\n`), [
    "5:20 listeners[0].fill_language: it has no effect: `cache.mode: off` stores nothing",
  ]);
});
