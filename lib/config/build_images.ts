import type { ImageWorkerConfig, ListenerImagesConfig } from "./images_config.ts";
import type { FileValues } from "./schema.ts";

/** `images:` at the top level, from the values of a sound file. */
export function buildImageWorker(images: FileValues["images"], cores: number): ImageWorkerConfig {
  const { concurrency, queue, timeout, max_size, max_pixels } = images;
  return {
    concurrency: concurrency === "auto" ? Math.max(1, Math.floor(cores / 2)) : concurrency,
    queue,
    timeoutMs: timeout,
    maxBytes: max_size,
    maxPixels: max_pixels,
  };
}

/** `images:` of a listener, from the values of a sound file. */
export function buildListenerImages({ images }: FileValues["listeners"][number]): ListenerImagesConfig {
  const { convert, derive } = images;
  return {
    convert: convert?.enabled === true
      ? {
        formats: [...new Set(convert.formats)],
        quality: convert.quality,
        effort: convert.effort,
        minBytes: convert.min_size,
        waitMs: convert.wait,
      }
      : null,
    derive: derive?.enabled === true ? { quality: derive.quality, waitMs: derive.wait } : null,
  };
}
