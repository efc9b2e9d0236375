import assert from "node:assert/strict";
import { accepted, namesMediaType } from "../../lib/http/media_range.ts";

const CHROME = "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8";

Deno.test("Accepted.named() counts types that are named in full, whatever their case, place or parameters", () => {
  const rows: [string | null, number][] = [
    [CHROME, 1],
    ["IMAGE/WebP ; q=0.25", 0.25],
    ["image/webp;q=0", 0],
    ["image/webp;level=1;q=0.5", 0.5],
    ["image/webp;level=1;q=0.5, image/webp;q=0.1", 0.1],
    ["image/webp;q=0.1, image/webp;level=1;q=0.5", 0.1],
    ["image/*, */*", 0],
    ["*/*", 0],
    ["", 0],
    [null, 0],
    ["image/webpx, ximage/webp", 0],
  ];
  for (const [accept, weight] of rows) assert.equal(accepted(accept).named("image/webp"), weight, String(accept));
});

Deno.test("Accepted.weightOf() takes the most specific range", () => {
  const rows: [string | null, number][] = [
    [CHROME, 1],
    ["image/*;q=0.4,*/*;q=0.2", 0.4],
    ["image/jpeg;q=0.1,image/*;q=0.4", 0.1],
    ["*/*;q=0.2", 0.2],
    ["text/html", 0],
    ["", 1],
    [null, 1],
  ];
  for (const [accept, weight] of rows) assert.equal(accepted(accept).weightOf("image/jpeg"), weight, String(accept));
});

Deno.test("accepted() reads hostile fields in bounded time and remembers a bounded number", () => {
  const many = Array.from({ length: 100_000 }, (_, at) => `image/x${at}`).join(",") + ",image/webp";
  assert.equal(accepted(many).named("image/webp"), 0);
  for (let at = 0; at < 2_000; at++) accepted(`image/webp;q=0.${at}`);
  assert.equal(accepted("image/webp;q=0.5").named("image/webp"), 0.5);
});

Deno.test("namesMediaType() says no without the field and with a weight of nothing", () => {
  assert.equal(namesMediaType(null, "image/webp"), false);
  assert.equal(namesMediaType("image/webp;q=0.000", "image/webp"), false);
  assert.equal(namesMediaType(CHROME, "image/webp"), true);
});
