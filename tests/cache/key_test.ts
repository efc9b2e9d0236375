import assert from "node:assert/strict";
import { cacheKey, isMadeKey, type KeyParts, queryFilter, variantKey } from "../../lib/cache/key.ts";
import { seededRandom } from "../seeded_random.ts";

type Selected = ReadonlyArray<readonly [name: string, value: string | null]>;

const random = seededRandom(9111);

/** Short texts over the signs that stand beside each other in keys, so that badly joined ones would meet. */
function text(): string {
  const signs = ["a", "b", "/", ":", "?", "&", "=", " ", ",", "\\", "%00", "\u0001"];
  return Array.from({ length: Math.floor(random() * 4) }, () => signs[Math.floor(random() * signs.length)]).join("");
}

/** Asks for a key of many different inputs and fails when two of them share one. */
function assertCollisionFree<T>(make: () => T, keyOf: (value: T) => string): void {
  const seen = new Map<string, string>();
  for (let run = 0; run < 50_000; run++) {
    const value = make();
    const identity = JSON.stringify(value);
    const key = keyOf(value);
    const before = seen.get(key);
    if (before !== undefined && before !== identity) assert.fail(`${identity} and ${before} share a key`);
    seen.set(key, identity);
  }
  assert.ok(seen.size > 1_000, `only ${seen.size} different inputs`);
}

Deno.test("cacheKey() gives different parts different keys", () => {
  assertCollisionFree((): KeyParts => ({ listener: text(), host: text(), target: text() }), cacheKey);
});

Deno.test("cacheKey() begins with the listener's name and no other listener's key does", () => {
  const keys = ["api", "ap", "api2", ""].map((listener) => cacheKey({ listener, host: "", target: "/" }));
  for (const key of keys) {
    for (const other of keys) if (key !== other) assert.ok(!other.startsWith(key.split("\0")[0] + "\0"));
  }
});

Deno.test("variantKey() gives different requests different keys, absent and empty fields too (RFC 9111 §4.1)", () => {
  const names = ["accept", "accept-language", "x", "x-y"];
  const make = () => {
    const selectedBy: Selected = names.filter(() => random() < 0.5)
      .map((name) => [name, random() < 0.2 ? null : text()]);
    return { primary: cacheKey({ listener: "a", host: "", target: text() }), selectedBy };
  };
  assertCollisionFree(make, ({ primary, selectedBy }) => variantKey(primary, selectedBy));
});

Deno.test("variantKey() never is another target's primary key", () => {
  const primary = cacheKey({ listener: "a", host: "h", target: "/x" });
  const separators = (key: string) => key.split("\0").length - 1;
  assert.equal(separators(primary), 2);
  assert.ok(separators(variantKey(primary, [["accept", null]])) > 2);
  assert.equal(variantKey(primary, []), primary);
});

const FILTERS: ReadonlyArray<
  readonly [include: string[] | null, exclude: string[], sort: boolean, query: string, expected: string]
> = [
  [null, ["utm_*", "fbclid"], false, "b=2&utm_source=x&a=1&fbclid=9&utm_=", "b=2&a=1"],
  [null, ["a"], false, "%61=1&A=2&a%3D=3&a&a=", "A=2&a%3D=3"],
  [["id", "v*"], [], false, "id=1&version=2&x=3&v", "id=1&version=2&v"],
  [["a*"], ["ab"], false, "a=1&ab=2&abc=3", "a=1&abc=3"],
  [[], [], false, "a=1&b=2", ""],
  [null, ["*"], false, "a=1&b", ""],
  [null, [], true, "b=2&a=1&c", "a=1&b=2&c"],
  [null, [], true, "a=2&b=1&a=1", "a=2&a=1&b=1"],
  [null, [], true, "b=1&&a=%zz&%zz=1", "&%zz=1&a=%zz&b=1"],
  [null, ["a b"], false, "a+b=1&a%20b=2&ab=3", "ab=3"],
  [null, ["x"], true, "", ""],
];

for (const [include, exclude, sort, query, expected] of FILTERS) {
  Deno.test(`queryFilter() include ${include} exclude [${exclude}]${sort ? " sorted" : ""} of "${query}"`, () => {
    assert.equal(queryFilter({ include, exclude, sort })!(query), expected);
  });
}

Deno.test("queryFilter() is none where the rules keep everything as it is", () => {
  assert.equal(queryFilter({ include: null, exclude: [], sort: false }), null);
});

Deno.test("queryFilter() sorts queries with the same parameters into one text, and no others", () => {
  const filter = queryFilter({ include: null, exclude: [], sort: true })!;
  const seen = new Map<string, string>();
  for (let run = 0; run < 20_000; run++) {
    const pairs = Array.from({ length: 3 }, () => `${"abc"[Math.floor(random() * 3)]}=${Math.floor(random() * 4)}`);
    // Lines of one name keep their order; names are sorted.
    const identity = JSON.stringify(["a", "b", "c"].map((name) => pairs.filter((pair) => pair.startsWith(name))));
    const sorted = filter(pairs.join("&"));
    assert.equal(filter(sorted), sorted);
    assert.equal(seen.get(sorted) ?? identity, identity);
    seen.set(sorted, identity);
  }
  assert.equal(new Set(seen.values()).size, seen.size);
});

Deno.test("isMadeKey() tells forms and notes from what clients ask for", () => {
  const asked = [
    "",
    "\0accept-language:de",
    "\0~cookie:1",
    "\0~fields:1",
    "\0~bare",
    "\0~part",
    "\0~rules:1",
    "\0accept:webp",
  ];
  for (const behind of asked) assert.equal(isMadeKey(`l\0\0/~br${behind}`), false, behind);
  for (const behind of ["\0~br", "\0~supersets", "\0~rewritten:1\0~gzip", "\0~derived"]) {
    assert.equal(isMadeKey(`l\0\0/x${behind}`), true, behind);
  }
});
