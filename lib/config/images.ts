import type { z } from "zod";
import type { Recipe } from "../image/conversion.ts";
import { upstreamTypes } from "../upstream_type/registry.ts";
import type { ListenerContext } from "./listener_context.ts";
import { autoOrInteger, choice, duration, flag, integer, size } from "./yaml/scalars.ts";
import { asMapping, distinct, type Frozen, list, section, switchable } from "./yaml/section.ts";
import { MiB, MINUTE } from "./yaml/units.ts";

const FORMATS = ["avif", "webp"] as const;

/** `images:` at the top level. */
export const imageWorkerSection = section({
  concurrency: autoOrInteger(1, 64).prefault("auto").describe(
    "Conversions at a time, all listeners together; `auto` is half of the cores.",
  ),
  queue: integer(0, 10_000).prefault(64).describe("Conversions that may wait; beyond them the original is served."),
  timeout: duration(100, 10 * MINUTE).prefault("20s").describe("Time that a conversion may take."),
  max_size: size(1024, 256 * MiB).prefault("16MiB").describe("Larger bodies are not converted."),
  max_pixels: integer(1, 500_000_000).prefault(16_000_000).describe(
    "Pictures with more pixels are not converted, whatever they take up in bytes.",
  ),
});

const qualitySection = section({
  avif: integer(1, 100).prefault(55).describe("Quality of AVIF."),
  webp: integer(1, 100).prefault(80).describe("Quality of WebP."),
});

const effortSection = section({
  avif: integer(0, 9).prefault(2).describe("Time spent on a smaller AVIF: each step takes longer by far."),
  webp: integer(0, 6).prefault(4).describe("Time spent on a smaller WebP."),
});

const convertSection = section({
  enabled: flag().prefault(true).describe("Convert at all."),
  formats: list(choice(FORMATS), FORMATS.length).min(1, { error: "a list of at least one format" })
    .prefault([...FORMATS]).describe("Formats, best first; of those that a client likes equally the first is taken."),
  quality: asMapping(qualitySection).prefault({}).describe("How close to the original a format stays."),
  effort: asMapping(effortSection).prefault({}).describe("What a format's size is worth in time."),
  min_size: size(0, 256 * MiB).prefault("4KiB").describe("Smaller originals are served as they are."),
  wait: duration(0, MINUTE).prefault("1s").describe(
    "How long a request waits for a conversion before it gets the original; the conversion goes on.",
  ),
});

const deriveSection = section({
  enabled: flag().prefault(true).describe("Derive at all."),
  quality: integer(1, 100).prefault(85).describe("Quality of what is made, where the format has one."),
  wait: duration(0, MINUTE).prefault("2s").describe("How long a request waits before an upstream is asked."),
});

const maxSizeSection = section({
  width: integer(45, 10_000).describe("Pixels in width."),
});

const listenerImagesSection = section({
  convert: switchable(convertSection).optional().describe(
    "Serve stored JPEG, PNG and WebP pictures as AVIF or WebP to clients that name it in `Accept`; " +
      "`true` is a mapping of defaults; default: pictures are served as they are.",
  ),
  derive: switchable(deriveSection).optional().describe(
    "Make a missing size out of a larger stored one (type `tmdb-image`); `true` is a mapping of defaults; default: never.",
  ),
  size_fallback: flag().prefault(false).describe(
    "Fetch the next larger listed size where upstreams do not have the asked one (type `tmdb-image`); " +
      "`Content-Location` names it.",
  ),
  max_size: asMapping(maxSizeSection).optional().describe(
    "Fetch no larger sizes (type `tmdb-image`): the largest listed one within it takes their place; default: any.",
  ),
});

/** Key of a listener that says what is done with pictures. */
export const imagesKey = asMapping(listenerImagesSection).prefault({}).describe(
  "What is done with pictures; `convert` and `derive` need `sharp` and the permission `--allow-ffi`.",
);

type WorkerValues = z.output<typeof imageWorkerSection>;
type ListenerImageValues = z.output<typeof listenerImagesSection>;

/** What is said of a listener whose pictures nobody could convert here. */
const NEEDS_FFI = "pictures are converted only by a process that has the permission --allow-ffi " +
  "(`deno task start:images`), which this one has not: without it originals are served";

/** Warns of pictures that nobody will convert, and of settings that have no effect. */
export function checkImages(values: ListenerImageValues, context: ListenerContext): void {
  const { convert, derive, size_fallback, max_size } = values;
  const { problems, path, type, mayLoadAddons } = context;
  const at = [...path, "images"];
  const isOn = { convert: convert?.enabled === true, derive: derive?.enabled === true };
  if (!mayLoadAddons && (isOn.convert || isOn.derive)) {
    problems.warn([...at, isOn.convert ? "convert" : "derive"], NEEDS_FFI);
  }
  const traits = upstreamTypes.traits(type);
  if (isOn.derive && traits?.sizes === null) {
    const others = upstreamTypes.namesWith(({ sizes }) => sizes !== null);
    problems.warn([...at, "derive"], `it has no effect: only type ${others} has sizes`);
  }
  if (traits?.listedSizes !== null) return;
  const others = upstreamTypes.namesWith(({ listedSizes }) => listedSizes !== null);
  const sizing = [["size_fallback", size_fallback], ["max_size", max_size !== undefined]] as const;
  for (const [key] of sizing.filter(([, isSet]) => isSet)) {
    problems.warn([...at, key], `it has no effect: only type ${others} has sizes`);
  }
}

/** The worker that converts pictures; `concurrency: auto` is half of the `cores`. */
export function imageWorkerOf({ concurrency, queue, timeout, max_size, max_pixels }: WorkerValues, cores: number) {
  return {
    concurrency: concurrency === "auto" ? Math.max(1, Math.floor(cores / 2)) : concurrency,
    queue,
    timeoutMs: timeout,
    maxBytes: max_size,
    maxPixels: max_pixels,
  };
}

/** `images:` at the top level. */
export interface ImageWorkerConfig extends Frozen<ReturnType<typeof imageWorkerOf>> {}

/** What a listener does with pictures; `null` where every one is served as it is, and where none is made of a larger one. */
export function listenerImagesOf({ convert, derive, size_fallback, max_size }: ListenerImageValues) {
  return {
    convert: convert?.enabled === true ? convertOf(convert) : null,
    derive: derive?.enabled === true ? { quality: derive.quality, waitMs: derive.wait } : null,
    /** Larger sizes are fetched where the asked one is missing. */
    fallsBack: size_fallback,
    /** Pixels; `null` for any. */
    maxWidth: max_size?.width ?? null,
  };
}

function convertOf({ formats, quality, effort, min_size, wait }: NonNullable<ListenerImageValues["convert"]>) {
  return {
    /** Best first. */
    recipes: distinct(formats).map((format): Recipe => ({ format, quality: quality[format], effort: effort[format] })),
    minBytes: min_size,
    waitMs: wait,
  };
}
