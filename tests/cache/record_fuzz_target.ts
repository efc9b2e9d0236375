import assert from "node:assert/strict";
import { decodeHead, decodeRecord, encodeRecord, outlineOf, tagsIn } from "../../lib/cache/record.ts";
import { bytesOf, type FuzzTarget } from "../fuzz/fuzz_target.ts";
import { sample } from "./stored_sample.ts";

/** Bytes as text of as many characters. */
export function textOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
}

/** A response with something of everything. */
export const RICH = sample("api\0\0/a?b=c", 40, {
  tags: ["movie:1", "é"],
  selectedBy: [["accept", "x"], ["cookie", null]],
});

/** Bytes that mean something in a record. */
export const RECORD_PIECES = [
  "\0",
  "\x01",
  "\xff\xff\xff\xff",
  "\0\0\0\0",
  "\x7f\xf0\0\0\0\0\0\0",
  "\x7f\xf8\0\0\0\0\0\0",
  "a",
  "\xc3",
  "\n",
  "é",
];

/** Records of stored responses: damage is nothing stored, and never an error. */
export const RECORD_TARGET: FuzzTarget = {
  name: "records",
  pieces: RECORD_PIECES,
  seeds: [textOf(encodeRecord(RICH)) + textOf(RICH.body), textOf(encodeRecord(sample("k", 0)))],
  shortRuns: 3_000,
  check(text) {
    const bytes = bytesOf(text);
    outlineOf(bytes);
    tagsIn(bytes);
    decodeHead(bytes);
    const found = decodeRecord(bytes, null);
    if (found !== null) assert.ok(found.body.byteLength <= bytes.byteLength);
  },
};
