import { z } from "zod";
import { Interpolated, plainValue } from "./interpolate.ts";

/** A value that nothing changes, all that it holds included. */
export type Frozen<T> = { readonly [K in keyof T]: Frozen<T[K]> };

/** The values of keys that several sections have. */
export type Values<S extends z.ZodRawShape> = z.output<z.ZodObject<S>>;

/** A mapping with these keys and no others. Its unknown-key issue lists the known ones. */
export function section<S extends z.ZodRawShape>(shape: S) {
  const known = Object.keys(shape).join(", ");
  return z.strictObject(shape, {
    error: (issue) => issue.code === "unrecognized_keys" ? known : `a mapping with ${known}`,
  });
}

/** Lets a section stand where `${…}` may: that is never a mapping, although it is an object to JavaScript. */
export function asMapping<S extends z.ZodType>(schema: S) {
  return z.preprocess(plainValue, schema);
}

/** A mapping of names of the user's choice; empty where the file has none. `what` is for messages. */
export function record<K extends z.core.$ZodRecordKey, V extends z.ZodType>(key: K, value: V, what: string) {
  return asMapping(z.record(key, value, { error: `a mapping of ${what}` })).prefault({});
}

/** Lets `normalize` turn a short form into the long one; `shorthand` is the short form's JSON Schema. */
export function short<S extends z.ZodType>(schema: S, shorthand: object, normalize: (value: unknown) => unknown) {
  return z.preprocess(normalize, schema).meta({ shorthand });
}

/** A section with a key `enabled`, for which a boolean alone may stand. */
export function switchable<S extends z.ZodType>(schema: S) {
  return short(schema, { type: "boolean" }, (value) => {
    const plain = plainValue(value);
    return typeof plain === "boolean" ? { enabled: plain } : plain;
  });
}

/** A list of at most `max` items. */
export function list<S extends z.ZodType>(item: S, max = 1000, expected = "a list") {
  const error = (issue: { code?: string }) =>
    issue.code === "too_big" ? `${expected} of at most ${max} items` : expected;
  return z.array(item, { error }).max(max, { error });
}

/** A list of which one item alone may stand without brackets. */
export function oneOrMany<S extends z.ZodType>(item: S, max = 100) {
  return z.preprocess((value) => isScalar(value) ? [value] : value, list(item, max)).meta({ shorthand: "item" });
}

/** Whether a value of the file is neither a list nor a mapping. */
export function isScalar(value: unknown): boolean {
  return value instanceof Interpolated || (value !== undefined && typeof value !== "object");
}

/** Each item once, in the order of their first places. */
export function distinct<T>(items: Iterable<T>): T[] {
  return [...new Set(items)];
}
