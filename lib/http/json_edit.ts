/** Bytes of a text that are replaced; several are in the text's order and do not overlap. */
export interface JsonEdit {
  /** The first byte that is replaced. */
  readonly start: number;
  /** The first byte behind them. */
  readonly end: number;
  /** What stands there instead. */
  readonly text: string;
}

const encoder = new TextEncoder();

/**
 * The text with its edits made: every other byte stays. The very same text where there are none.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { spliced } from "./json_edit.ts";
 * const json = new TextEncoder().encode('{"vote": 7.0, "tagline": ""}');
 * const edited = spliced(json, [{ start: 25, end: 27, text: '"Mischief."' }]);
 * assert.equal(new TextDecoder().decode(edited), '{"vote": 7.0, "tagline": "Mischief."}');
 * ```
 */
export function spliced(json: Uint8Array<ArrayBuffer>, edits: readonly JsonEdit[]): Uint8Array<ArrayBuffer> {
  if (edits.length === 0) return json;
  const parts: Uint8Array[] = [];
  let at = 0;
  for (const { start, end, text } of edits) {
    parts.push(json.subarray(at, start), encoder.encode(text));
    at = end;
  }
  parts.push(json.subarray(at));
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.byteLength, 0));
  let written = 0;
  for (const part of parts) {
    whole.set(part, written);
    written += part.byteLength;
  }
  return whole;
}
