import { Interpolated } from "./yaml/interpolate.ts";
import { autoOrInteger, choice, duration, flag, integer, size } from "./yaml/scalars.ts";
import { asMapping, list, section, short } from "./yaml/section.ts";

const MINUTE_MS = 60_000;
const MiB = 1024 ** 2;

const FORMATS = ["avif", "webp"] as const;

/** `images:` at the top level. */
export const imageWorkerSection = section({
  concurrency: autoOrInteger(1, 64).prefault("auto").describe(
    "Conversions at a time, all listeners together; `auto` is half of the cores.",
  ),
  queue: integer(0, 10_000).prefault(64).describe("Conversions that may wait; beyond them the original is served."),
  timeout: duration(100, 10 * MINUTE_MS).prefault("20s").describe("Time that a conversion may take."),
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
  wait: duration(0, MINUTE_MS).prefault("1s").describe(
    "How long a request waits for a conversion before it gets the original; the conversion goes on.",
  ),
});

const deriveSection = section({
  enabled: flag().prefault(true).describe("Derive at all."),
  quality: integer(1, 100).prefault(85).describe("Quality of what is made, where the format has one."),
  wait: duration(0, MINUTE_MS).prefault("2s").describe("How long a request waits before an upstream is asked."),
});

/** A boolean alone is `enabled`. */
function switched(value: unknown): unknown {
  const plain = value instanceof Interpolated ? value.value() : value;
  return typeof plain === "boolean" ? { enabled: plain } : plain;
}

const listenerImagesSection = section({
  convert: short(convertSection, { type: "boolean" }, switched).optional().describe(
    "Serve stored JPEG, PNG and WebP pictures as AVIF or WebP to clients that name it in `Accept`; " +
      "`true` is a mapping of defaults; default: pictures are served as they are.",
  ),
  derive: short(deriveSection, { type: "boolean" }, switched).optional().describe(
    "Make a missing size out of a larger stored one (type `tmdb-image`); `true` is a mapping of defaults; default: never.",
  ),
});

/** The key of a listener. */
export const listenerImageKeys = {
  images: asMapping(listenerImagesSection).prefault({}).describe(
    "What is done with pictures; needs `sharp` and the permission `--allow-ffi`.",
  ),
};
