import { z } from "zod";
import { Interpolated } from "./interpolate.ts";

/** A mapping with these keys and no others. Its unknown-key issue lists the known ones. */
export function section<S extends z.ZodRawShape>(shape: S) {
  const known = Object.keys(shape).join(", ");
  return z.strictObject(shape, {
    error: (issue) => issue.code === "unrecognized_keys" ? known : `a mapping with ${known}`,
  });
}

/** Lets a section stand where `${…}` may: that is never a mapping, although it is an object to JavaScript. */
export function asMapping<S extends z.ZodType>(schema: S) {
  return z.preprocess((value) => value instanceof Interpolated ? value.value() : value, schema);
}

/** Lets `normalize` turn a short form into the long one; `shorthand` is the short form's JSON Schema. */
export function short<S extends z.ZodType>(schema: S, shorthand: object, normalize: (value: unknown) => unknown) {
  return z.preprocess(normalize, schema).meta({ shorthand });
}

/** A list of at most `max` items. */
export function list<S extends z.ZodType>(item: S, max = 1000, expected = "a list") {
  const error = (issue: { code?: string }) =>
    issue.code === "too_big" ? `${expected} of at most ${max} items` : expected;
  return z.array(item, { error }).max(max, { error });
}

/** A list of which one item alone may stand without brackets. */
export function oneOrMany<S extends z.ZodType>(item: S, max = 100) {
  const isAlone = (value: unknown) =>
    value !== undefined && (value instanceof Interpolated || typeof value !== "object");
  return z.preprocess((value) => isAlone(value) ? [value] : value, list(item, max)).meta({ shorthand: "item" });
}
