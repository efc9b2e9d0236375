import assert from "node:assert/strict";
import { linearPattern, PatternError } from "../../lib/pattern/linear_pattern.ts";
import { assertLinear } from "../linear_time.ts";
import { seededRandom } from "../seeded_random.ts";

/** What JavaScript's own engine finds. */
function native(source: string, text: string) {
  const match = new RegExp(source, "s").exec(text);
  if (match === null) return null;
  const [whole, ...groups] = match;
  return { start: match.index, end: match.index + whole.length, groups: groups.map((group) => group ?? "") };
}

const CASES: [source: string, ...texts: string[]][] = [
  ["", "", "a"],
  ["^/v3/(.*)$", "/v3/a/b", "/v3", "/v3/"],
  ["/(\\d+)/", "/a/12/b", "/a/"],
  ["(a|ab)(c|bcd)(d*)", "abcd"],
  ["(?:(a)|(b))+", "ab", "ba", "c"],
  ["(a*?)(b|$)", "aab", "aa"],
  ["x{2,3}?y", "xxxy", "xy"],
  ["(x{2}){2,}", "xxxxxx", "xxx"],
  ["[^/]+/[\\w.-]+$", "a/b.c", "//"],
  ["[]|[^]", "a"],
  ["[a\\]-]+", "-]a"],
  ["\\.(?:jpe?g|png)$", "/x.jpeg", "/x.jpgx"],
  ["a|", "b"],
  ["^^a$$", "a"],
];

Deno.test("linearPattern() finds what JavaScript's engine finds", () => {
  for (const [source, ...texts] of CASES) {
    for (const text of texts) {
      assert.deepEqual(linearPattern(source).exec(text), native(source, text), `${source} ${text}`);
    }
  }
});

Deno.test("linearPattern() finds what JavaScript's engine finds, for 3,000 made-up patterns", () => {
  const random = seededRandom(7);
  const pick = <T>(items: readonly T[]) => items[Math.floor(random() * items.length)]!;
  const atom = (depth: number): string => {
    if (depth <= 0 || random() < 0.6) return pick(["a", "b", "c", "/", ".", "[ab]", "[^a]", "\\w", "^", "$"]);
    return pick(["(", "(?:"]) + expression(depth - 1) + ")";
  };
  const piece = (depth: number) =>
    atom(depth) + (random() < 0.4 ? pick(["*", "+", "?", "*?", "+?", "??", "{2}", "{1,2}"]) : "");
  const expression = (depth: number): string =>
    Array.from({ length: 1 + Math.floor(random() * 3) }, () => piece(depth)).join("") +
    (random() < 0.3 ? "|" + piece(depth) : "");
  let compiled = 0;
  for (let turn = 0; turn < 3_000; turn++) {
    const source = expression(3);
    let pattern;
    try {
      pattern = linearPattern(source);
    } catch (error) {
      assert.ok(error instanceof PatternError, source);
      continue;
    }
    compiled++;
    for (let count = 0; count < 4; count++) {
      const text = Array.from({ length: Math.floor(random() * 9) }, () => pick(["a", "b", "c", "/"])).join("");
      assert.deepEqual(pattern.exec(text), native(source, text), `${source} on ${text}`);
    }
  }
  assert.ok(compiled > 1_500, String(compiled));
});

const REFUSED: [source: string, message: RegExp][] = [
  ["(a)\\1", /back references/],
  ["a(?=b)", /look-around/],
  ["(?<n>a)", /names/],
  ["(a*)*", /may be empty/],
  ["a**", /side by side/],
  ["*a", /nothing to repeat/],
  ["(a", /no end/],
  ["a)", /no \( before/],
  ["[a", /breaks off/],
  ["[z-a]", /range/],
  ["a{3,2}", /wrong way round/],
  ["a{999}", /200 times/],
  ["((a{100}){100}){100}", /written out/],
  ["\\p", /no \\p/],
  ["()".repeat(10), /at most 9 groups/],
  ["a".repeat(1_001), /1000 characters/],
  ["(?:".repeat(60) + "a" + ")".repeat(60), /within each other/],
  ["a{", /brace/],
  ["^*", /repeated/],
];

for (const [source, message] of REFUSED) {
  Deno.test(`linearPattern() refuses ${source.slice(0, 30)}`, () => {
    assert.throws(() => linearPattern(source), (error) => error instanceof PatternError && message.test(error.message));
  });
}

for (const source of ["(a+)+$", "^(a|a)*$", "(.*)(.*)(.*)x$", "(?:a?){50}a{50}$", "^(?:[a-z]+)*-$"]) {
  Deno.test(`linearPattern() takes linear time for ${source}`, () => {
    const pattern = linearPattern(source);
    assertLinear((times) => pattern.exec("a".repeat(times * 60) + "!"));
  });
}
