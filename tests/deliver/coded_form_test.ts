import assert from "node:assert/strict";
import { type Fields, fieldValue } from "../../lib/http/fields.ts";
import { type StoredResponse, storedResponse } from "../../lib/cache/stored_response.ts";
import { compressed, Forms, isCodable } from "../../lib/deliver/coded_form.ts";
import { brotliDecompressSync, gunzipSync, zstdDecompressSync } from "node:zlib";

const freshness = {
  initialAgeMs: 0,
  lifetimeMs: 60_000,
  staleWhileRevalidateMs: 0,
  staleIfErrorMs: 0,
  mustRevalidate: false,
  alwaysValidate: false,
};
const options = { minBytes: 10, isCompressible: (type: string) => type === "text/plain", codings: ["gzip"] } as const;

function response(fields: Fields, body = "x".repeat(100), status = 200) {
  return storedResponse({
    key: "l\0\0/a",
    status,
    fields: [["content-type", "Text/Plain; charset=utf-8"], ...fields],
    body: new TextEncoder().encode(body),
    requestTimeMs: 0,
    responseTimeMs: 0,
    freshness,
    selectedBy: [["accept", "x"]],
    tags: ["t"],
    tiers: { memory: true, disk: true },
  });
}

function codable(stored: StoredResponse): boolean {
  return isCodable(stored, stored.body.byteLength, options);
}

Deno.test("isCodable() takes a length that is not known yet for one that pays", () => {
  assert.ok(isCodable(response([]), null, options));
  assert.ok(!isCodable(response([], "x", 404), null, options));
});

Deno.test("isCodable() wants a whole, plain response of a type and size that pay", () => {
  assert.ok(codable(response([])));
  assert.ok(!codable(response([], "x")));
  assert.ok(!codable(response([], "x".repeat(100), 404)));
  assert.ok(!codable(response([], "x".repeat(9 * 1024 * 1024))));
  for (
    const field of [["content-encoding", "br"], ["set-cookie", "a=b"], ["cache-control", "max-age=9, no-transform"]]
  ) {
    assert.ok(!codable(response([field as [string, string]])), field.join());
  }
  assert.ok(!codable(response([]).with({ fields: [["content-type", "image/png"]] })));
});

Deno.test("Forms.head() has a tag of its own, strong or weak as the stored one, and tells that it was chosen", () => {
  const tag = (etag: string) => fieldValue(new Forms(response([["etag", etag]])).head("gzip").fields, "etag");
  assert.deepEqual(['"a"', 'W/"a"', "a", '"'].map(tag), ['"a-gzip"', 'W/"a-gzip"', "a", '"']);
  const { fields } = new Forms(response([["vary", "Origin"], ["accept-ranges", "bytes"]])).head("gzip");
  assert.equal(fieldValue(fields, "vary"), "Origin, Accept-Encoding");
  assert.equal(fieldValue(fields, "content-encoding"), "gzip");
  assert.equal(fieldValue(fields, "accept-ranges"), null);
});

Deno.test("Forms.identity names Accept-Encoding in Vary, once", () => {
  const vary = (value: string) => fieldValue(new Forms(response([["vary", value]])).identity.fields, "vary");
  assert.deepEqual(["a, accept-encoding", "*", "x"].map(vary), ["a, accept-encoding", "*", "x, Accept-Encoding"]);
});

Deno.test("Forms.with() takes a stored coding of the same body only", () => {
  const forms = new Forms(response([]));
  const held = forms.entryFor("gzip", new Uint8Array([1, 2, 3]));
  assert.deepEqual([held.key, held.tags, held.selectedBy], ["l\0\0/a\0~gzip", ["t"], []]);
  const coded = forms.with("gzip", held)!;
  assert.deepEqual(coded.body, new Uint8Array([1, 2, 3]));
  assert.equal(fieldValue(coded.fields, "content-length"), "3");
  assert.equal(fieldValue(coded.fields, "x-usher-source"), null);
  assert.equal(forms.with("gzip", held), coded);
  assert.ok(new Forms(response([])).with("gzip", held) !== null);
  assert.equal(new Forms(response([], "y".repeat(100))).with("gzip", held), null);
});

Deno.test("isCodable() leaves alone what no tier keeps: it would be coded anew each time", () => {
  assert.ok(!codable(response([]).with({ tiers: { memory: false, disk: false } })));
  assert.ok(codable(response([]).with({ tiers: { memory: false, disk: true } })));
});

const body = new TextEncoder().encode(JSON.stringify(Array.from({ length: 500 }, (_, id) => ({ id, name: "film" }))));

for (
  const [coding, decode] of [["br", brotliDecompressSync], ["gzip", gunzipSync], ["zstd", zstdDecompressSync]] as const
) {
  Deno.test(`compressed() makes ${coding} that decodes to the body, in an array of its own`, async () => {
    const coded = await compressed(body, coding);
    assert.ok(coded.byteLength < body.byteLength / 4);
    assert.equal(coded.buffer.byteLength, coded.byteLength);
    assert.deepEqual(new Uint8Array(decode(coded)), body);
  });
}
