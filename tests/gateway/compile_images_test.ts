import assert from "node:assert/strict";
import { compileConvert, wantsImageWorker } from "../../lib/gateway/compile_images.ts";
import { newListenerCounts } from "../../lib/metrics/gateway_metrics.ts";
import { upstreamTypes } from "../../lib/upstream_type/registry.ts";
import { ANY_CONFIG, configOf, type Mapping } from "./config_of.ts";

const type = upstreamTypes.create("custom", { apiKeys: [], keyMode: "pass", contentTypes: null, now: () => 0 });

const withImages = (images: Mapping) =>
  configOf({ ...ANY_CONFIG, listeners: [{ name: "l", listen: "127.0.0.1:6635", pool: "films", images }] });

Deno.test("compileConvert() makes one recipe a format, whose id tells everything that decides its bytes", async () => {
  const counts = newListenerCounts();
  const config = await withImages({ convert: { formats: ["webp", "avif"], quality: { webp: 70 }, wait: "250ms" } });
  const options = compileConvert(config, config.listeners[0]!, { type, counts })!;
  assert.deepEqual(options.recipes, [
    { format: "webp", quality: 70, effort: 4, id: "webp-70-4", mediaType: "image/webp" },
    { format: "avif", quality: 55, effort: 2, id: "avif-55-2", mediaType: "image/avif" },
  ]);
  assert.deepEqual([options.minBytes, options.maxBytes, options.waitMs], [4096, 16 << 20, 250]);
  options.counts.done++;
  assert.deepEqual({ ...counts.conversions }, {
    done: 1,
    unsuitable: 0,
    refused: 0,
    timeout: 0,
    failed: 0,
    unavailable: 0,
    derived: 0,
  });
});

Deno.test("compileConvert() and wantsImageWorker() leave listeners alone that do not ask", async () => {
  for (const images of [{}, { convert: false }, { convert: { enabled: false } }, { derive: false }]) {
    const config = await withImages(images);
    const counts = newListenerCounts();
    assert.equal(compileConvert(config, config.listeners[0]!, { type, counts }), null);
    assert.equal(wantsImageWorker(config), false, JSON.stringify(images));
    assert.deepEqual({ ...counts.conversions }, {});
  }
  for (const images of [{ convert: true }, { derive: true }, { convert: {} }]) {
    assert.equal(wantsImageWorker(await withImages(images)), true, JSON.stringify(images));
  }
});
