import assert from "node:assert/strict";
import { belies, hasSignature } from "../../lib/http/content_signature.ts";

function bytes(text: string): Uint8Array {
  return Uint8Array.from(text, (letter) => letter.charCodeAt(0));
}

const IMAGES: Readonly<Record<string, string>> = {
  "image/jpeg": "\xff\xd8\xff\xe0\x00\x10JFIF",
  "image/png": "\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR",
  "image/webp": "RIFF\x24\x00\x00\x00WEBPVP8 ",
  "image/avif": "\x00\x00\x00\x20ftypavif\x00\x00\x00\x00",
  "image/gif": "GIF89a\x01\x00",
  "image/svg+xml": '<?xml version="1.0"?>\n<!-- made by hand -->\n<svg xmlns="http://www.w3.org/2000/svg"/>',
};

Deno.test("belies() takes every image format under every image type", () => {
  for (const type of Object.keys(IMAGES)) {
    for (const [format, head] of Object.entries(IMAGES)) {
      assert.equal(belies(type, bytes(head)), false, `${type} ${format}`);
    }
  }
  assert.equal(belies("image/svg+xml", bytes("\xef\xbb\xbf  <svg:svg>")), false);
  assert.equal(belies("image/svg+xml", bytes("<!DOCTYPE svg PUBLIC>")), false);
  assert.equal(belies("image/svg+xml", bytes(`<!-- ${"licence ".repeat(60)}`)), false);
});

Deno.test("belies() finds pages and other text where an image is due", () => {
  for (
    const text of [
      "<!doctype html><html>",
      "<html>",
      "  <HTML>",
      '{"status":403}',
      "Forbidden",
      "\x1f\x8b\x08",
      "RIFF\x24\x00\x00\x00WAVE",
    ]
  ) {
    for (const type of Object.keys(IMAGES)) assert.equal(belies(type, bytes(text)), true, `${type} ${text}`);
  }
  assert.equal(belies("image/svg+xml", bytes("<?xml version='1.0'?><html xmlns='x'><svg/>")), true);
});

Deno.test("belies() asks of other image types only that they are no markup", () => {
  assert.equal(belies("image/x-icon", bytes("\x00\x00\x01\x00")), false);
  assert.equal(belies("image/heic", bytes("<html>")), true);
});

Deno.test("belies() finds markup where JSON is due", () => {
  for (const type of ["application/json", "text/json", "application/problem+json"]) {
    assert.equal(belies(type, bytes("\n<!DOCTYPE html>")), true);
    for (const text of ['{"a":1}', "[1]", " null", '"<p>"', "7"]) assert.equal(belies(type, bytes(text)), false);
  }
});

Deno.test("belies() says nothing of what is empty or of another type", () => {
  assert.equal(belies("image/jpeg", new Uint8Array()), false);
  assert.equal(belies("text/html", bytes("<html>")), false);
  assert.deepEqual(["image/jpeg", "application/json", "text/html", ""].map(hasSignature), [true, true, false, false]);
});

Deno.test("belies() looks for the first element of an SVG behind comments, whatever they hold", () => {
  const svg = '<svg xmlns="http://www.w3.org/2000/svg"></svg>';
  for (const before of ["<!-- by <http://example.org/> -->", "<?xml version='1.0'?>\n<!-- a <b> -->\n<!-- <c> -->"]) {
    assert.equal(belies("image/svg+xml", new TextEncoder().encode(before + svg)), false, before);
    assert.equal(belies("image/svg+xml", new TextEncoder().encode(`${before}<html></html>`)), true, before);
  }
});
