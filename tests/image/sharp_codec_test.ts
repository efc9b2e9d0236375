import assert from "node:assert/strict";
import type { Recipe } from "../../lib/image/conversion.ts";
import { loadSharpCodec } from "../../lib/image/sharp_codec.ts";
import { drawPicture } from "../origins/poster.ts";
import { animated, decoded, drawn } from "./pictures.ts";

const codec = await loadSharpCodec();
const limits = { maxPixels: 1_000_000, timeoutMs: 60_000 };
const avif: Recipe = { format: "avif", quality: 50, effort: 0 };
const webp: Recipe = { format: "webp", quality: 75, effort: 2 };

const convert = (body: Uint8Array<ArrayBuffer>, recipe: Recipe, more = {}) =>
  codec.convert(body, recipe, { ...limits, ...more });

for (const format of ["jpeg", "png", "webp"] as const) {
  for (const recipe of [avif, webp]) {
    Deno.test(`loadSharpCodec() makes ${recipe.format} of ${format}: valid, smaller, of the same dimensions`, async () => {
      const body = await drawn(format, { width: 300, height: 451, quality: 100 });
      const conversion = await convert(body, recipe);
      assert.ok(conversion.kind === "done", JSON.stringify(conversion));
      assert.ok(conversion.body.byteLength < body.byteLength);
      assert.equal(conversion.body.buffer.byteLength, conversion.body.byteLength);
      assert.deepEqual(await decoded(conversion.body), { format: recipe.format, width: 300, height: 451 });
    });
  }
}

Deno.test("loadSharpCodec() leaves alone what would not get smaller, is animated, turned, or none of its formats", async () => {
  const tight = await drawn("webp", { width: 200, height: 200, look: "noise", quality: 5 });
  const rows: [Uint8Array<ArrayBuffer>, string][] = [
    [tight, "no smaller"],
    [await animated("webp"), "animated"],
    [await drawn("jpeg", { width: 40, height: 60, orientation: 6 }), "turned by its metadata"],
    [await animated("gif"), "no JPEG, PNG or WebP"],
    [drawPicture("svg", { width: 40, height: 60, seed: "a" })!, "no JPEG, PNG or WebP"],
    [new Uint8Array(0), "no JPEG, PNG or WebP"],
    [await drawn("png", { width: 1_001, height: 1_000 }), "1001 × 1000 pixels"],
  ];
  for (const [body, detail] of rows) {
    assert.deepEqual(await convert(body, { ...webp, quality: 100 }), { kind: "unsuitable", detail }, detail);
  }
});

Deno.test("loadSharpCodec() fits to one side, never beyond what the picture has", async () => {
  const body = await drawn("jpeg", { width: 300, height: 450 });
  const narrow = await convert(body, { format: "jpeg", quality: 80, effort: 0, fit: { width: 100 } });
  assert.ok(narrow.kind === "done");
  assert.deepEqual(await decoded(narrow.body), { format: "jpeg", width: 100, height: 150 });
  const low = await convert(body, { format: "png", quality: 80, effort: 0, fit: { height: 45 } });
  assert.ok(low.kind === "done");
  assert.deepEqual(await decoded(low.body), { format: "png", width: 30, height: 45 });
  const wide = await convert(body, { format: "jpeg", quality: 80, effort: 0, fit: { width: 301 } });
  assert.deepEqual(wide, { kind: "unsuitable", detail: "too small" });
});

/** A PNG that says it has many more pixels than bytes. */
function bomb(width: number, height: number): Uint8Array<ArrayBuffer> {
  const bytes = drawPicture("png", { width: 10, height: 10, seed: "a" })!;
  const view = new DataView(bytes.buffer);
  view.setUint32(16, width);
  view.setUint32(20, height);
  return bytes;
}

Deno.test("loadSharpCodec() survives hostile pictures: cut, lying, random and bombs", async () => {
  const jpeg = await drawn("jpeg", { width: 300, height: 450 });
  const png = await drawn("png", { width: 300, height: 450 });
  const truncated = [jpeg, png].flatMap((body) =>
    [20, 200, body.byteLength >> 1].map((length) => body.slice(0, length))
  );
  const scrambled = [jpeg, png].map((body) => {
    const bytes = body.slice();
    for (let at = 100; at < bytes.byteLength; at += 37) bytes[at] = (at * 31) & 255;
    return bytes;
  });
  const hostile = [
    ...truncated,
    ...scrambled,
    bomb(60_000, 60_000),
    bomb(0x7fffffff, 0x7fffffff),
    bomb(0, 10),
    bomb(900, 900),
  ];
  for (const [at, body] of hostile.entries()) {
    const outcome = await convert(body, webp).then(({ kind }) => kind, () => "threw");
    // What a decoder can still read of scrambled bytes is a picture again; nothing else may come of the rest.
    if (at < truncated.length || at >= truncated.length + scrambled.length) {
      assert.ok(outcome === "unsuitable" || outcome === "threw", `${at}: ${outcome}`);
    }
  }
  const sound = await convert(jpeg, webp);
  assert.equal(sound.kind, "done");
});

Deno.test("loadSharpCodec() does not let other loaders in by another name", async () => {
  const tiff = Uint8Array.of(
    0xff,
    0xd8,
    0xff,
    ...new TextEncoder().encode("<svg xmlns='http://www.w3.org/2000/svg'/>"),
  );
  await assert.rejects(convert(tiff, webp));
});
