import assert from "node:assert/strict";
import {
  CHUNK_BYTES,
  chunkCount,
  decodeResponse,
  encodeResponse,
  INLINE_BODY_BYTES,
  isOtherVersion,
  readHeader,
  readTags,
  withBucket,
} from "../../../lib/cache/disk/_kv_record.ts";
import { encodeRecord } from "../../../lib/cache/record.ts";
import type { StoredResponse } from "../../../lib/cache/stored_response.ts";
import { assertSameResponse, sampleResponse } from "../store_suite.ts";

function encode(response: StoredResponse) {
  return encodeResponse(response, { id: new Uint8Array(14).fill(3), bucket: 77, deadAtMs: 12345 });
}

function decode(record: Uint8Array, body: Uint8Array<ArrayBuffer> | null) {
  return readHeader(record) === null ? null : decodeResponse(record, body);
}

Deno.test("encodeResponse() lays a small body into the record and a large one into chunks", async () => {
  for (
    const [bodyLength, chunks] of [[0, 0], [INLINE_BODY_BYTES, 0], [INLINE_BODY_BYTES + 1, 1], [
      CHUNK_BYTES * 2 + 1,
      3,
    ]] as const
  ) {
    const response = sampleResponse("api\0\0/a", { bodyLength });
    const encoded = encode(response)!;
    assert.equal(encoded.chunks.length, chunks);
    assert.equal(chunkCount(bodyLength), chunks);
    const { bucket, deadAtMs, storedAtMs, bodyLength: length } = readHeader(encoded.record)!;
    assert.deepEqual([bucket, deadAtMs, storedAtMs, length], [77, 12345, response.requestTimeMs, bodyLength]);
    const body = chunks === 0 ? null : new Uint8Array(await new Blob([...encoded.chunks]).arrayBuffer());
    assertSameResponse(decode(encoded.record, body) ?? undefined, response);
  }
});

Deno.test("encodeResponse() refuses metadata that no value of KV can hold", () => {
  assert.equal(encode(sampleResponse("api\0\0/a", { fields: [["x-long", "y".repeat(50_000)]] })), null);
});

Deno.test("encodeResponse() lays the response's own record and body down as they are", () => {
  const response = sampleResponse("api\0\0/a", { bodyLength: 300 });
  const { record } = encode(response)!;
  assert.deepEqual(record.subarray(35), new Uint8Array([...encodeRecord(response), ...response.body]));
});

Deno.test("decodeResponse() refuses a record with any byte changed, but for its bucket", () => {
  const { record } = encode(sampleResponse("api\0\0/a", { bodyLength: 300 }))!;
  for (let at = 0; at < record.byteLength; at++) {
    const changed = new Uint8Array(record);
    changed[at]! ^= 0x40;
    const isBucket = at >= 1 && at < 5;
    assert.equal(decode(changed, null) !== null, isBucket, `byte ${at}`);
  }
});

Deno.test("decodeResponse() refuses another body, a shorter and a longer one", () => {
  const response = sampleResponse("api\0\0/a", { bodyLength: 20_000 });
  const { record } = encode(response)!;
  assert.ok(decode(record, response.body));
  assert.equal(decode(record, response.body.slice(1)), null);
  assert.equal(decode(record, new Uint8Array(20_001)), null);
  assert.equal(decode(record, new Uint8Array(20_000)), null);
});

Deno.test("readHeader() refuses what is cut off, too long or of another version", () => {
  const { record } = encode(sampleResponse("api\0\0/a"))!;
  for (const length of [0, 1, 30, record.byteLength - 1]) assert.equal(readHeader(record.subarray(0, length)), null);
  assert.equal(readHeader(new Uint8Array([...record, 0])), null);
  for (const at of [0, 35]) {
    const other = record.slice();
    other[at] = 9;
    assert.equal(readHeader(other), null);
    assert.ok(isOtherVersion(other));
  }
  assert.ok(!isOtherVersion(record.subarray(0, 34)), "cut off is damage");
  assert.deepEqual(readTags(record), ["movie:550"]);
  assert.deepEqual(readTags(new Uint8Array([1, ...record.subarray(1)])), []);
});

Deno.test("withBucket() changes the bucket of a copy", () => {
  const { record } = encode(sampleResponse("api\0\0/a"))!;
  const moved = withBucket(record, 4_000_000_000);
  assert.equal(readHeader(moved)?.bucket, 4_000_000_000);
  assert.equal(readHeader(record)?.bucket, 77);
  assert.ok(decode(moved, null));
});
