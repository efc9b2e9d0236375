/** A format that pictures are converted to. */
export type ImageFormat = "avif" | "webp" | "jpeg" | "png";

/** Target of a conversion. */
export interface Recipe {
  readonly format: ImageFormat;
  /** 1 to 100. */
  readonly quality: number;
  /** Time spent on a smaller result: 0 to 9 for AVIF, 0 to 6 for WebP; nothing to the others. */
  readonly effort: number;
  /** Size of one side in pixels; the other follows. Pictures are never enlarged. */
  readonly fit?: { readonly width: number } | { readonly height: number };
}

/** Result of a conversion. */
export type Conversion =
  | { readonly kind: "done"; readonly body: Uint8Array<ArrayBuffer> }
  /** The picture cannot be converted with profit: it is animated, too large, of another format, or would grow. */
  | { readonly kind: "unsuitable"; readonly detail: string }
  /** The queue was full, or the wait in it too long. */
  | { readonly kind: "refused"; readonly detail: string }
  /** It exceeded its time. */
  | { readonly kind: "timeout"; readonly detail: string }
  /** The picture is broken, or the image worker died. */
  | { readonly kind: "failed"; readonly detail: string }
  /** No conversion is possible: `sharp` is missing or may not be loaded, or its worker is not running. */
  | { readonly kind: "unavailable"; readonly detail: string };

/** Converts pictures in another thread. */
export interface ImageConverter {
  /** Converts a picture for a listener; never rejects. The body is read when its turn comes and must not change until then. */
  convert(body: Uint8Array<ArrayBuffer>, recipe: Recipe, listener: string): Promise<Conversion>;
}

/** Media type of each format. */
export const MEDIA_TYPES: Readonly<Record<ImageFormat, string>> = {
  avif: "image/avif",
  webp: "image/webp",
  jpeg: "image/jpeg",
  png: "image/png",
};
