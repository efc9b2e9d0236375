import assert from "node:assert/strict";
import { carefulPath, carefulText, escapedPath } from "../../lib/http/careful_path.ts";

const READINGS: [path: string, reading: string][] = [
  ["/", "/"],
  ["/private/x", "/private/x"],
  ["/%70rivate/x", "/private/x"],
  ["//private/x", "/private/x"],
  ["/%2fprivate/x", "/private/x"],
  ["/\\private/x", "/private/x"],
  ["/%5Cprivate/x", "/private/x"],
  ["/;/private/x", "/private/x"],
  ["/private;a=b/x;c", "/private/x"],
  ["/private%3ba/x", "/private/x"],
  ["/a%252fb", "/a%2fb"],
  ["/%c1%b0rivate%c0%afx", "/private/x"],
  ["/%E0%81%B0rivate%f0%80%80%afx", "/private/x"],
  ["/\xc1\xb0rivate", "/private"],
  ["/caf%c3%a9/%e0%a4%85", "/caf\xc3\xa9/\xe0\xa4\x85"],
  ["/%C0%20la", "/\xc0 la"],
  ["/a%zz%4", "/a%zz%4"],
  ["/a/", "/a/"],
  ["/a//", "/a/"],
];

for (const [path, reading] of READINGS) {
  Deno.test(`carefulPath() reads ${path} as ${reading}`, () => assert.equal(carefulPath(path), reading));
}

Deno.test("escapedPath() writes every byte so that it reads the same again, and nothing ends the path or the line", () => {
  const bytes = String.fromCharCode(...Array.from({ length: 256 }, (_, code) => code)).replace(/[\\;]/g, "");
  const written = escapedPath(`/${bytes}`);
  assert.match(written, /^[\x21-\x7e]+$/);
  assert.doesNotMatch(written, /[?#;\\]/);
  assert.equal(carefulPath(written), `/${bytes}`.replace(/\/{2,}/g, "/"));
});

Deno.test("carefulText() is what a path of the same text reads as", () => {
  for (const text of ["/a", "/é/%41", "/日本"]) {
    assert.equal(carefulText(text), carefulPath(new URL(`http://a${text}`).pathname));
  }
  assert.equal(carefulText("/%2a*"), "/%2a*");
});
