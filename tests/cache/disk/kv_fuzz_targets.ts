import assert from "node:assert/strict";
import { crc32 } from "node:zlib";
import {
  decodeHeadOf,
  decodeResponse,
  encodeResponse,
  isOtherVersion,
  readHeader,
  readTags,
} from "../../../lib/cache/disk/_kv_record.ts";
import { decodeTransit, decodeUse, encodeTransit, encodeUse, sumOf } from "../../../lib/cache/disk/_kv_rows.ts";
import { bytesOf, type FuzzTarget } from "../../fuzz/fuzz_target.ts";
import { RECORD_PIECES, RICH, textOf } from "../record_fuzz_target.ts";

const VALUE = encodeResponse(RICH, { id: new Uint8Array(14).fill(3), bucket: 77, deadAtMs: 12_345 })!.record;
/** Where a value's checksum stands, and what it covers. */
const CHECKSUM_AT = 5;
const COVERED_FROM = 9;

/** Rows and values of the cache's file: damage is nothing stored, and never an error. */
export const KV_TARGETS: readonly FuzzTarget[] = [
  {
    name: "kv-values",
    pieces: RECORD_PIECES,
    seeds: [textOf(VALUE)],
    shortRuns: 3_000,
    check(text) {
      const damaged = bytesOf(text);
      // As it came, and with a checksum that is right: what passes that is read all the same.
      for (const bytes of [damaged, withChecksum(damaged)]) {
        isOtherVersion(bytes);
        readTags(bytes);
        const header = readHeader(bytes);
        if (header === null) continue;
        decodeHeadOf(bytes);
        const body = decodeResponse(bytes, null)?.body;
        if (body !== undefined) assert.equal(body.byteLength, header.bodyLength);
      }
    },
  },
  {
    name: "kv-rows",
    pieces: RECORD_PIECES,
    seeds: [
      textOf(encodeUse(new Uint8Array(16), { costBytes: 1, deadAtMs: 2, storedAtMs: 3, bodyLength: 4 })),
      textOf(encodeTransit({ listener: "a", chunks: 3, countedBytes: 4, timeMs: 5 })),
    ],
    shortRuns: 3_000,
    check(text) {
      for (
        const value of [bytesOf(text), text, Number(text), BigInt(text.length), null, undefined, { value: text }, [
          text,
        ]]
      ) {
        assert.ok(Number.isFinite(sumOf(value)));
        const use = decodeUse(value);
        if (use !== null) assert.ok(Number.isSafeInteger(use.costBytes) && use.costBytes >= 0);
        const transit = decodeTransit(value);
        if (transit === null) continue;
        assert.equal(typeof transit.listener, "string");
        for (const size of [transit.chunks, transit.countedBytes, transit.timeMs]) {
          assert.ok(Number.isSafeInteger(size));
        }
      }
    },
  },
];
function withChecksum(bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  if (bytes.byteLength < COVERED_FROM) return bytes;
  const copy = bytes.slice();
  new DataView(copy.buffer).setUint32(CHECKSUM_AT, crc32(copy.subarray(COVERED_FROM)));
  return copy;
}
