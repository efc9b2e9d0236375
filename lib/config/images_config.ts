/** `images:` at the top level: the worker that converts pictures, and what it may use. */
export interface ImageWorkerConfig {
  /** Conversions at a time, all listeners together; `auto` has become half of the cores. */
  readonly concurrency: number;
  /** Conversions that may wait. */
  readonly queue: number;
  /** Time that one may take, once it has begun. */
  readonly timeoutMs: number;
  /** Largest body that is taken in, key `max_size`. */
  readonly maxBytes: number;
  /** Largest picture that is taken in, decoded, key `max_pixels`. */
  readonly maxPixels: number;
}

/** `images:` of a listener. */
export interface ListenerImagesConfig {
  /** `null` where every picture is served as it is. */
  readonly convert: ConvertConfig | null;
  /** `null` where no picture is made of a larger one. */
  readonly derive: DeriveConfig | null;
}

/** A format that the gateway can convert to. */
export type ConvertFormat = "avif" | "webp";

/** `convert:` */
export interface ConvertConfig {
  /** Best first. */
  readonly formats: readonly ConvertFormat[];
  /** 1 to 100. */
  readonly quality: Readonly<Record<ConvertFormat, number>>;
  readonly effort: Readonly<Record<ConvertFormat, number>>;
  /** Smaller pictures are served as they are, key `min_size`. */
  readonly minBytes: number;
  /** How long a request waits for a conversion. */
  readonly waitMs: number;
}

/** `derive:` */
export interface DeriveConfig {
  /** Of JPEG and WebP, 1 to 100. */
  readonly quality: number;
  /** How long a request waits before an upstream is asked. */
  readonly waitMs: number;
}
