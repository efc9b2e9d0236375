import type { Path } from "./yaml/located.ts";
import type { ValidationContext } from "./validation_context.ts";

/** What is said of a listener whose pictures nobody could convert here. */
const NEEDS_FFI = "pictures are converted only by a process that has the permission --allow-ffi " +
  "(`deno task start:images`), which this one has not: without it originals are served";

/** Warns of pictures that nobody will convert, and of settings that have no effect. */
export function validateImages(context: ValidationContext): void {
  const { values, original, mayLoadAddons } = context;
  for (const [index, { images, pool }] of values.listeners.entries()) {
    const path = original(["listeners", index, "images"]);
    const isOn = { convert: images.convert?.enabled === true, derive: images.derive?.enabled === true };
    if (!mayLoadAddons && (isOn.convert || isOn.derive)) {
      context.problems.warn([...path, isOn.convert ? "convert" : "derive"], NEEDS_FFI);
    }
    const type = pool === undefined ? undefined : values.pools[pool]?.type;
    if (isOn.derive && type !== undefined && type !== "tmdb-image") {
      context.problems.warn([...path, "derive"], "it has no effect: only type tmdb-image has sizes");
    }
  }
  for (const [name, { type, image_accept }] of Object.entries(values.pools)) {
    if (type === undefined || type === "tmdb-image" || image_accept === "named") continue;
    warnUnused(context, ["pools", name, "image_accept"]);
  }
}

function warnUnused({ problems }: ValidationContext, path: Path): void {
  problems.warn(path, "it has no effect: only type tmdb-image asks for pictures");
}
