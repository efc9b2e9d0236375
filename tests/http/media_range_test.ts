import assert from "node:assert/strict";
import { mediaMatcher, mediaTypeOf } from "../../lib/http/media_range.ts";

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
