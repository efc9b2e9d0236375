import assert from "node:assert/strict";
import { isJsonText, jsonMembers } from "../../lib/http/json_members.ts";
import { randomJson } from "./random_json.ts";
import { seededRandom } from "../seeded_random.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const text = (of: Uint8Array) => new TextDecoder("utf-8", { ignoreBOM: true }).decode(of);

Deno.test("jsonMembers() says where each member stands, to the byte", () => {
  const json = bytes(' {"a" : 1.50 ,\n"é\\u0041":[{"x":"}"}], "": null}\t');
  const cut = jsonMembers(json)!.map(({ name, start, valueStart, end }) => [
    name,
    text(json.subarray(start, end)),
    text(json.subarray(valueStart, end)),
  ]);
  assert.deepEqual(cut, [
    ["a", '"a" : 1.50', "1.50"],
    ["éA", '"é\\u0041":[{"x":"}"}]', '[{"x":"}"}]'],
    ["", '"": null', "null"],
  ]);
});

Deno.test("jsonMembers() lists a name that comes twice twice", () => {
  assert.deepEqual(jsonMembers(bytes('{"a":1,"a":2}'))!.map(({ name }) => name), ["a", "a"]);
});

Deno.test("jsonMembers() agrees with JSON.parse() about random objects, and about what remains when they are damaged", () => {
  const random = seededRandom(20_260);
  for (let round = 0; round < 2_000; round++) {
    const whole = `{"first":${randomJson(random)},"second":${randomJson(random)},"third":${randomJson(random)}}`;
    check(whole);
    const at = Math.floor(random() * whole.length);
    check(whole.slice(0, at) + whole.slice(at + 1));
    check(whole.slice(0, at) + '{}[]",:\\0e.-\u0001'.charAt(Math.floor(random() * 13)) + whole.slice(at));
    check(whole.slice(0, at));
  }
});

/** What one reads out of a text is what JSON.parse() reads. */
function check(source: string): void {
  const json = bytes(source);
  const expected = parsed(text(json));
  assert.equal(isJsonText(json), expected.ok, source);
  const members = jsonMembers(json);
  const isObject = expected.ok && typeof expected.value === "object" && expected.value !== null &&
    !Array.isArray(expected.value);
  assert.equal(members !== null, isObject, source);
  if (members === null) return;
  const pairs = members.map(({ name, valueStart, end }) => [name, JSON.parse(text(json.subarray(valueStart, end)))]);
  assert.deepEqual(Object.fromEntries(pairs), { ...expected.value as object }, source);
}

function parsed(source: string): { ok: boolean; value?: unknown } {
  try {
    return { ok: true, value: JSON.parse(source) };
  } catch {
    return { ok: false };
  }
}

Deno.test("jsonMembers() refuses what is no object, no JSON, or not UTF-8", () => {
  for (
    const source of ["", "[]", "1", "null", '"a"', "{", "{}}", "{} {}", '{"a":01}', '{"a":1,}', "{'a':1}", '{"a":NaN}']
  ) {
    assert.equal(jsonMembers(bytes(source)), null, source);
  }
  assert.equal(jsonMembers(bytes('\ufeff{"a":1}')), null);
  assert.equal(jsonMembers(Uint8Array.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d])), null);
});

Deno.test("jsonMembers() refuses a document that is deeper or wider than its bounds", () => {
  const nested = (depth: number) => bytes(`{"a":${"[".repeat(depth)}${"]".repeat(depth)}}`);
  assert.notEqual(jsonMembers(nested(127)), null);
  assert.equal(jsonMembers(nested(128)), null);
  assert.equal(jsonMembers(nested(1_000_000)), null);
  assert.equal(jsonMembers(bytes(`{${'"a":1,'.repeat(65_536)}"a":1}`)), null);
});

Deno.test("isJsonText() takes any value and nothing beside it", () => {
  for (const source of [" 1 ", "-0.5e+10", "true", "[]", '"\\ud800"', "{}"]) {
    assert.equal(isJsonText(bytes(source)), true, source);
  }
  for (const source of ["", "1 2", "-", "1.", "1e", "tru", '"\\x"', '"\\u12g4"', "+1", ".5"]) {
    assert.equal(isJsonText(bytes(source)), false, source);
  }
});
