import assert from "node:assert/strict";
import { ANY_CONFIG, configOf, type Mapping } from "../gateway/config_of.ts";

const withImages = (images: Mapping, top: Mapping = {}) =>
  configOf({
    ...ANY_CONFIG,
    images: top,
    listeners: [{ name: "l", listen: "127.0.0.1:6635", pool: "films", images }],
  });

Deno.test("buildListenerImages() fills in every default once a feature is on, and is off by itself", async () => {
  const { listeners } = await withImages({ convert: true, derive: true });
  assert.deepEqual(listeners[0]!.images, {
    convert: {
      formats: ["avif", "webp"],
      quality: { avif: 55, webp: 80 },
      effort: { avif: 2, webp: 4 },
      minBytes: 4096,
      waitMs: 1000,
    },
    derive: { quality: 85, waitMs: 2000 },
  });
  assert.deepEqual((await withImages({})).listeners[0]!.images, { convert: null, derive: null });
  const once = await withImages({ convert: { formats: ["webp", "webp"] } });
  assert.deepEqual(once.listeners[0]!.images.convert!.formats, ["webp"]);
});

Deno.test("buildImageWorker() gives half of the cores to conversions, one at least", async () => {
  const { images } = await withImages({});
  assert.deepEqual(images, {
    concurrency: 1,
    queue: 64,
    timeoutMs: 20_000,
    maxBytes: 16 << 20,
    maxPixels: 16_000_000,
  });
  assert.equal((await withImages({}, { concurrency: 5 })).images.concurrency, 5);
});
