import assert from "node:assert/strict";
import { textGlob } from "../../lib/pattern/text_glob.ts";
import { assertLinear } from "../linear_time.ts";

Deno.test("textGlob() matches what the expression does that it stands for", () => {
  const globs = ["", "*", "**", "a", "a*", "*a", "*a*", "a*a", "a*b*a", "*ab*ba*", "a.*", "*a*b"];
  const texts = ["", "a", "aa", "ab", "ba", "aba", "abba", "abab", "aXbXa", "a.b", "abXba", "bb"];
  for (const glob of globs) {
    const pattern = new RegExp(`^${glob.replaceAll(".", "\\.").replaceAll("*", "[^]*")}$`);
    for (const text of texts) assert.equal(textGlob(glob).test(text), pattern.test(text), `${glob} ${text}`);
  }
});

Deno.test("textGlob() takes linear time for hostile texts", () => {
  const glob = textGlob("*a*a*a*a*a*a*a*ab");
  assertLinear((times) => glob.test("a".repeat(4_000 * times)));
});
