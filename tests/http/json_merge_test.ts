import assert from "node:assert/strict";
import { type JsonValue, mergePatched, withStrings } from "../../lib/http/json_merge.ts";
import { randomJson } from "./random_json.ts";
import { seededRandom } from "../seeded_random.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const text = (of: Uint8Array | null) => of === null ? null : new TextDecoder("utf-8", { ignoreBOM: true }).decode(of);
const patched = (json: string, patch: JsonValue) => text(mergePatched(bytes(json), patch));

/** RFC 7396 §2, on values. */
function reference(target: unknown, patch: JsonValue): unknown {
  if (typeof patch !== "object" || patch === null || Array.isArray(patch)) return patch;
  const isObject = typeof target === "object" && target !== null && !Array.isArray(target);
  const result: Record<string, unknown> = isObject ? { ...target } : {};
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) delete result[name];
    else result[name] = reference(result[name], value);
  }
  return result;
}

Deno.test("mergePatched() does what the examples of RFC 7396 say, for objects", () => {
  const examples: ReadonlyArray<readonly [string, JsonValue, string]> = [
    ['{"a":"b"}', { a: "c" }, '{"a":"c"}'],
    ['{"a":"b"}', { b: "c" }, '{"a":"b","b":"c"}'],
    ['{"a":"b"}', { a: null }, "{}"],
    ['{"a":"b","b":"c"}', { a: null }, '{"b":"c"}'],
    ['{"a":["b"]}', { a: "c" }, '{"a":"c"}'],
    ['{"a":"c"}', { a: ["b"] }, '{"a":["b"]}'],
    ['{"a":{"b":"c"}}', { a: { b: "d", c: null } }, '{"a":{"b":"d"}}'],
    ['{"a":[{"b":"c"}]}', { a: [1] }, '{"a":[1]}'],
    ['["a","b"]', ["c", "d"], '["c","d"]'],
    ['{"a":"b"}', ["c"], '["c"]'],
    ['{"a":"foo"}', null, "null"],
    ['{"a":"foo"}', "bar", '"bar"'],
    ['{"e":null}', { a: 1 }, '{"e":null,"a":1}'],
    ["{}", { a: { bb: { ccc: null } } }, '{"a":{"bb":{}}}'],
  ];
  for (const [json, patch, expected] of examples) assert.equal(patched(json, patch), expected);
});

Deno.test("mergePatched() keeps every byte that it is not told to change", () => {
  const json = '\n{ "vote" : 7.0 ,\t"id":12345678901234567890, "o": {"x" :1e+2,"y":"\\u00e9"} ,"z":[ 1.50 ]}\r\n';
  assert.equal(patched(json, {}), json);
  assert.equal(patched(json, { o: { y: "e" } }), json.replace('"\\u00e9"', '"e"'));
  assert.equal(patched(json, { vote: null }), json.replace('"vote" : 7.0 ,\t', ""));
  assert.equal(patched(json, { z: null }), json.replace(' ,"z":[ 1.50 ]', ""));
  assert.equal(patched(json, { o: { x: null, y: null, w: 1 } }), json.replace('"x" :1e+2,"y":"\\u00e9"', '"w":1'));
});

Deno.test("mergePatched() takes neighbours out and puts new members in, wherever they stand", () => {
  const json = '{ "a":1, "b":2, "c":3 }';
  assert.equal(patched(json, { a: null, b: null }), '{ "c":3 }');
  assert.equal(patched(json, { b: null, c: null }), '{ "a":1 }');
  assert.equal(patched(json, { a: null, c: null }), '{ "b":2 }');
  assert.equal(patched(json, { a: null, b: null, c: null }), "{  }");
  assert.equal(patched(json, { a: null, b: null, c: null, d: 4 }), '{ "d":4 }');
  assert.equal(patched(json, { c: null, d: 4 }), '{ "a":1, "b":2,"d":4 }');
  assert.equal(patched(" { } ", { d: 4, e: null }), ' {"d":4 } ');
});

Deno.test("mergePatched() patches a name that comes twice twice: readers differ in which they take", () => {
  assert.equal(patched('{"a":1,"b":2,"a":3}', { a: 9 }), '{"a":9,"b":2,"a":9}');
  assert.equal(patched('{"a":1,"b":2,"a":3}', { a: null }), '{"b":2}');
});

Deno.test("mergePatched() takes names for names only", () => {
  const json = '{"a":1}';
  assert.equal(
    patched(json, { constructor: 2, hasOwnProperty: null } as unknown as JsonValue),
    '{"a":1,"constructor":2}',
  );
  assert.equal(patched('{"constructor":1}', { a: 2 }), '{"constructor":1,"a":2}');
});

Deno.test("mergePatched() leaves alone what is no JSON object", () => {
  for (const json of ["[1]", "1", "", "{", '{"a":1', "<html>"]) assert.equal(patched(json, { a: 1 }), null);
  for (const json of ["", "{", "<html>"]) assert.equal(patched(json, ["a"]), null);
});

Deno.test("mergePatched() agrees with RFC 7396 on random documents and patches", () => {
  const random = seededRandom(7_396);
  for (let round = 0; round < 3_000; round++) {
    const untouched = `{"a":${randomJson(random)}`;
    const json = `${untouched},"id":${randomJson(random)},"b":{"a":${randomJson(random)}}}`;
    const source = JSON.parse(`{"id":${randomJson(random)},"b":${randomJson(random)},"x":${randomJson(random)}}`);
    // Without -0, which JSON.stringify() does not know.
    const patch = JSON.parse(JSON.stringify(source));
    const result = patched(json, patch)!;
    assert.deepEqual(JSON.parse(result), reference(JSON.parse(json), patch), `${json} ${JSON.stringify(patch)}`);
    // What the patch does not name stands there as it stood.
    assert.ok(result.startsWith(untouched.trimEnd()), result);
  }
});

Deno.test("withStrings() replaces strings in their places, and nothing else", () => {
  const json = '{"base_url":"x","images": {"base_url":"http:\\/\\/a/" , "sizes":["w92"],"base_url_2":"y"},"n":7.0}';
  assert.equal(
    text(withStrings(bytes(json), [["images", "base_url"], ["images", "none"], ["n", "base_url"]], 'https://"b"/')),
    json.replace('"http:\\/\\/a/"', '"https://\\"b\\"/"'),
  );
  assert.equal(text(withStrings(bytes(json), [["n"], ["images"]], "b")), json);
  assert.equal(withStrings(bytes("[]"), [["n"]], "b"), null);
});
