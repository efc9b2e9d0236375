import { redact } from "../logging/redact.ts";
import { formatListenAddress, type ListenAddress } from "./addresses.ts";
import type { FileValues } from "./config.ts";
import type { StatusRange } from "./http_scalars.ts";
import { type JsonSchema, jsonSchema } from "./json_schema.ts";
import { formatDurationMs, formatSizeBytes } from "./yaml/units.ts";

/** Stands for a value that may be a credential. */
export const NOT_SHOWN = "[not shown]";

/** Longest text that is shown of one value. */
const MAX_LENGTH = 200;

/** Kinds of values that are credentials, or may hold them. */
const HIDDEN: ReadonlySet<string> = new Set(["secret", "token", "field value", "text", "JSON value"]);

/** Kinds of values that are lists or mappings to the program, and one word in the file. */
const WORDS: ReadonlySet<string> = new Set(["listen address", "status range", "JSON value"]);

/** A value of a configuration, as JSON has it. */
export type ShownValue =
  | null
  | boolean
  | number
  | string
  | readonly ShownValue[]
  | { readonly [key: string]: ShownValue };

/** What the schema says of a place in the file. */
export interface ValuePlace {
  readonly schema: JsonSchema | undefined;
  /** Whether what stands here is not shown. */
  readonly isHidden: boolean;
}

let whole: ValuePlace | undefined;

/** The place of the whole file. */
export function wholeFile(): ValuePlace {
  return whole ??= { schema: jsonSchema(), isHidden: false };
}

/**
 * The place below another one. What the schema does not know is not shown, nor is a value whose name the operator has chosen: a
 * header's, a query parameter's, a client's.
 */
export function placeBelow({ schema, isHidden }: ValuePlace, step: string | number): ValuePlace {
  const forms = formsOf(schema);
  const known = forms.find((form) => typeof step === "number" ? form.items : own(form.properties, step));
  if (known !== undefined) {
    const below = typeof step === "number" ? known.items : own(known.properties, step);
    return { schema: below, isHidden: isHidden || HIDDEN.has(below?.title ?? "") };
  }
  const free = forms.map((form) => form.additionalProperties).find((one) => typeof one === "object");
  const isMapping = formsOf(free).some(({ properties }) => properties !== undefined);
  return { schema: free, isHidden: isHidden || !isMapping };
}

/** The configuration with the keys of the file and every default, times and sizes with their units, and no credential. */
export function shownValues(values: FileValues): ShownValue {
  return shownValue(values, wholeFile());
}

/** What is shown of the value at a place. */
export function shownValue(value: unknown, place: ValuePlace): ShownValue {
  const scalar = shownScalar(value, place.schema?.title);
  if (scalar !== undefined) return place.isHidden ? NOT_SHOWN : scalar;
  if (Array.isArray(value)) return value.map((item, index) => shownValue(item, placeBelow(place, index)));
  const entries = Object.entries(value as Readonly<Record<string, unknown>>).filter(([, one]) => one !== undefined);
  return Object.fromEntries(entries.map(([key, one]) => [key, shownValue(one, placeBelow(place, key))]));
}

/** Whether what stands at a place is one word in the file, whatever the program has made of it. */
export function isWord({ schema }: ValuePlace): boolean {
  return WORDS.has(schema?.title ?? "");
}

/** `undefined` for a list or a mapping of values. */
function shownScalar(value: unknown, title = ""): ShownValue | undefined {
  if (value === null || value === undefined) return null;
  if (title === "listen address") return formatListenAddress(value as ListenAddress);
  if (title === "status range") {
    const [from, to] = value as StatusRange;
    return from === to ? from : `${from}-${to}`;
  }
  if (title === "JSON value") return NOT_SHOWN;
  if (typeof value === "number") {
    if (/\bduration$/.test(title)) return formatDurationMs(value);
    if (title === "size") return formatSizeBytes(value);
    return title === "file mode" ? `0${value.toString(8)}` : value;
  }
  if (typeof value !== "string") return typeof value === "boolean" ? value : undefined;
  const safe = redact(value);
  return safe.length > MAX_LENGTH ? `${safe.slice(0, MAX_LENGTH)}…` : safe;
}

function formsOf(schema: JsonSchema | undefined): JsonSchema[] {
  return schema === undefined ? [] : [schema, ...(schema.anyOf ?? []).flatMap(formsOf)];
}

/** Names come from the file: one may be called like something that objects inherit. */
function own<T>(record: Readonly<Record<string, T>> | undefined, name: string): T | undefined {
  return record !== undefined && Object.hasOwn(record, name) ? record[name] : undefined;
}
