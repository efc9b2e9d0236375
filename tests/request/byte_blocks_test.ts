import assert from "node:assert/strict";
import { ByteBlocks, concat } from "../../lib/request/byte_blocks.ts";

const MIB = 1024 * 1024;

/** Chunks of one memory that is written over each time, as a lender has it. */
function* lent(sizes: readonly number[]): Generator<Uint8Array> {
  const memory = new Uint8Array(Math.max(...sizes));
  let value = 0;
  for (const size of sizes) {
    for (let at = 0; at < size; at++) memory[at] = value++;
    yield memory.subarray(0, size);
  }
}

Deno.test("ByteBlocks gives back what was added, whatever the chunks, and whatever becomes of their memory", () => {
  for (const sizes of [[3], [3, 5], [1, 1, 1, 1, 1], [0, 7, 0], [4, 2, 100, 1, 200, 3], [65_536, 10, 65_536, 70_000]]) {
    const blocks = new ByteBlocks();
    for (const chunk of lent(sizes)) blocks.add(chunk);
    const length = sizes.reduce((sum, size) => sum + size);
    const expected = Uint8Array.from({ length }, (_, at) => at);
    assert.equal(blocks.bytes, length);
    assert.deepEqual(concat(blocks.parts(), length), expected, sizes.join());
    assert.deepEqual(blocks.whole(), expected, sizes.join());
    assert.equal(blocks.whole().buffer.byteLength, length, "it keeps nothing else in memory");
  }
});

Deno.test("ByteBlocks holds a long body in few blocks, and never more than a mebibyte ahead", () => {
  const blocks = new ByteBlocks();
  const chunk = new Uint8Array(64 * 1024);
  for (let n = 0; n < 160; n++) {
    blocks.add(chunk);
    const heldBytes = blocks.parts().reduce((sum, { buffer }) => sum + buffer.byteLength, 0);
    assert.ok(heldBytes <= 2 * blocks.bytes && heldBytes <= blocks.bytes + MIB, `${heldBytes} for ${blocks.bytes}`);
  }
  const lengths = blocks.parts().map(({ byteLength }) => byteLength);
  assert.equal(lengths.reduce((sum, length) => sum + length), 10 * MIB);
  assert.ok(lengths.length < 20, lengths.join());
});

Deno.test("ByteBlocks has no part and no bytes before anything is added", () => {
  assert.deepEqual(new ByteBlocks().whole(), new Uint8Array());
  assert.equal(new ByteBlocks().bytes, 0);
});

Deno.test("concat() joins chunks in their order", () => {
  const bytes = (...values: number[]) => Uint8Array.from(values);
  assert.deepEqual(concat([bytes(1), bytes(), bytes(2, 3)], 3), bytes(1, 2, 3));
});
