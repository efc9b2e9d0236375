import type { ValidationContext } from "./validation_context.ts";

/** What is said of a listener whose pictures nobody could convert here. */
const NEEDS_FFI = "pictures are converted only by a process that has the permission --allow-ffi " +
  "(`deno task start:images`), which this one has not: without it originals are served";

/** Warns of pictures that nobody will convert, and of settings that have no effect. */
export function validateImages(context: ValidationContext): void {
  const { values, original, mayLoadAddons, types } = context;
  for (const [index, { images, pool }] of values.listeners.entries()) {
    const path = original(["listeners", index, "images"]);
    const isOn = { convert: images.convert?.enabled === true, derive: images.derive?.enabled === true };
    if (!mayLoadAddons && (isOn.convert || isOn.derive)) {
      context.problems.warn([...path, isOn.convert ? "convert" : "derive"], NEEDS_FFI);
    }
    const type = pool === undefined ? undefined : values.pools[pool]?.type;
    if (isOn.derive && types.traits(type)?.sizes === null) {
      const others = types.namesWith(({ sizes }) => sizes !== null);
      context.problems.warn([...path, "derive"], `it has no effect: only type ${others} has sizes`);
    }
  }
  for (const [name, { type, image_accept }] of Object.entries(values.pools)) {
    if (image_accept === "named" || types.traits(type)?.negotiatesImages !== false) continue;
    const others = types.namesWith(({ negotiatesImages }) => negotiatesImages);
    context.problems.warn(["pools", name, "image_accept"], `it has no effect: only type ${others} asks for pictures`);
  }
}
