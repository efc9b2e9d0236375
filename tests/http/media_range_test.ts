import assert from "node:assert/strict";
import { accepted, mediaMatcher, mediaTypeOf, namesMediaType } from "../../lib/http/media_range.ts";

Deno.test("mediaMatcher() matches exact types, types, all and suffixes", () => {
  const cases: ReadonlyArray<readonly [range: string, yes: string[], no: string[]]> = [
    ["image/png", ["image/png"], ["image/pngx", "image/jpeg", "ximage/png", ""]],
    ["image/*", ["image/png", "image/svg+xml"], ["imagex/png", "images", "imagex", "text/image", ""]],
    ["*/*", ["image/png", "text/html", ""], []],
    ["application/*+json", ["application/problem+json"], [
      "application/json",
      "text/problem+json",
      "application/jsonx",
    ]],
    ["*/*+xml", ["image/svg+xml", "application/atom+xml"], ["text/xml", "svg+xml"]],
    [" IMAGE/Png ", ["image/png"], ["image/jpeg"]],
    ["application/vnd.api+json", ["application/vnd.api+json"], ["application/json"]],
  ];
  for (const [range, yes, no] of cases) {
    const matches = mediaMatcher([range]);
    for (const type of yes) assert.equal(matches(type), true, `${range} has ${type}`);
    for (const type of no) assert.equal(matches(type), false, `${range} has not ${type}`);
  }
});

Deno.test("mediaMatcher() of several ranges matches what one of them does; of none, nothing", () => {
  const matches = mediaMatcher(["application/json", "image/*", "text/*+xml"]);
  for (const type of ["application/json", "image/webp", "text/a+xml"]) assert.ok(matches(type), type);
  for (const type of ["text/xml", "application/xml"]) assert.ok(!matches(type), type);
  assert.equal(mediaMatcher([])("image/png"), false);
});

Deno.test("mediaMatcher() refuses a range that could match nothing that is sent", () => {
  const bad = [
    "",
    "image",
    "image/",
    "/png",
    "*",
    "*/json",
    "image/p*g",
    "image/**",
    "im*/png",
    "a/b/c",
    "image/*png",
    "image/*+",
    "image/png; q=1",
  ];
  for (const range of bad) assert.throws(() => mediaMatcher([range]), TypeError, range);
});

Deno.test("mediaTypeOf() leaves out parameters, case and spaces", () => {
  const cases: ReadonlyArray<readonly [string | null, string]> = [
    [null, ""],
    ["", ""],
    ["image/png", "image/png"],
    [" Text/HTML ;charset=utf-8", "text/html"],
    [";charset=utf-8", ""],
  ];
  for (const [value, expected] of cases) assert.equal(mediaTypeOf(value), expected);
});

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
