import assert from "node:assert/strict";
import { fnv1a, hash32, mix32 } from "../lib/hash.ts";
import { chiSquared, chiSquaredLimit } from "./chi_squared.ts";

Deno.test("hash32() is the same everywhere: workers and gateways must agree", () => {
  assert.equal(hash32(""), mix32(0x811c9dc5));
  assert.deepEqual(["/3/movie/550", ""].map((text) => hash32(text)), [3_876_835_977, 2_872_998_923]);
  assert.deepEqual([1, 2 ** 31, 0xdeadbeef].map(mix32), [1_364_076_727, 1_832_674_720, 233_162_409]);
});

Deno.test("fnv1a() is FNV-1a: its published values, goes on from a seed, stops at an end", () => {
  assert.deepEqual(["", "a", "foobar"].map((text) => fnv1a(text)), [0x811c9dc5, 0xe40c292c, 0xbf9cf968]);
  assert.equal(fnv1a("bar", fnv1a("foo")), fnv1a("foobar"));
  assert.equal(fnv1a("foobar", undefined, 3), fnv1a("foo"));
});

Deno.test("hash32() spreads texts that differ little (χ²)", () => {
  const counts = Array.from({ length: 64 }, () => 0);
  for (let i = 0; i < 10_000; i++) counts[hash32(`/3/movie/${i}`) % 64]!++;
  assert.ok(chiSquared(counts, counts.map(() => 1)) < chiSquaredLimit(63));
});

Deno.test("mix32() is a permutation of small numbers and gives 32 bits without a sign", () => {
  const seen = new Set<number>();
  for (let i = 0; i < 10_000; i++) seen.add(mix32(i));
  assert.equal(seen.size, 10_000);
  for (const value of seen) assert.ok(Number.isInteger(value) && value >= 0 && value < 2 ** 32);
});
