/** As much of `sharp` as tests use. */
interface Sharp {
  (input: unknown, options?: unknown): Drawing;
  unblock(options: { operation: string[] }): void;
}

interface Drawing {
  blur(sigma: number): Drawing;
  resize(width: number, height: number, options: unknown): Drawing;
  composite(layers: readonly unknown[]): Drawing;
  withMetadata(options: unknown): Drawing;
  toFormat(format: string, options?: unknown): Drawing;
  raw(): Drawing;
  toBuffer(): Promise<Uint8Array>;
  metadata(): Promise<{ format?: string; width?: number; height?: number; pages?: number; compression?: string }>;
}

const { default: sharp } = await import("npm:sharp@0.35.5") as unknown as { default: Sharp };

/** What a drawn picture is like. */
export interface Drawn {
  readonly width: number;
  readonly height: number;
  /** `noise` hardly gets smaller, `soft` does. */
  readonly look?: "soft" | "noise";
  readonly orientation?: number;
  readonly quality?: number;
}

/** Draws a picture in a format; not the same bytes each time. */
export async function drawn(
  format: "jpeg" | "png" | "webp" | "gif" | "avif",
  picture: Drawn,
): Promise<Uint8Array<ArrayBuffer>> {
  const { width, height, look = "soft", orientation, quality = 90 } = picture;
  const noise = { type: "gaussian", mean: 128, sigma: 60 };
  const canvas = sharp({ create: { width, height, channels: 3, background: "#000", noise } });
  const shaped = look === "soft" ? canvas.blur(4) : canvas;
  const marked = orientation === undefined ? shaped : shaped.withMetadata({ orientation });
  return new Uint8Array(await marked.toFormat(format, { quality }).toBuffer());
}

/** A JPEG with large shapes, edges and a little grain, about as compressible as a poster. */
export async function photograph(width: number, height: number): Promise<Uint8Array<ArrayBuffer>> {
  const noise = { type: "gaussian", mean: 128, sigma: 90 };
  const shapes = sharp({ create: { width: 24, height: 36, channels: 3, background: "#000", noise } });
  const large = await shapes.toFormat("png").toBuffer();
  const grain = sharp({
    create: { width, height, channels: 3, background: "#000", noise: { type: "gaussian", mean: 128, sigma: 12 } },
  });
  const input = await grain.blur(0.8).toFormat("png").toBuffer();
  const canvas = sharp(large).resize(width, height, { fit: "fill", kernel: "cubic" });
  const picture = canvas.composite([{ input, blend: "overlay" }]);
  return new Uint8Array(await picture.toFormat("jpeg", { quality: 90 }).toBuffer());
}

/** An animated WebP or GIF of two frames. */
export async function animated(format: "webp" | "gif"): Promise<Uint8Array<ArrayBuffer>> {
  const [width, height] = [60, 60];
  const noise = { type: "gaussian", mean: 128, sigma: 60 };
  const create = { width, height: height * 2, channels: 3, background: "#000", noise };
  const pixels = await sharp({ create }).raw().toBuffer();
  const raw = { width, height: height * 2, channels: 3, pageHeight: height };
  return new Uint8Array(await sharp(pixels, { raw }).toFormat(format, { delay: [100, 100] }).toBuffer());
}

/** What a picture is, by decoding all of it. @throws {Error} when it is broken */
export async function decoded(bytes: Uint8Array): Promise<{ format: string; width: number; height: number }> {
  // The gateway shuts what it does not take in, for its whole process.
  sharp.unblock({ operation: ["VipsForeignLoadHeif"] });
  const { format, width, height, compression } = await sharp(bytes, { failOn: "truncated" }).metadata();
  await sharp(bytes, { failOn: "truncated" }).raw().toBuffer();
  return { format: format === "heif" && compression === "av1" ? "avif" : format!, width: width!, height: height! };
}
