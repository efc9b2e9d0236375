import type { Config } from "../config/config.ts";
import type { ListenerConfig } from "../config/listener.ts";
import type { ConversionCounts, ConvertOptions, FormRecipe, SizingOptions } from "../request/snapshot.ts";
import { MEDIA_TYPES } from "../image/conversion.ts";
import type { ListenerCounts } from "../metrics/gateway_metrics.ts";
import { ImageDeriver } from "../pipeline/image_deriver.ts";
import type { UpstreamType } from "../upstream_type/upstream_type.ts";

/** What compiling takes beside the configuration. */
export interface ImageParts {
  readonly type: UpstreamType;
  readonly counts: ListenerCounts;
}

/** Compiles how a listener converts pictures; `null` where it does not. Conversions are counted in `counts`. */
export function compileConvert(
  config: Config,
  { images: { convert } }: ListenerConfig,
  { type, counts }: ImageParts,
): ConvertOptions | null {
  if (convert === null) return null;
  return {
    ...convert,
    recipes: convert.recipes.map((recipe): FormRecipe => {
      const { format, quality, effort } = recipe;
      return { ...recipe, id: `${format}-${quality}-${effort}`, mediaType: MEDIA_TYPES[format] };
    }),
    maxBytes: config.images.maxBytes,
    saysVary: type.responseFields.some(([name]) => name === "vary"),
    counts: conversionCounts(counts),
  };
}

/** Compiles how a listener makes sizes of pictures; `null` where it does not, or its type knows of none. */
export function compileDeriver(
  config: Config,
  { images: { derive } }: ListenerConfig,
  { type, counts }: ImageParts,
): ImageDeriver | null {
  if (derive === null || type.sizes === null) return null;
  const { maxBytes } = config.images;
  return new ImageDeriver({ ...derive, sizes: type.sizes, maxBytes, counts: conversionCounts(counts) });
}

/** Compiles which sizes of pictures upstreams are asked for; `null` where it is those that clients ask for. */
export function compileSizing(
  { images: { maxWidth, fallsBack } }: Pick<ListenerConfig, "images">,
  { listedSizes }: Pick<UpstreamType, "listedSizes">,
): SizingOptions | null {
  if (listedSizes === null || (maxWidth === null && !fallsBack)) return null;
  return {
    bounded: maxWidth === null ? null : (path) => listedSizes.bounded(path, maxWidth),
    larger: fallsBack ? (path) => listedSizes.larger(path) : null,
  };
}

/** All of them from the start, so that a metric that stays at 0 is there to be seen. */
function conversionCounts({ conversions }: ListenerCounts): ConversionCounts {
  for (const kind of ["done", "unsuitable", "refused", "timeout", "failed", "unavailable", "derived"] as const) {
    conversions[kind] ??= 0;
  }
  return conversions as ConversionCounts;
}

/** Whether any listener has work for an image worker. */
export function wantsImageWorker(config: Config): boolean {
  return config.listeners.some(({ images }) => images.convert !== null || images.derive !== null);
}
