import assert from "node:assert/strict";
import { formatLocated } from "../../lib/config/yaml/located.ts";
import { ANY_CONFIG, loadOf, type Mapping } from "../gateway/config_of.ts";

/** What is said of a listener's `images:`. */
async function problemsOf(images: unknown, top: Mapping = {}): Promise<string[]> {
  const listeners = [{ name: "l", listen: "127.0.0.1:6635", pool: "films", images }];
  const loaded = await loadOf({ ...ANY_CONFIG, images: top, listeners });
  return loaded.ok ? [] : loaded.problems.map(formatLocated).map((line) => line.replace(/^\S+ /, ""));
}

Deno.test("listenerImageKeys says what is wrong, where, and what is allowed", async () => {
  const rows: [unknown, RegExp][] = [
    [{ convert: { formats: [] } }, /images\.convert\.formats.*at least one format/],
    [{ convert: { formats: ["jpeg"] } }, /images\.convert\.formats\[0\].*avif, webp/],
    [{ convert: { quality: { avif: 0 } } }, /quality\.avif.*from 1 to 100/],
    [{ convert: { effort: { webp: 7 } } }, /effort\.webp.*from 0 to 6/],
    [{ convert: { wait: "2m" } }, /images\.convert\.wait/],
    [{ convert: "yes" }, /images\.convert/],
    [{ converts: true }, /images.*convert/],
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
