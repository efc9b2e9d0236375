import type { Conversion, Recipe } from "./conversion.ts";
import { isAnimatedPng, pictureFormat } from "./picture_format.ts";

/** The part of `sharp` that is used: its own types would make it part of every build of these sources. */
interface Sharp {
  (body: Uint8Array, options: Readonly<Record<string, unknown>>): Picture;
  concurrency(threads: number): number;
  cache(options: boolean): unknown;
  block(options: { readonly operation: readonly string[] }): void;
  unblock(options: { readonly operation: readonly string[] }): void;
}

interface Picture {
  metadata(): Promise<Metadata>;
  timeout(options: { readonly seconds: number }): Picture;
  resize(options: Readonly<Record<string, unknown>>): Picture;
  toFormat(format: string, options: Readonly<Record<string, unknown>>): Picture;
  toBuffer(): Promise<Uint8Array>;
}

interface Metadata {
  readonly width?: number;
  readonly height?: number;
  readonly pages?: number;
  readonly orientation?: number;
}

/** Limits of one conversion. */
export interface CodecLimits {
  /** Of the decoded input picture. */
  readonly maxPixels: number;
  readonly timeoutMs: number;
}

/** Converts pictures in this thread's process. */
export interface Codec {
  /** Converts a whole picture. @throws {Error} what sharp says of it */
  convert(body: Uint8Array<ArrayBuffer>, recipe: Recipe, limits: CodecLimits): Promise<Conversion>;
}

/**
 * Not written into the import itself, nor named in `deno.json`: `sharp` is not part of the program, and is fetched and loaded only
 * where it is wanted. `deno.all.lock` has its digest.
 */
const SHARP = "npm:sharp@0.35.5";

/** Loaders of the accepted formats; the others of libvips stay disabled. */
const LOADERS = ["VipsForeignLoadJpegBuffer", "VipsForeignLoadPngBuffer", "VipsForeignLoadWebpBuffer"];

/**
 * Loads `sharp`.
 *
 * @throws {Error} when it is not installed, or may not be loaded (`--allow-ffi`)
 */
export async function loadSharpCodec(): Promise<Codec> {
  // Checked before anything is fetched.
  const { state } = Deno.permissions.querySync({ name: "ffi" });
  if (state !== "granted") throw new Deno.errors.NotCapable("the permission --allow-ffi is not granted");
  const { default: sharp } = await import(SHARP) as { readonly default: Sharp };
  // One thread a picture: several pictures at a time keep the cores busy.
  sharp.concurrency(1);
  sharp.cache(false);
  sharp.block({ operation: ["VipsForeignLoad"] });
  sharp.unblock({ operation: LOADERS });
  return { convert: (body, recipe, limits) => convert(sharp, { body, recipe, limits }) };
}

interface Task {
  readonly body: Uint8Array<ArrayBuffer>;
  readonly recipe: Recipe;
  readonly limits: CodecLimits;
}

async function convert(sharp: Sharp, { body, recipe, limits }: Task): Promise<Conversion> {
  const format = pictureFormat(body);
  if (format === null) return unsuitable("no JPEG, PNG or WebP");
  if (format === "png" && isAnimatedPng(body)) return unsuitable("animated");
  const options = { limitInputPixels: limits.maxPixels, failOn: "warning", sequentialRead: true };
  // Only the header is read here, to compare its size with the limit.
  const metadata = await sharp(body, { ...options, limitInputPixels: false }).metadata();
  const reason = refusal(metadata, recipe, limits);
  if (reason !== null) return unsuitable(reason);
  const seconds = Math.max(1, Math.ceil(limits.timeoutMs / 1000));
  const picture = sharp(body, options).timeout({ seconds });
  const fitted = recipe.fit === undefined ? picture : picture.resize({ ...recipe.fit, withoutEnlargement: true });
  const coded = await fitted.toFormat(recipe.format, encoderOptions(recipe)).toBuffer();
  // A copy: sharp's buffer may be part of a larger one.
  const result = new Uint8Array(coded);
  if (recipe.fit === undefined && result.byteLength >= body.byteLength) return unsuitable("no smaller");
  return { kind: "done", body: result };
}

/** Why a picture is not converted; `null` where it may be. */
function refusal({ width, height, pages, orientation }: Metadata, { fit }: Recipe, limits: CodecLimits): string | null {
  if (width === undefined || height === undefined) return "without dimensions";
  if (width * height > limits.maxPixels) return `${width} × ${height} pixels`;
  if ((pages ?? 1) > 1) return "animated";
  // The orientation tag would be lost, and rotating would change the size.
  if ((orientation ?? 1) > 1) return "turned by its metadata";
  if (fit === undefined) return null;
  return ("width" in fit ? fit.width > width : fit.height > height) ? "too small" : null;
}

/** A quality would take colours from a PNG. */
function encoderOptions({ format, quality, effort }: Recipe): Readonly<Record<string, number>> {
  if (format === "png") return {};
  return format === "jpeg" ? { quality } : { quality, effort };
}

function unsuitable(detail: string): Conversion {
  return { kind: "unsuitable", detail };
}
