import assert from "node:assert/strict";
import { writeAll } from "../../lib/wire/byte_stream.ts";

Deno.test("writeAll() goes on until all is written", async () => {
  const written: number[] = [];
  const write = (bytes: Uint8Array) => {
    const taken = bytes.slice(0, 3);
    written.push(...taken);
    return Promise.resolve(taken.length);
  };
  await writeAll({ write }, Uint8Array.of(1, 2, 3, 4, 5, 6, 7));
  assert.deepEqual(written, [1, 2, 3, 4, 5, 6, 7]);
});
