import assert from "node:assert/strict";
import { expandVariables } from "../../lib/migration/expand_variables.ts";

const VALUES: Readonly<Record<string, string>> = { A: "a", EMPTY: "", LONG: "x".repeat(30_000) };

function expanded(text: string): { readonly text: string; readonly problems: readonly string[] } {
  const problems: string[] = [];
  const lookup = { get: (name: string) => VALUES[name], problem: (message: string) => void problems.push(message) };
  return { text: expandVariables(text, lookup), problems };
}

Deno.test("expandVariables() puts in what each form says", () => {
  const cases: Readonly<Record<string, string>> = {
    "": "",
    plain: "plain",
    "$A-${A}": "a-a",
    "$$A $$${A}": "$A $a",
    "5$ and $1": "5$ and $1",
    "${B:-b}${B-b}": "bb",
    "${EMPTY:-b}${EMPTY-b}": "b",
    "${B:-${C:-$A}}": "a",
    "${A:+yes}${EMPTY:+yes}${EMPTY+yes}${B+yes}": "yesyes",
    "${B:-{}}": "{}",
    "${B:-http://h:1/p?q=1}": "http://h:1/p?q=1",
    "${A:?needed}": "a",
  };
  for (const [text, wanted] of Object.entries(cases)) {
    assert.deepEqual(expanded(text), { text: wanted, problems: [] }, text);
  }
});

Deno.test("expandVariables() says what is not set or cannot be read, and shows no value", () => {
  const cases: ReadonlyArray<readonly [text: string, wanted: string, problem: RegExp]> = [
    ["a$B", "a", /^found \$B, which is not set/],
    ["${B}", "", /^found \$B, which is not set/],
    ["${B:?say it}", "", /^found \$B, which is not set/],
    ["${A", "", /unreadable/],
    ["${}x", "x", /unreadable/],
    ["${A:x}", "", /unreadable/],
    ["${A b}", "", /unreadable/],
    ["$LONG$LONG$LONG", "", /more than 65536 characters/],
    ["${B:-".repeat(30) + "}".repeat(30), "", /unreadable/],
  ];
  for (const [text, wanted, problem] of cases) {
    const { text: found, problems } = expanded(text);
    assert.equal(found, wanted, text);
    assert.match(problems.join("; "), problem, text);
    assert.doesNotMatch(problems.join(), /xxx/, text);
  }
});
