import assert from "node:assert/strict";
import { imageTags, tmdbSize } from "../../lib/upstream_type/_tmdb_image_paths.ts";
import { TmdbImage } from "../../lib/upstream_type/tmdb_image.ts";
import { typeOptions } from "./_requests.ts";

Deno.test("tmdbSize() names what a plain size is fitted to, and the larger ones of the same file, the nearest first", () => {
  assert.deepEqual(tmdbSize("/t/p/w500/a.jpg"), {
    fit: { width: 500 },
    larger: ["/t/p/w780/a.jpg", "/t/p/w1280/a.jpg", "/t/p/original/a.jpg"],
  });
  assert.deepEqual(tmdbSize("/t/p/h632/a.png"), { fit: { height: 632 }, larger: ["/t/p/original/a.png"] });
  assert.deepEqual(tmdbSize("/w1280/a.webp"), { fit: { width: 1280 }, larger: ["/original/a.webp"] });
  assert.equal(tmdbSize("/t/p/w45/a.jpg")!.larger.length, 9);
});

Deno.test("tmdbSize() leaves alone what is cut, coloured, no picture of pixels, or no size", () => {
  const paths = [
    "/t/p/original/a.jpg",
    "/t/p/w600_and_h900_bestv2/a.jpg",
    "/t/p/w780_filter(duotone,ffffff,bababa)/a.jpg",
    "/t/p/w500/a.svg",
    "/t/p/w500/a",
    "/t/p/w0/a.jpg",
    "/t/p/w99999/a.jpg",
    "/t/p/W500/a.jpg",
    "/t/p/w500/",
    "/t/p/w500/b/a.jpg/..",
  ];
  for (const path of paths) assert.equal(tmdbSize(path), null, path);
});

Deno.test("TmdbImage.sizes collapses slashes as its keys do", () => {
  assert.deepEqual(new TmdbImage(typeOptions()).sizes("/t/p//w1280//a.jpg")!.larger, ["/t/p/original/a.jpg"]);
});

Deno.test("imageTags() names the picture in all its sizes, and the size", () => {
  assert.deepEqual(imageTags("/t/p/w500/pB8BM7.jpg"), ["img:pB8BM7", "size:w500"]);
  assert.deepEqual(imageTags("/t/p/original//a.svg"), []);
  assert.deepEqual(imageTags("/t/p/original/a.svg"), ["img:a", "size:original"]);
  assert.deepEqual(imageTags("/t/p/w500/"), []);
});
