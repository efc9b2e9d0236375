import assert from "node:assert/strict";
import { normalizeSelecting, selectingFields, varyNames, withVary } from "../../lib/http/vary.ts";

Deno.test("varyNames() reads names once, sorted, in lower case (RFC 9110 §12.5.5)", () => {
  const cases: [vary: string | null, names: readonly string[] | null][] = [
    [null, []],
    ["", []],
    ["Foo", ["foo"]],
    ["Foo, Bar ,foo", ["bar", "foo"]],
    ["*", null],
    ["*, *", null],
    [", *", null],
    ["*, Foo", null],
    ["Foo, *", null],
    ["Foo Bar", null],
    ["a:b", null],
    ["é", null],
    [
      Array.from({ length: 16 }, (_, index) => `f${index + 10}`).join(","),
      Array.from({ length: 16 }, (_, index) => `f${index + 10}`),
    ],
    [Array.from({ length: 17 }, (_, index) => `f${index + 10}`).join(","), null],
  ];
  for (const [vary, names] of cases) assert.deepEqual(varyNames(vary), names, String(vary));
});

Deno.test("normalizeSelecting() gives equal meanings equal texts (RFC 9111 §4.1)", () => {
  const equal: [name: string, left: string, right: string][] = [
    ["foo", "1, 2", "1,2"],
    ["foo", " 1, 2 ", "1,2"],
    ["foo", "1 ,\t2", "1,2"],
    ["accept-language", "en, de", "de, en"],
    ["accept-language", "en, de", "eN, De"],
    ["accept-language", "en, de", " en ,   de"],
    ["accept-language", "en;q=1.0, de;q=0.50", "de; Q=0.5 , en"],
    ["accept-encoding", "gzip, deflate, br", "br,gzip,deflate"],
    ["accept", "text/html, */*;q=0.8", "*/*;q=0.800,TEXT/html"],
    ["accept-language", "de, de", "de"],
  ];
  for (const [name, left, right] of equal) {
    assert.equal(normalizeSelecting(name, left), normalizeSelecting(name, right), `${name}: ${left} | ${right}`);
  }
});

Deno.test("normalizeSelecting() keeps apart what differs (RFC 9111 §4.1)", () => {
  const different: [name: string, left: string | null, right: string | null][] = [
    ["foo", "1", "2"],
    ["foo", "a", "A"],
    ["foo", "1, 2", "2, 1"],
    ["foo", "1 2", "12"],
    ["foo", '"1, 2"', '"1,2"'],
    ["foo", "1,,2", "1,2"],
    ["foo", null, ""],
    ["foo", null, "1"],
    ["user-agent", "A (b; c)", "A (b;c)"],
    ["accept-language", "en, de;q=0.5", "en;q=0.5, de"],
    ["accept-language", "en", "en;q=0"],
    ["accept-encoding", "gzip", "gzip;q=0"],
    ["accept", "text/html;level=1", "text/html"],
    ["accept", "text/html;charset=A", "text/html;charset=a"],
  ];
  for (const [name, left, right] of different) {
    assert.notEqual(normalizeSelecting(name, left), normalizeSelecting(name, right), `${name}: ${left} | ${right}`);
  }
});

Deno.test("normalizeSelecting() takes nothing malformed for something well formed, whose answer others would get", () => {
  const malformed = [
    "de;q=abc",
    "de;q=2",
    "de;q=",
    "de;q",
    "de;q=1;x",
    "de;;q=1",
    "de;q=0.5;q=1",
    '"de"',
    "de fr",
    "de;x",
    ";q=1",
    "dé",
  ];
  for (const value of malformed) {
    for (const plain of ["de", "de;q=0.5", "de,fr", "", "fr"]) {
      const name = "accept-language";
      assert.notEqual(normalizeSelecting(name, value), normalizeSelecting(name, plain), `${value} | ${plain}`);
    }
  }
});

Deno.test("normalizeSelecting() remembers values without mixing names or growing", () => {
  for (let index = 0; index < 5000; index++) {
    assert.equal(normalizeSelecting("x", `${index} , B`), `${index},B`);
    assert.equal(normalizeSelecting("accept-language", `${index} , B`), `${index},b`);
  }
  assert.equal(normalizeSelecting("a", "b:c"), "b:c");
  assert.equal(normalizeSelecting("a:b", "c"), "c");
});

Deno.test("selectingFields() tells an absent field from an empty one (RFC 9111 §4.1)", () => {
  const header = (name: string) => name === "foo" ? "" : name === "bar" ? "1 , 2" : null;
  assert.deepEqual(selectingFields(["bar", "baz", "foo"], header), [["bar", "1,2"], ["baz", null], ["foo", ""]]);
});

Deno.test("withVary() adds a name once, to all that several lines name, and leaves a list alone that has it", () => {
  const vary = (...given: string[]) => withVary(given.map((value) => ["vary", value]), "Accept-Encoding");
  assert.deepEqual(vary("Origin"), [["vary", "Origin, Accept-Encoding"]]);
  assert.deepEqual(vary("Origin", "DNT"), [["vary", "Origin, DNT, Accept-Encoding"]]);
  assert.deepEqual(vary("Origin", "accept-encoding"), [["vary", "Origin"], ["vary", "accept-encoding"]]);
  assert.deepEqual(vary("*"), [["vary", "*"]]);
  assert.deepEqual(vary(), [["vary", "Accept-Encoding"]]);
});
