import assert from "node:assert/strict";
import { formatLocated } from "../../lib/config/yaml/located.ts";
import { ANY_CONFIG, configOf, loadOf, type Mapping } from "../gateway/config_of.ts";
import { warningsOf as warnings } from "./load_text.ts";

const withImages = (images: Mapping, top: Mapping = {}) =>
  configOf({
    ...ANY_CONFIG,
    images: top,
    listeners: [{ name: "l", listen: "127.0.0.1:6635", pool: "films", images }],
  });

Deno.test("listenerImagesOf() says what each key means, and is off by itself", async () => {
  const convert = {
    formats: ["webp", "avif"],
    quality: { avif: 1, webp: 2 },
    effort: { avif: 3, webp: 4 },
    min_size: "5KiB",
    wait: "6s",
  };
  const { listeners } = await withImages({ convert, derive: { quality: 7, wait: "8s" } });
  assert.deepEqual(listeners[0]!.images, {
    convert: {
      recipes: [{ format: "webp", quality: 2, effort: 4 }, { format: "avif", quality: 1, effort: 3 }],
      minBytes: 5 * 1024,
      waitMs: 6000,
    },
    derive: { quality: 7, waitMs: 8000 },
    fallsBack: false,
    maxWidth: null,
  });
  const none = { convert: null, derive: null, fallsBack: false, maxWidth: null };
  assert.deepEqual((await withImages({})).listeners[0]!.images, none);
  assert.deepEqual((await withImages({ convert: false, derive: false })).listeners[0]!.images, none);
  const { images } = (await withImages({ convert: true, derive: true })).listeners[0]!;
  assert.ok(images.convert !== null && images.derive !== null);
  const sizing = await withImages({ size_fallback: true, max_size: { width: 1280 } });
  assert.deepEqual(sizing.listeners[0]!.images, { ...none, fallsBack: true, maxWidth: 1280 });
});

Deno.test("imageWorkerOf() gives half of the cores to conversions, one at least", async () => {
  assert.equal((await withImages({})).images.concurrency, 1);
  assert.equal((await withImages({}, { concurrency: 5 })).images.concurrency, 5);
});

/** What is said of a listener's `images:`. */
async function problemsOf(images: unknown, top: Mapping = {}): Promise<string[]> {
  const listeners = [{ name: "l", listen: "127.0.0.1:6635", pool: "films", images }];
  const loaded = await loadOf({ ...ANY_CONFIG, images: top, listeners });
  return loaded.ok ? [] : loaded.problems.map(formatLocated).map((line) => line.replace(/^\S+ /, ""));
}

Deno.test("imagesKey says what is wrong, where, and what is allowed", async () => {
  const rows: [unknown, RegExp][] = [
    [{ convert: { formats: [] } }, /images\.convert\.formats.*at least one format/],
    [{ convert: { formats: ["jpeg"] } }, /images\.convert\.formats\[0\].*avif, webp/],
    [{ convert: { quality: { avif: 0 } } }, /quality\.avif.*from 1 to 100/],
    [{ convert: { effort: { webp: 7 } } }, /effort\.webp.*from 0 to 6/],
    [{ convert: { wait: "2m" } }, /images\.convert\.wait/],
    [{ convert: "yes" }, /images\.convert/],
    [{ converts: true }, /images.*convert/],
    [{ size_fallback: "often" }, /images\.size_fallback/],
    [{ max_size: {} }, /images\.max_size.*width/],
    [{ max_size: { width: 44 } }, /max_size\.width.*from 45 to 10000/],
    [{ derive: { quality: 101 } }, /derive\.quality.*from 1 to 100/],
  ];
  for (const [images, expected] of rows) {
    const problems = await problemsOf(images);
    assert.equal(problems.length, 1, JSON.stringify([images, problems]));
    assert.match(problems[0]!, expected);
  }
});

Deno.test("imageWorkerSection bounds what conversions may use", async () => {
  for (const top of [{ concurrency: 0 }, { queue: -1 }, { timeout: 1 }, { max_size: "1GiB" }, { max_pixels: 0 }]) {
    assert.equal((await problemsOf({}, top)).length, 1, JSON.stringify(top));
  }
  assert.deepEqual(await problemsOf({ convert: true, derive: {} }, { concurrency: "auto", queue: 0 }), []);
});

/** Warnings about a listener with these `images` over a pool of this type. */
function warningsOf(images: string, more: { type?: string; pool?: string; mayLoadAddons?: boolean } = {}) {
  const { type = "tmdb-image", pool = "", mayLoadAddons } = more;
  const text = `pools:
  p: { type: ${type}, upstreams: [http://127.0.0.1:9]${pool} }
listeners:
  - name: l
    pool: p
    images: ${images}
`;
  return warnings(text, { mayLoadAddons });
}

Deno.test("checkImages() says where pictures are to be converted by a process that may not", async () => {
  const [warning, ...others] = await warningsOf("{ convert: true }", { mayLoadAddons: false });
  assert.match(warning!, /^6:24 listeners\[0\]\.images\.convert: .*--allow-ffi.*originals are served/);
  assert.deepEqual(others, []);
  assert.equal((await warningsOf("{ derive: {} }", { mayLoadAddons: false })).length, 1);
  for (const images of ["{}", "{ convert: false, derive: false }", "{ convert: { enabled: false } }"]) {
    assert.deepEqual(await warningsOf(images, { mayLoadAddons: false }), [], images);
  }
  assert.deepEqual(await warningsOf("{ convert: true, derive: true }", { mayLoadAddons: true }), []);
  assert.deepEqual(await warningsOf("{ convert: true, derive: true }"), []);
});

Deno.test("checkImages() says what has no effect with other types", async () => {
  assert.match((await warningsOf("{ derive: true }", { type: "custom" }))[0]!, /images\.derive: it has no effect/);
  assert.deepEqual(await warningsOf("{ convert: true }", { type: "custom" }), []);
  const sizing = "{ size_fallback: true, max_size: { width: 300 } }";
  const said = await warningsOf(sizing, { type: "tmdb-api" });
  assert.deepEqual(said.map((line) => /images\.(\w+): it has no effect/.exec(line)?.[1]), [
    "size_fallback",
    "max_size",
  ]);
  assert.deepEqual(await warningsOf(sizing, { mayLoadAddons: false }), []);
  const negotiating = { type: "custom", pool: ", image_accept: negotiate" };
  assert.match(
    (await warningsOf("{}", negotiating))[0]!,
    /^2:\d+ pools\.p\.image_accept: it has no effect/,
  );
  assert.deepEqual(await warningsOf("{}", { pool: ", image_accept: negotiate" }), []);
});
