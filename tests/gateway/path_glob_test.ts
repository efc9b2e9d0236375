import assert from "node:assert/strict";
import { pathGlob } from "../../lib/gateway/path_glob.ts";
import { assertLinear } from "../linear_time.ts";

const CASES: [glob: string, path: string, matches: boolean][] = [
  ["/a", "/a", true],
  ["/a", "/a/b", false],
  ["/a", "/A", false],
  ["/*", "/a", true],
  ["/*", "/", true],
  ["/*", "/a/b", false],
  ["/**", "/a/b", true],
  ["/**", "/", true],
  ["/t/p/*/x.jpg", "/t/p/w92/x.jpg", true],
  ["/t/p/*/x.jpg", "/t/p/w92/y/x.jpg", false],
  ["/t/p/**/x.jpg", "/t/p/w92/y/x.jpg", true],
  ["*.jpg", "x.jpg", true],
  ["/a.b", "/aXb", false],
  ["/a+b(c)[d]{e}^$|?\\", "/a+b(c)[d]{e}^$|?\\", true],
  ["/a", "/a\n", false],
];

for (const [glob, path, matches] of CASES) {
  Deno.test(`pathGlob() ${glob} ${matches ? "matches" : "does not match"} ${JSON.stringify(path)}`, () => {
    assert.equal(pathGlob(glob).test(path), matches);
  });
}

Deno.test("pathGlob() takes no more than linear time for hostile globs and paths", () => {
  const pattern = pathGlob("/" + "**a*a".repeat(20));
  assertLinear((times) => pattern.test("/" + "a".repeat(times * 400) + "!"));
});
