import { codingPreference } from "./content_coding.ts";
import { type Fields, fieldValue } from "./fields.ts";
import { splitList, trimSpace } from "./list.ts";

/** A response that depends on more request fields than this is not worth storing. */
export const MAX_VARY_NAMES = 16;

/** Names (lower case) and normalised values of request fields; `null` where the request had none. */
export type SelectingFields = ReadonlyArray<readonly [name: string, value: string | null]>;

/** Fields that are lists of choices with a weight, where order says nothing (RFC 9110 §12.4.2, §12.5). */
const WEIGHTED: ReadonlySet<string> = new Set(["accept", "accept-charset", "accept-language"]);

const TOKEN = /^[!#$%&'*+.^_`|~0-9a-z-]+$/;

/**
 * The request fields that a `Vary` names, in lower case, sorted, each once; `null` where it has `*`, something that no field can be
 * named, or more names than {@linkcode MAX_VARY_NAMES}: no later request can be known to match (RFC 9110 §12.5.5).
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { varyNames } from "./vary.ts";
 * assert.deepEqual(varyNames("Accept-Language, , ACCEPT"), ["accept", "accept-language"]);
 * assert.deepEqual(varyNames(null), []);
 * assert.equal(varyNames("accept, *"), null);
 * ```
 */
export function varyNames(vary: string | null): readonly string[] | null {
  if (vary === null) return [];
  const names = new Set(splitList(vary.toLowerCase(), MAX_VARY_NAMES + 1));
  if (names.has("*") || names.size > MAX_VARY_NAMES) return null;
  const sorted = [...names].sort();
  return sorted.every((name) => TOKEN.test(name)) ? sorted : null;
}

/**
 * A request's values of the fields `names`: the secondary key of the variant that it selects (RFC 9111 §4.1).
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { selectingFields } from "./vary.ts";
 * const header = (name: string) => name === "accept-language" ? "de, EN;q=0.5" : null;
 * assert.deepEqual(selectingFields(["accept-language", "x"], header), [["accept-language", "de,en;q=0.5"], ["x", null]]);
 * ```
 */
export function selectingFields(names: readonly string[], header: (name: string) => string | null): SelectingFields {
  return names.map((name) => [name, normalizeSelecting(name, header(name))] as const);
}

/** Normalised values by name and raw value: clients send the same few over and over. */
const normalized = new Map<string, string>();
const MAX_REMEMBERED = 512;
const MAX_REMEMBERED_LENGTH = 256;

/**
 * A request field's value in the form in which equal meanings are equal texts: lists without needless space, and for the
 * `Accept` family lower case, ordered by weight and then by name, with `q=1` left out (RFC 9111 §4.1); `Accept-Encoding` is reduced to
 * what an origin chooses by, see {@linkcode codingPreference}.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { normalizeSelecting } from "./vary.ts";
 * assert.equal(normalizeSelecting("accept-language", "fr;q=0.50 , De;q=1.0,en"), "de,en,fr;q=0.5");
 * assert.equal(normalizeSelecting("x-any", " B ,c"), "B,c");
 * ```
 */
export function normalizeSelecting(name: string, value: string | null): string | null {
  if (value === null) return null;
  if (value.length > MAX_REMEMBERED_LENGTH) return normalizeValue(name, value);
  const memoKey = `${name}\0${value}`;
  const known = normalized.get(memoKey);
  if (known !== undefined) return known;
  const result = normalizeValue(name, value);
  // Starting over is cheaper than keeping an order, and a full map means that the values do not repeat.
  if (normalized.size >= MAX_REMEMBERED) normalized.clear();
  normalized.set(memoKey, result);
  return result;
}

/** Space around commas goes; a value with quotes keeps it, for it may be inside them. */
function withoutNeedlessSpace(value: string): string {
  return value.includes('"') ? trimSpace(value) : value.split(",").map(trimSpace).join(",");
}

/** A choice without parameters but its weight. */
const PLAIN_CHOICE = /^([a-z0-9!#$%&'*+.^_`|~/-]+)(?:[ \t]*;[ \t]*q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?))?$/i;

function normalizeValue(name: string, value: string): string {
  const asIs = withoutNeedlessSpace(value);
  if (name === "accept-encoding") return codingPreference(value) ?? asIs;
  if (!WEIGHTED.has(name)) return asIs;
  const choices = splitList(value, Infinity).map((member) => PLAIN_CHOICE.exec(member));
  // Origins differ in reading a malformed member: taken for a well-formed one, its response would be stored for other clients.
  if (choices.includes(null)) return asIs;
  const weighted = choices.map((choice) => ({ text: choice![1]!.toLowerCase(), weight: Number(choice![2] ?? 1) }));
  weighted.sort((a, b) => b.weight - a.weight || (a.text < b.text ? -1 : a.text > b.text ? 1 : 0));
  const texts = weighted.map(({ text, weight }) => weight === 1 ? text : `${text};q=${weight}`);
  return [...new Set(texts)].join(",");
}

/**
 * Fields with a name added to `Vary` (RFC 9110 §12.5.5); unchanged where it is there already, or `*` is. Several lines become one.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { withVary } from "./vary.ts";
 * assert.deepEqual(withVary([["vary", "Origin"], ["age", "3"]], "Accept"), [["vary", "Origin, Accept"], ["age", "3"]]);
 * assert.deepEqual(withVary([], "Accept"), [["vary", "Accept"]]);
 * ```
 */
export function withVary(fields: Readonly<Fields>, name: string): Fields {
  const vary = fieldValue(fields, "vary");
  if (vary === null) return [...fields, ["vary", name]];
  const names = vary.split(",").map((given) => given.trim().toLowerCase());
  if (names.includes("*") || names.includes(name.toLowerCase())) return fields as Fields;
  const at = fields.findIndex(([given]) => given === "vary");
  return fields.with(at, ["vary", `${vary}, ${name}`]).filter(([given], place) => given !== "vary" || place === at);
}
