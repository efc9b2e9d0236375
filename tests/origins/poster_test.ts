import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { inflateSync } from "node:zlib";
import { drawPicture } from "./poster.ts";

function draw(extension: string, seed = "a"): Buffer {
  return Buffer.from(drawPicture(extension, { width: 342, height: 513, seed })!);
}

Deno.test("drawPicture() gives the same bytes for a seed and others for another", () => {
  for (const extension of ["jpg", "png", "svg", "webp"]) {
    assert.deepEqual(draw(extension), draw(extension));
    assert.notDeepEqual(draw(extension), draw(extension, "b"));
  }
  assert.equal(drawPicture("gif", { width: 1, height: 1, seed: "a" }), null);
});

Deno.test("drawPicture() draws a PNG whose rows inflate to the picture's size", () => {
  const png = draw("png");
  assert.equal(png.readUInt32BE(16), 342);
  const lengthBytes = png.readUInt32BE(33);
  assert.equal(inflateSync(png.subarray(41, 41 + lengthBytes)).length, 513 * (1 + 342 * 3));
});

/** Reads the scan of a JPEG of `drawPicture` with its own tables: blocks of three components until the end marker. */
function countBlocks(jpeg: Buffer): number {
  const scan = jpeg.subarray(jpeg.indexOf(Buffer.from([0xff, 0xda])) + 14, jpeg.length - 2);
  const bytes = [...scan].filter((byte, index) => !(byte === 0 && scan[index - 1] === 0xff));
  let at = 0;
  const bits = (count: number) => {
    let value = 0;
    for (let i = 0; i < count; i++, at++) value = value * 2 + ((bytes[at >> 3]! >> (7 - (at & 7))) & 1);
    return value;
  };
  let blocks = 0;
  for (; at + 7 < bytes.length * 8; blocks++) {
    bits(bits(4));
    for (let category = bits(3); category !== 0; category = bits(3)) bits(category);
  }
  return blocks;
}

Deno.test("drawPicture() draws a JPEG with a scan of exactly its blocks", () => {
  const jpeg = draw("jpg");
  assert.deepEqual([jpeg.readUInt16BE(0), jpeg.readUInt16BE(jpeg.length - 2)], [0xffd8, 0xffd9]);
  const frame = jpeg.indexOf(Buffer.from([0xff, 0xc0]));
  assert.deepEqual([jpeg.readUInt16BE(frame + 5), jpeg.readUInt16BE(frame + 7)], [513, 342]);
  assert.equal(countBlocks(jpeg), 3 * Math.ceil(342 / 8) * Math.ceil(513 / 8));
});

Deno.test("drawPicture() draws a WebP whose sizes agree", () => {
  const webp = draw("webp");
  assert.equal(webp.readUInt32LE(4), webp.length - 8);
  const bits = webp.readUInt32LE(21);
  assert.deepEqual([(bits & 16383) + 1, ((bits >>> 14) & 16383) + 1], [342, 513]);
});
