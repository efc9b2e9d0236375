import assert from "node:assert/strict";
import {
  parseDictionary,
  serializeString,
  type SfBareItem,
  SfDate,
  SfDecimal,
  SfDisplayString,
  SfToken,
  tokenOrString,
} from "../../lib/http/structured_fields.ts";
import { assertLinear } from "../linear_time.ts";

/** The value of `a` in a dictionary. */
function valueOf(text: string): SfBareItem | undefined | null {
  const dictionary = parseDictionary(text);
  if (dictionary === null) return null;
  const member = dictionary.get("a");
  return member !== undefined && "value" in member ? member.value : undefined;
}

Deno.test("parseDictionary() reads every bare item (RFC 9651 §3.3)", () => {
  const cases: [text: string, value: SfBareItem][] = [
    ["a", true],
    ["a=?0", false],
    ["a=?1", true],
    ["a=0", 0],
    ["a=-42", -42],
    ["a=00012", 12],
    ["a=999999999999999", 999_999_999_999_999],
    ["a=1.5", new SfDecimal(1.5)],
    ["a=-0.125", new SfDecimal(-0.125)],
    ['a=""', ""],
    ['a="x \\" \\\\ y"', 'x " \\ y'],
    ["a=tok/en:*1", new SfToken("tok/en:*1")],
    ["a=*", new SfToken("*")],
    ["a=:aGk=:", new Uint8Array([104, 105])],
    ["a=::", new Uint8Array()],
    ["a=@1659578233", new SfDate(1_659_578_233)],
    ['a=%"f%c3%bcr %22x%22"', new SfDisplayString('für "x"')],
  ];
  for (const [text, value] of cases) assert.deepEqual(valueOf(text), value, text);
});

Deno.test("parseDictionary() reads parameters, inner lists and repeated keys (RFC 9651 §3.1.1, §3.1.2, §3.2)", () => {
  const dictionary = parseDictionary('  a=(1 "x";q=2  tok);p , b;c;d=?0, a=3  ');
  assert.deepEqual([...dictionary?.keys() ?? []], ["b", "a"], "the last of a repeated key counts, and its place");
  assert.deepEqual(dictionary?.get("b"), { value: true, parameters: new Map([["c", true], ["d", false]]) });
  assert.deepEqual(parseDictionary('a=(1 "x";q=2  tok);p')?.get("a"), {
    items: [
      { value: 1, parameters: new Map() },
      { value: "x", parameters: new Map([["q", 2]]) },
      { value: new SfToken("tok"), parameters: new Map() },
    ],
    parameters: new Map([["p", true]]),
  });
  assert.equal(parseDictionary("")?.size, 0);
});

Deno.test("parseDictionary() refuses what breaks the grammar, as a whole (RFC 9651 §4.2)", () => {
  const broken = [
    "a=1,",
    ",a=1",
    "a=1 b=2",
    "a=1,,b",
    "A=1",
    "a =1",
    "a= 1",
    "a=",
    "1a",
    "a=1.",
    "a=1.2345",
    "a=1234567890123456",
    "a=1234567890123.1",
    "a=--1",
    "a=-",
    "a=1.2.3",
    'a="x',
    'a="\\x"',
    'a="é"',
    'a="\t"',
    "a=:a b:",
    "a=:abcde:",
    "a=:aGk=",
    "a=?2",
    "a=@1.5",
    'a=%"%C3"',
    'a=%"%ff"',
    "a=(1",
    "a=(1,2)",
    'a=(1"x")',
    "a=1;",
    "a=1;A",
    "&&&&&",
    "\ta",
    "x".repeat(20_000),
  ];
  for (const text of broken) assert.equal(parseDictionary(text), null, text.slice(0, 40));
});

Deno.test("parseDictionary() takes hostile text in linear time", () => {
  for (const unit of ["(", "a=(", "a;", ";a=", '"', "\\", "a=1,", "a=:", "-", "%"]) {
    const long = (times: number) => unit.repeat(Math.floor(times * 4_000 / unit.length) - 1);
    assertLinear((times) => void parseDictionary(long(times)), unit);
    assertLinear((times) => void parseDictionary(`a=${long(times)}`), `a=${unit}`);
  }
});

Deno.test("tokenOrString() and serializeString() keep anything inside one item (RFC 9651 §4.1.6)", () => {
  for (const name of ["usher", "*a", "a:b/c"]) assert.equal(tokenOrString(name), name);
  for (const name of ["", "1a", "a b", "a,b", 'a"', "ü", "a;hit"]) assert.equal(tokenOrString(name)[0], '"', name);
  for (const text of ["", 'a"; hit; ttl=9"', "\\", "\r\nSet-Cookie: a=b", "é"]) {
    const dictionary = parseDictionary(`a=${serializeString(text)}`);
    assert.deepEqual([...dictionary?.keys() ?? []], ["a"], text);
  }
  assert.equal(valueOf(`a=${serializeString('q"\\')}`), 'q"\\');
});
