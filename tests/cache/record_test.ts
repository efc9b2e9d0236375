import assert from "node:assert/strict";
import { decodeHead, decodeRecord, encodeRecord, outlineOf, tagsIn } from "../../lib/cache/record.ts";
import { type StoredKind, type StoredResponse, storedResponse } from "../../lib/cache/stored_response.ts";
import { varyMarker } from "../../lib/cache/variants.ts";
import { assertSameResponse } from "./store_suite.ts";
import { seededRandom } from "../seeded_random.ts";
import { patterned, sample } from "./stored_sample.ts";

type Random = () => number;

const KINDS: readonly StoredKind[] = ["response", "marker", "part", "index"];

function pick<T>(random: Random, values: readonly T[]): T {
  return values[Math.floor(random() * values.length)]!;
}

function someText(random: Random, characters: string): string {
  return Array.from({ length: Math.floor(random() ** 2 * 60) }, () => pick(random, [...characters])).join("");
}

function someTimeMs(random: Random): number {
  return pick(random, [0, 1, 0.5, 1_999_999_999_999, Infinity, Number.MAX_SAFE_INTEGER, Math.floor(random() * 1e12)]);
}

/** Any response that the store may come to hold. */
function someResponse(random: Random): StoredResponse {
  const list = <T>(make: () => T): T[] => Array.from({ length: Math.floor(random() ** 2 * 8) }, make);
  const value = () => someText(random, 'ab,;= \t"ü\u00ff\u0080');
  return storedResponse({
    key: someText(random, "ab/?\0ü€😀\ufeff"),
    kind: pick(random, KINDS),
    status: pick(random, [0, 200, 206, 404, 599]),
    fields: list(() => [`x-${someText(random, "ab-")}`, value()]),
    body: patterned(Math.floor(random() ** 4 * 40_000)),
    requestTimeMs: someTimeMs(random),
    responseTimeMs: someTimeMs(random),
    freshness: {
      initialAgeMs: someTimeMs(random),
      lifetimeMs: someTimeMs(random),
      staleWhileRevalidateMs: someTimeMs(random),
      staleIfErrorMs: someTimeMs(random),
      mustRevalidate: random() < 0.5,
      alwaysValidate: random() < 0.5,
    },
    selectedBy: list(() => [someText(random, "ab-"), random() < 0.3 ? null : value()]),
    tags: list(() => someText(random, "ab:\n\0€")),
    tiers: { memory: random() < 0.5, disk: random() < 0.5 },
    originTag: pick(random, [null, "", 'W/"1"', '"ü"']),
    isUndated: random() < 0.5,
    purgePosition: pick(random, [0, 1, 7_318_349_394_477_056, Number.MAX_SAFE_INTEGER]),
  });
}

function followed(record: Uint8Array, body: Uint8Array): Uint8Array {
  return new Uint8Array([...record, ...body]);
}

for (const seed of [1, 2, 3]) {
  Deno.test(`a record gives back what was put in, its body behind it or apart, seed ${seed}`, () => {
    const random = seededRandom(seed);
    for (let n = 0; n < 200; n++) {
      const stored = someResponse(random);
      const record = encodeRecord(stored);
      assertSameResponse(decodeRecord(record, stored.body) ?? undefined, stored);
      assertSameResponse(decodeRecord(followed(record, stored.body), null) ?? undefined, stored);
      assertSameResponse(decodeHead(record)?.withBody(stored.body), stored);
      assert.deepEqual(tagsIn(record), stored.tags);
      assert.deepEqual(outlineOf(record), {
        requestTimeMs: stored.requestTimeMs,
        recordBytes: record.byteLength,
        bodyBytes: stored.body.byteLength,
      });
    }
  });
}

Deno.test("a record says what kind of entry it is", () => {
  const variant = sample("api\0\0/x", 5, { selectedBy: [["accept", "a"]], originTag: '"o"' });
  const marker = decodeRecord(encodeRecord(varyMarker("api\0\0/x", variant)), null);
  assert.equal(marker?.kind, "marker");
  for (const kind of KINDS) assert.equal(decodeHead(encodeRecord(sample("k", 5, { kind })))?.kind, kind);
});

Deno.test("a head whose content's length is not known keeps that", () => {
  const head = decodeHead(encodeRecord(sample("k", 5)))!.with({ lengthBytes: null });
  assert.equal(decodeHead(encodeRecord(head))?.lengthBytes, null);
  assert.equal(decodeRecord(encodeRecord(head), null), null, "a response has a body");
});

Deno.test("a record of another version, or cut off, is none", () => {
  const stored = sample("api\0\0/x", 100, { tags: ["a", "b"], selectedBy: [["accept", null]] });
  const record = encodeRecord(stored);
  const other = record.slice();
  other[0] = 2;
  for (const bytes of [other, ...Array.from(record, (_, length) => record.subarray(0, length))]) {
    assert.equal(outlineOf(bytes), null, `${bytes.byteLength} bytes`);
    assert.equal(decodeHead(bytes), null);
    assert.equal(decodeRecord(bytes, stored.body), null);
    assert.deepEqual(tagsIn(bytes), []);
  }
});

Deno.test("decodeRecord() wants a body of the length that the record tells", () => {
  const record = encodeRecord(sample("k", 10));
  for (const bytes of [0, 9, 11]) {
    assert.equal(decodeRecord(record, patterned(bytes)), null);
    assert.equal(decodeRecord(followed(record, patterned(bytes)), null), null);
  }
});

Deno.test("whatever bytes come, they are a record or none, and no list runs out of its part", () => {
  const random = seededRandom(9);
  const record = encodeRecord(sample("api\0\0/x", 3, { tags: ["tag"], selectedBy: [["accept", "a"]] }));
  for (let n = 0; n < 5_000; n++) {
    const bytes = record.slice();
    for (let flips = 1 + Math.floor(random() * 3); flips > 0; flips--) {
      bytes[1 + Math.floor(random() * (bytes.byteLength - 1))] = Math.floor(random() * 256);
    }
    const read = decodeHead(bytes);
    if (read !== null) assert.ok(read.fields.length < 10 && read.headBytes <= bytes.byteLength);
  }
});

Deno.test("what is read of a record holds none of its memory", () => {
  const stored = sample("k", 1_000);
  const bytes = followed(encodeRecord(stored), stored.body);
  const read = decodeRecord(bytes, null)!;
  bytes.fill(0);
  assertSameResponse(read, stored);
  assert.equal(read.memory.byteLength, read.headBytes + 1_000);
});

Deno.test("a record has room for an authentication code", () => {
  const record = encodeRecord(sample("k", 3));
  const { headBytes } = decodeHead(record)!;
  const headAt = record.byteLength - headBytes;
  const signed = new Uint8Array([...record.subarray(0, headAt), ...patterned(32), ...record.subarray(headAt)]);
  signed[6] = 32;
  assertSameResponse(decodeRecord(signed, patterned(3)) ?? undefined, sample("k", 3));
});

Deno.test("a record tells that a response was purged", () => {
  for (const isPurged of [false, true]) {
    assert.equal(decodeHead(encodeRecord(sample("api\0\0/x", 10, { isPurged })))?.isPurged, isPurged);
  }
});
