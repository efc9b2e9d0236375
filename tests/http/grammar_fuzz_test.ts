import assert from "node:assert/strict";
import { requestDirectives, responseDirectives } from "../../lib/http/cache_control.ts";
import { forwardedStatus } from "../../lib/http/cache_status.ts";
import { acceptsCoding, negotiateCoding } from "../../lib/http/content_coding.ts";
import { parseHttpDate } from "../../lib/http/http_date.ts";
import { parseWeighted, splitList } from "../../lib/http/list.ts";
import { parseRange } from "../../lib/http/ranges.ts";
import { parseDictionary } from "../../lib/http/structured_fields.ts";
import { surrogateDirectives, targetedDirectives } from "../../lib/http/targeted_cache_control.ts";
import { listMatches, strongMatch, weakMatch } from "../../lib/http/validators.ts";
import { normalizeSelecting, varyNames } from "../../lib/http/vary.ts";
import { assertLinear } from "../linear_time.ts";

/** Pieces that mean something somewhere, and some that mean nothing. */
// deno-fmt-ignore
const PIECES = [
  "max-age", "s-maxage", "no-store", "private", "no-cache", "=", "==", ",", ";", '"', "\\", "'", " ", "\t", "(", ")", ":", "@", "%", "?", "*",
  "-", "0", "1", "60", "99999999999999999999", "q=", "q=0.5", "bytes=", "gzip", "W/", "GMT", "Thu, 18 Aug 2050 02:01:18", "é", "\u0000", "\u0080", "\r\n",
];

/** A small generator with a fixed start, so that a failure can be repeated (mulberry32). */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = state + 0x6d2b79f5 | 0;
    let mixed = Math.imul(state ^ state >>> 15, 1 | state);
    mixed = mixed + Math.imul(mixed ^ mixed >>> 7, 61 | mixed) ^ mixed;
    return ((mixed ^ mixed >>> 14) >>> 0) / 4_294_967_296;
  };
}

function* hostileTexts(count: number): Generator<string> {
  const random = seeded(9111);
  for (let index = 0; index < count; index++) {
    const pieces = Array.from(
      { length: Math.floor(random() * 12) },
      () => PIECES[Math.floor(random() * PIECES.length)] ?? "",
    );
    yield pieces.join("");
  }
}

Deno.test("the grammar of fields takes any text without throwing, and keeps its promises about it", () => {
  for (const text of hostileTexts(20_000)) {
    const response = responseDirectives(text);
    for (const seconds of [response.maxAgeSeconds, response.sMaxageSeconds, response.staleIfErrorSeconds]) {
      assert.ok(seconds === null || seconds >= 0 && Number.isSafeInteger(seconds), text);
    }
    requestDirectives(text);
    parseDictionary(text);
    targetedDirectives(text);
    surrogateDirectives(text);
    varyNames(text);
    assert.equal(weakMatch(text, text), text !== "", text);
    if (strongMatch(text, text)) assert.ok(weakMatch(text, `W/${text}`), text);
    listMatches(text, text, weakMatch);
    const timeMs = parseHttpDate(text, 0);
    assert.ok(timeMs === null || Number.isSafeInteger(timeMs), text);
    assert.ok(splitList(text, 8).length <= 8, text);
    const { weight } = parseWeighted(text);
    assert.ok(weight >= 0 && weight <= 1, text);
    const coding = negotiateCoding(text, ["br", "gzip"]);
    assert.ok(coding === null || acceptsCoding(text, coding), text);
  }
});

Deno.test("the grammar of fields takes long runs of anything in linear time", () => {
  for (const piece of [...PIECES, "(", "a;", "a=", "a, ", '"\\', "a ", " a", ";q", "bytes=0-,", 'W/"']) {
    const long = (times: number) => piece.repeat(times * 3_000 / piece.length);
    assertLinear((times) => takeAll(long(times)), piece);
    assertLinear((times) => takeAll(`a${long(times)}a`), `a${piece}a`);
  }
});

/** Hands a text to everything that reads one. */
function takeAll(text: string): void {
  responseDirectives(text);
  requestDirectives(text);
  parseDictionary(text.slice(0, 16_000));
  targetedDirectives(text.slice(0, 16_000));
  surrogateDirectives(text);
  varyNames(text);
  listMatches(text, text, weakMatch);
  parseHttpDate(text, 0);
  negotiateCoding(text, ["gzip"]);
  normalizeSelecting("accept", text);
  normalizeSelecting("foo", text);
  parseRange(text, 100);
  parseRange(`bytes=${text}`, 100);
}

Deno.test("normalizeSelecting() is the same when done twice", () => {
  for (const text of hostileTexts(20_000)) {
    for (const name of ["accept-language", "foo"]) {
      const once = normalizeSelecting(name, text);
      assert.equal(normalizeSelecting(name, once), once, `${name}: ${JSON.stringify(text)}`);
    }
  }
});

Deno.test("parseRange() answers only ranges that exist", () => {
  for (const text of hostileTexts(20_000)) {
    for (const value of [text, `bytes=${text}`]) {
      const asked = parseRange(value, 100);
      if (asked.kind !== "ranges") continue;
      assert.ok(asked.ranges.length > 0, value);
      for (const { first, last } of asked.ranges) assert.ok(first >= 0 && first <= last && last < 100, value);
    }
  }
});

Deno.test("forwardedStatus() is one member whatever it is given (RFC 9211 §2)", () => {
  for (const text of hostileTexts(5000)) {
    const members = parseDictionary(forwardedStatus("usher", { fwd: "miss", key: text, detail: text }));
    assert.equal(members?.size, 1, JSON.stringify(text));
  }
});
