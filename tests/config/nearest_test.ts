import assert from "node:assert/strict";
import { nearest } from "../../lib/config/yaml/nearest.ts";

Deno.test("nearest() finds what was meant", () => {
  const table: ReadonlyArray<readonly [string, readonly string[], string | null]> = [
    ["prefx", ["pool", "prefix"], "prefix"],
    ["perfix", ["pool", "prefix"], "prefix"],
    ["upstream", ["type", "upstreams"], "upstreams"],
    ["stripPrefix", ["prefix", "strip_prefix"], "strip_prefix"],
    ["STRIP-PREFIX", ["prefix", "strip_prefix"], "strip_prefix"],
    ["tmbd", ["fanart", "tmdb"], "tmdb"],
    ["round_robin", ["weighted-ewma", "round-robin"], "round-robin"],
    ["x", ["a", "b"], null],
    ["colour", ["pool", "prefix"], null],
    ["", ["pool"], null],
    ["pool", [], null],
  ];
  for (const [name, known, expected] of table) assert.equal(nearest(name, known), expected, name);
});

Deno.test("nearest() takes a very long name in stride", () => {
  assert.equal(nearest("a".repeat(1_000_000), ["pool", "prefix"]), null);
});
