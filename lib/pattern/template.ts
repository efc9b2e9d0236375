/** A text with placeholders for matched groups. */
export interface Template {
  /** It has no placeholders: it is the same for all requests. */
  readonly isFixed: boolean;
  /** The highest placeholder, 0 for none. */
  readonly highest: number;
  /** Fills the placeholders; `escape` is applied to the inserted texts only. */
  fill(matched: readonly string[], escape?: (text: string) => string): string;
}

const PLACES = /\$([$1-9])/g;

/**
 * Compiles a text in which `$1` to `$9` stand for matched groups, and `$$` for a dollar sign. A placeholder without a match is
 * empty.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { template } from "./template.ts";
 * assert.equal(template("/new/$1?cost=$$5").fill(["a"]), "/new/a?cost=$5");
 * ```
 */
export function template(text: string): Template {
  const pieces = text.split(PLACES);
  const fixed = text.replace(PLACES, (place, sign) => sign === "$" ? "$" : place);
  const places = pieces.filter((piece, index) => index % 2 === 1 && piece !== "$").map(Number);
  if (places.length === 0) return { isFixed: true, highest: 0, fill: () => fixed };
  return {
    isFixed: false,
    highest: Math.max(...places),
    fill: (matched, escape = (given) => given) =>
      pieces.map((piece, index) => {
        if (index % 2 === 0) return piece;
        return piece === "$" ? "$" : escape(matched[Number(piece) - 1] ?? "");
      }).join(""),
  };
}
