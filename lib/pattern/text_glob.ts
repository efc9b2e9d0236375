/** A compiled text glob. */
export interface TextGlob {
  test(text: string): boolean;
}

/**
 * Compiles a text glob: `*` matches any characters. Its pieces are searched in order, each as early as possible.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { textGlob } from "./text_glob.ts";
 * assert.equal(textGlob("kodi*").test("kodi/21"), true);
 * assert.equal(textGlob("*bot*").test("kodi/21"), false);
 * ```
 */
export function textGlob(glob: string): TextGlob {
  const pieces = glob.split("*");
  const [start = ""] = pieces;
  if (pieces.length === 1) return { test: (text) => text === glob };
  const end = pieces.at(-1)!;
  const middle = pieces.slice(1, -1).filter((piece) => piece !== "");
  return {
    test(text) {
      if (text.length < start.length + end.length || !text.startsWith(start) || !text.endsWith(end)) return false;
      let at = start.length;
      for (const piece of middle) {
        const found = text.indexOf(piece, at);
        if (found < 0) return false;
        at = found + piece.length;
      }
      return at <= text.length - end.length;
    },
  };
}
