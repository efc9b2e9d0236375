import assert from "node:assert/strict";
import { parseWeighted, splitList, trimSpace } from "../../lib/http/list.ts";

Deno.test("splitList() separates at commas outside quoted strings (RFC 9110 §5.6.1, §5.6.4)", () => {
  const cases: [text: string, members: string[]][] = [
    ["", []],
    [", ,\t,", []],
    ["a", ["a"]],
    ["a,b ,\tc", ["a", "b", "c"]],
    ['a="1,2", b', ['a="1,2"', "b"]],
    ['a="\\",", b', ['a="\\","', "b"]],
    ['a="1,2', ['a="1,2']],
    ['a="1\\', ['a="1\\']],
    ['"a","b"', ['"a"', '"b"']],
    ['x, "', ["x", '"']],
  ];
  for (const [text, members] of cases) assert.deepEqual(splitList(text, 100), members, text);
});

Deno.test("splitList() reads no more members than it is told", () => {
  assert.deepEqual(splitList("a,".repeat(100_000), 3), ["a", "a", "a"]);
  assert.deepEqual(splitList('"a",'.repeat(100_000), 2), ['"a"', '"a"']);
});

Deno.test("trimSpace() takes spaces and tabs away and nothing else (RFC 9110 §5.6.3)", () => {
  const cases: [text: string, trimmed: string][] = [
    ["", ""],
    [" \t ", ""],
    ["\ta b\t", "a b"],
    ["\u00a0a\u000b", "\u00a0a\u000b"],
    ["\ra\n", "\ra\n"],
  ];
  for (const [text, trimmed] of cases) assert.equal(trimSpace(text), trimmed, JSON.stringify(text));
});

Deno.test("parseWeighted() takes a malformed weight for 1 (RFC 9110 §12.4.2)", () => {
  const cases: [member: string, text: string, weight: number][] = [
    ["gzip", "gzip", 1],
    ["gzip;q=0", "gzip", 0],
    ["gzip;q=0.001", "gzip", 0.001],
    ["gzip ; Q=1.000", "gzip", 1],
    ["gzip;q=2", "gzip", 1],
    ["gzip;q=", "gzip", 1],
    ["gzip;q=-1", "gzip", 1],
    ["text/html;level=1;q=0.4", "text/html;level=1", 0.4],
    ["q=0.3", "q=0.3", 1],
  ];
  for (const [member, text, weight] of cases) assert.deepEqual(parseWeighted(member), { text, weight }, member);
});
