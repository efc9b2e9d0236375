import assert from "node:assert/strict";
import { brotliDecompressSync, gunzipSync, zstdDecompressSync } from "node:zlib";
import { compressed } from "../../lib/deliver/coded_form.ts";

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
