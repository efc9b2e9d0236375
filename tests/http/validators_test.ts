import assert from "node:assert/strict";
import { isStrongTag, listMatches, strongMatch, validatorsOf, weakMatch } from "../../lib/http/validators.ts";

Deno.test("weakMatch() and strongMatch() compare as the RFC's table does (RFC 9110 §8.8.3.2)", () => {
  const cases: [left: string, right: string, strong: boolean, weak: boolean][] = [
    ['W/"1"', 'W/"1"', false, true],
    ['W/"1"', 'W/"2"', false, false],
    ['W/"1"', '"1"', false, true],
    ['"1"', '"1"', true, true],
    ['"1"', '"2"', false, false],
    ['""', '""', true, true],
    ['"abcdefü"', '"abcdefü"', true, true],
    ["abcdef", "abcdef", false, true],
    ["abcdef", '"abcdef"', false, false],
    ['w/"a"', 'w/"a"', false, true],
    ['w/"a"', '"a"', false, false],
    ['"a"b"', '"a"b"', false, true],
    ["", "", false, false],
  ];
  for (const [left, right, strong, weak] of cases) {
    assert.equal(strongMatch(left, right), strong, `strong ${left} ${right}`);
    assert.equal(strongMatch(right, left), strong, `strong ${right} ${left}`);
    assert.equal(weakMatch(left, right), weak, `weak ${left} ${right}`);
    assert.equal(weakMatch(right, left), weak, `weak ${right} ${left}`);
  }
});

Deno.test("isStrongTag() wants quotes and no W/ (RFC 9110 §8.8.3)", () => {
  assert.equal(isStrongTag('"a"'), true);
  for (const text of ['W/"a"', "a", '"a', '"a b"', ""]) assert.equal(isStrongTag(text), false, text);
});

Deno.test("listMatches() finds a tag anywhere in a list (RFC 9110 §13.1.2)", () => {
  const cases: [list: string, etag: string | null, found: boolean][] = [
    ['"a"', '"a"', true],
    ['"a", "b", "c"', '"a"', true],
    ['"b", "a", "c"', '"a"', true],
    ['"b","c" , W/"a"', '"a"', true],
    ['"b,a"', '"a"', false],
    ['"a,b"', '"a,b"', true],
    ["*", '"a"', true],
    [" * ", null, true],
    ['"a"', null, false],
    ['"*"', '"a"', false],
    ["", '"a"', false],
  ];
  for (const [list, etag, found] of cases) assert.equal(listMatches(list, etag, weakMatch), found, `${list} | ${etag}`);
});

Deno.test("listMatches() compares a bounded number of tags", () => {
  assert.equal(listMatches('"x",'.repeat(100_000) + '"a"', '"a"', weakMatch), false);
});

Deno.test("validatorsOf() takes validators as sent, and no date that is none (RFC 9110 §8.8)", () => {
  const lastModified = "Sun, 06 Nov 1994 08:49:37 GMT";
  assert.deepEqual(validatorsOf([]), { etag: null, lastModified: null });
  assert.deepEqual(validatorsOf([["etag", "abc"], ["last-modified", lastModified]]), { etag: "abc", lastModified });
  assert.deepEqual(validatorsOf([["etag", ""], ["last-modified", "yesterday"]]), { etag: null, lastModified: null });
});
