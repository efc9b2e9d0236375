import { type JsonEdit, spliced } from "./json_edit.ts";
import { isJsonText, type JsonMember, jsonMembers } from "./json_members.ts";

/** A JSON value that was read already. */
export type JsonValue = null | boolean | number | string | readonly JsonValue[] | {
  readonly [name: string]: JsonValue;
};

const encoder = new TextEncoder();

/**
 * A JSON text with a merge patch applied (RFC 7396). What the patch does not name keeps its bytes: numbers are not read and written
 * again, so `7.0` stays `7.0` and a long integer keeps its digits. Names that an object has twice are patched twice. The text itself where
 * nothing changes; `null` where it is not well-formed, or no object while the patch is one.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { mergePatched } from "./json_merge.ts";
 * const json = new TextEncoder().encode('{ "id": 1, "vote": 7.0, "tagline": "" }');
 * const patched = mergePatched(json, { id: 2, tagline: null, note: ["x"] })!;
 * assert.equal(new TextDecoder().decode(patched), '{ "id": 2, "vote": 7.0,"note":["x"] }');
 * ```
 */
export function mergePatched(json: Uint8Array<ArrayBuffer>, patch: JsonValue): Uint8Array<ArrayBuffer> | null {
  if (!isObject(patch)) return isJsonText(json) ? encoder.encode(JSON.stringify(patch)) : null;
  const edits: JsonEdit[] = [];
  return mergeInto({ json, base: 0 }, patch, edits) ? spliced(json, edits) : null;
}

/** A text, and where in the whole one it begins. */
interface Slice {
  readonly json: Uint8Array;
  readonly base: number;
}

/** Adds the edits that patch an object; `false` where the text is none. */
function mergeInto({ json, base }: Slice, patch: { readonly [name: string]: JsonValue }, edits: JsonEdit[]): boolean {
  const members = jsonMembers(json);
  if (members === null) return false;
  const missing = new Map(Object.entries(patch).filter(([, value]) => value !== null));
  let isFirst = true;
  for (const [index, member] of members.entries()) {
    const value = Object.hasOwn(patch, member.name) ? patch[member.name] : undefined;
    missing.delete(member.name);
    if (value === null) edits.push(removal(members, { index, isFirst, base }));
    else isFirst = false;
    if (value === null || value === undefined) continue;
    const { valueStart, end } = member;
    const isMerged = isObject(value) &&
      mergeInto({ json: json.subarray(valueStart, end), base: base + valueStart }, value, edits);
    if (!isMerged) edits.push({ start: base + valueStart, end: base + end, text: serialized(value) });
  }
  if (missing.size > 0) {
    const at = base + (members.at(-1)?.end ?? json.indexOf(OPENING_BRACE) + 1);
    const added = [...missing].map(([name, value]) => `${JSON.stringify(name)}:${serialized(value)}`).join(",");
    edits.push({ start: at, end: at, text: isFirst ? added : `,${added}` });
  }
  return true;
}

const OPENING_BRACE = 0x7b;

/** Cuts a member out, with the comma before it, or behind it where nothing is left before it. */
function removal(
  members: readonly JsonMember[],
  { index, isFirst, base }: { readonly index: number; readonly isFirst: boolean; readonly base: number },
): JsonEdit {
  const { start, end } = members[index]!;
  const next = members[index + 1]?.start ?? end;
  const [from, to] = isFirst ? [start, next] : [members[index - 1]!.end, end];
  return { start: base + from, end: base + to, text: "" };
}

function isObject(value: JsonValue): value is { readonly [name: string]: JsonValue } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A patch as a value where there is none: members of `null` are left out, but not in lists (RFC 7396 §2). */
function serialized(value: JsonValue): string {
  if (!isObject(value)) return JSON.stringify(value);
  const members = Object.entries(value).filter(([, member]) => member !== null);
  return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${serialized(member)}`).join(",")}}`;
}

/**
 * A JSON text with other strings in the given places; places are names from the document's root on. Only strings that are there are
 * replaced, and every other byte stays. The text itself where nothing changes; `null` where it is no object or is not well-formed.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { withStrings } from "./json_merge.ts";
 * const json = new TextEncoder().encode('{"images": {"base_url" : "http://a/", "sizes": [1.0]}}');
 * const changed = withStrings(json, [["images", "base_url"]], "https://b/")!;
 * assert.equal(new TextDecoder().decode(changed), '{"images": {"base_url" : "https://b/", "sizes": [1.0]}}');
 * ```
 */
export function withStrings(
  json: Uint8Array<ArrayBuffer>,
  places: readonly (readonly string[])[],
  text: string,
): Uint8Array<ArrayBuffer> | null {
  const edits: JsonEdit[] = [];
  return replaceStrings({ json, base: 0 }, places, { edits, text: JSON.stringify(text) }) ? spliced(json, edits) : null;
}

function replaceStrings(
  { json, base }: Slice,
  places: readonly (readonly string[])[],
  made: { readonly edits: JsonEdit[]; readonly text: string },
): boolean {
  const members = jsonMembers(json);
  if (members === null) return false;
  for (const { name, valueStart, end } of members) {
    const within = places.filter(([first]) => first === name).map(([, ...rest]) => rest);
    if (within.length === 0) continue;
    if (within.some((rest) => rest.length === 0)) {
      if (json[valueStart] === QUOTE) {
        made.edits.push({ start: base + valueStart, end: base + end, text: made.text });
      }
    } else replaceStrings({ json: json.subarray(valueStart, end), base: base + valueStart }, within, made);
  }
  return true;
}

const QUOTE = 0x22;
