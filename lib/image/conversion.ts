/** A format that is made here. */
export type ImageFormat = "avif" | "webp" | "jpeg" | "png";

/** What a picture is to become. */
export interface Recipe {
  readonly format: ImageFormat;
  /** 1 to 100. */
  readonly quality: number;
  /** Time spent on a smaller result: 0 to 9 for AVIF, 0 to 6 for WebP; nothing to the others. */
  readonly effort: number;
  /** What the result measures on one side, in pixels; the other follows. Never more than the picture has. */
  readonly fit?: { readonly width: number } | { readonly height: number };
}

/** What became of a conversion. */
export type Conversion =
  | { readonly kind: "done"; readonly body: Uint8Array<ArrayBuffer> }
  /** It will never be of use: it is animated, too large, of a format that is not taken, or would only grow. */
  | { readonly kind: "unsuitable"; readonly detail: string }
  /** The queue is full, or the time in it was up. */
  | { readonly kind: "refused"; readonly detail: string }
  /** It took longer than it may. */
  | { readonly kind: "timeout"; readonly detail: string }
  /** The picture is broken, or whoever was at it has died. */
  | { readonly kind: "failed"; readonly detail: string }
  /** There is nobody who could do it: `sharp` is not there or may not be loaded, or its worker is not up. */
  | { readonly kind: "unavailable"; readonly detail: string };

/** Converts pictures, somewhere else. */
export interface ImageConverter {
  /**
   * Converts a picture; never rejects. The body is read when its turn has come, and stays as it is: it is not to be changed until
   * then.
   */
  convert(body: Uint8Array<ArrayBuffer>, recipe: Recipe): Promise<Conversion>;
}

/** Media type of each format. */
export const MEDIA_TYPES: Readonly<Record<ImageFormat, string>> = {
  avif: "image/avif",
  webp: "image/webp",
  jpeg: "image/jpeg",
  png: "image/png",
};
