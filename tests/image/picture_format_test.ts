import assert from "node:assert/strict";
import { isAnimatedPng, pictureFormat } from "../../lib/image/picture_format.ts";
import { drawPicture } from "../origins/poster.ts";

const PNG = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);

/** A PNG of chunks of one byte each. */
function pngOf(...types: string[]): Uint8Array {
  const chunks = types.flatMap((type) => [0, 0, 0, 1, ...new TextEncoder().encode(type), 7, 0, 0, 0, 0]);
  return Uint8Array.of(...PNG, ...chunks);
}

Deno.test("pictureFormat() goes by the bytes, and takes nothing else in", () => {
  const picture = { width: 8, height: 8, seed: "a" };
  assert.equal(pictureFormat(drawPicture("jpg", picture)!), "jpeg");
  assert.equal(pictureFormat(drawPicture("png", picture)!), "png");
  assert.equal(pictureFormat(drawPicture("webp", picture)!), "webp");
  for (const text of ["<svg/>", "GIF89a", "%PDF-1.7", "RIFF\0\0\0\0WAVE", "", "II*\0", "\xff\xd8"]) {
    assert.equal(pictureFormat(Uint8Array.from(text, (character) => character.charCodeAt(0))), null, text);
  }
});

Deno.test("isAnimatedPng() sees the animation before the pixels only, and ends whatever lengths say", () => {
  assert.equal(isAnimatedPng(pngOf("IHDR", "acTL", "IDAT")), true);
  assert.equal(isAnimatedPng(pngOf("IHDR", "IDAT", "acTL")), false);
  assert.equal(isAnimatedPng(pngOf("IHDR")), false);
  const lying = pngOf("IHDR", "acTL");
  lying.set([0xff, 0xff, 0xff, 0xff], 8);
  assert.equal(isAnimatedPng(lying), false);
  const empty = Uint8Array.of(...PNG, ...Array.from({ length: 12 * 5_000 }, () => 0));
  assert.equal(isAnimatedPng(empty), false);
  assert.equal(isAnimatedPng(drawPicture("png", { width: 8, height: 8, seed: "a" })!), false);
});
