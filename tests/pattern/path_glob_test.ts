import assert from "node:assert/strict";
import { pathGlob } from "../../lib/pattern/path_glob.ts";
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

Deno.test("pathGlob() tells what its wildcards took, as the expression does that it stands for", () => {
  const globs = [
    "/a",
    "/a/*",
    "/a/**",
    "/a/*.jpg",
    "/**/b",
    "/*/b/**",
    "/**/x/**",
    "/a*b*c",
    "*/**",
    "/a/**/*.jpg",
    "/(a)*+*",
  ];
  const paths = [
    "/a",
    "/a/",
    "/a/b",
    "/a/x.jpg",
    "/a/b/x.jpg",
    "/x/b",
    "/x/b/",
    "/a/x/b/x/c",
    "/abc",
    "/aXbYc",
    "/(a)+",
    "/(a)x+y",
  ];
  for (const glob of globs) {
    const source = glob.replaceAll(/[\\^$.+?()[\]{}|]/g, "\\$&").replaceAll(
      /\*\*|\*/g,
      (star) => star === "*" ? "([^/]*)" : "(.*)",
    );
    for (const path of paths) {
      const expected = new RegExp(`^${source}$`).exec(path)?.slice(1) ?? null;
      assert.deepEqual(pathGlob(glob).match(path), expected, `${glob} ${path}`);
      assert.equal(pathGlob(glob).test(path), expected !== null, `${glob} ${path}`);
    }
  }
});

Deno.test("pathGlob() tells of nine wildcards, however many there are, in linear time", () => {
  const pattern = pathGlob("/" + "**a*a".repeat(20));
  assert.equal(pattern.match("/" + "a".repeat(60))?.length, 9);
  assertLinear((times) => pattern.match("/" + "a".repeat(times * 50) + "!a"));
});
