/**
 * The members of a comma-separated list, trimmed, without the empty ones (RFC 9110 §5.6.1). Commas inside quoted strings do not
 * separate; a string that is never closed reaches to the end. At most `limit` members are read.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { splitList } from "./list.ts";
 * assert.deepEqual(splitList('a, , b="1, 2" ,c', 8), ["a", 'b="1, 2"', "c"]);
 * ```
 */
export function splitList(value: string, limit: number): string[] {
  if (!value.includes('"')) return splitPlain(value, limit);
  const members: string[] = [];
  let from = 0;
  let quoted = false;
  for (let at = 0; at <= value.length && members.length < limit; at++) {
    const character = value[at];
    if (quoted && character === "\\") at++;
    else if (character === '"') quoted = !quoted;
    else if (at >= value.length || character === "," && !quoted) {
      pushMember(members, value.slice(from, at));
      from = at + 1;
    }
  }
  // An escape at the very end steps over the end.
  if (from < value.length && members.length < limit) pushMember(members, value.slice(from));
  return members;
}

function splitPlain(value: string, limit: number): string[] {
  const members: string[] = [];
  for (const part of value.split(",")) {
    pushMember(members, part);
    if (members.length >= limit) break;
  }
  return members;
}

function pushMember(members: string[], text: string): void {
  const trimmed = trimSpace(text);
  if (trimmed !== "") members.push(trimmed);
}

/**
 * A text without the spaces and tabs at its ends (RFC 9110 §5.6.3). Unlike `trim` it takes nothing else away: what HTTP does not
 * call space is part of a value. A loop, since an expression for it takes quadratic time on long runs of spaces.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { trimSpace } from "./list.ts";
 * assert.equal(trimSpace(" \t a b "), "a b");
 * assert.equal(trimSpace("a\u00a0"), "a\u00a0");
 * ```
 */
export function trimSpace(text: string): string {
  let from = 0;
  let to = text.length;
  while (from < to && isSpace(text.charCodeAt(from))) from++;
  while (to > from && isSpace(text.charCodeAt(to - 1))) to--;
  return text.slice(from, to);
}

function isSpace(code: number): boolean {
  return code === 0x20 || code === 0x09;
}

/** One member of a weighted list. */
export interface Weighted {
  /** Lower case, without needless space, without its weight. */
  readonly text: string;
  /** 0 to 1; 1 where none is given or it is malformed. */
  readonly weight: number;
}

const WEIGHT = /^q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)$/;

/**
 * Reads a member of an `Accept` field: its text and its weight (RFC 9110 §12.4.2).
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { parseWeighted } from "./list.ts";
 * assert.deepEqual(parseWeighted("Text/HTML; level=1 ; Q=0.5"), { text: "text/html;level=1", weight: 0.5 });
 * ```
 */
export function parseWeighted(member: string): Weighted {
  const parts = member.toLowerCase().split(";").map(trimSpace);
  const at = parts.findIndex((part, index) => index > 0 && part.startsWith("q="));
  if (at < 0) return { text: parts.join(";"), weight: 1 };
  const weight = WEIGHT.exec(parts[at] ?? "");
  return { text: parts.filter((_, index) => index !== at).join(";"), weight: weight === null ? 1 : Number(weight[1]) };
}
