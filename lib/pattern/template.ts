/** A text with places for what was matched. */
export interface Template {
  /** It has no places: it is the same for all requests. */
  readonly isFixed: boolean;
  /** The highest place, 0 for none. */
  readonly highest: number;
  /** The text; `escape` is applied to what is put in, not to the text itself. */
  fill(matched: readonly string[], escape?: (text: string) => string): string;
}

const PLACES = /\$([$1-9])/g;

/**
 * Compiles a text in which `$1` to `$9` stand for what was matched, and `$$` for a dollar sign. A place that nothing was matched for is
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
