import assert from "node:assert/strict";
import {
  ageMs,
  ageSeconds,
  originValidators,
  selects,
  ttlMs,
  ttlSeconds,
  validationFields,
} from "../../../lib/cache/policy/reuse.ts";
import { sample } from "../stored_sample.ts";
import { at, NOW_MS, request, store } from "./policy_case.ts";

Deno.test("ageMs() grows from the age it came with, and never backwards (RFC 9111 §4.2.3)", () => {
  const stored = store({ fields: [["cache-control", "max-age=60"], ["age", "30"]], delayMs: 500 });
  assert.equal(ageMs(stored, NOW_MS), 30_500);
  assert.equal(ageMs(stored, NOW_MS + 2000), 32_500);
  assert.equal(ageMs(stored, NOW_MS - 60_000), 30_500);
  assert.equal(ageSeconds(stored, NOW_MS + 2499), 32);
});

Deno.test("ttlMs() is what is left of the lifetime, below zero when stale (RFC 9211 §2.4)", () => {
  const stored = store({ fields: [["cache-control", "max-age=60"]] });
  assert.equal(ttlMs(stored, NOW_MS), 60_000);
  assert.equal(ttlSeconds(stored, NOW_MS + 1), 59);
  assert.equal(ttlSeconds(stored, NOW_MS + 60_000), 0);
  assert.equal(ttlSeconds(stored, NOW_MS + 60_001), -1);
});

Deno.test("selects() compares what Vary names, normalised (RFC 9111 §4.1)", () => {
  const fields: [string, string][] = [["cache-control", "max-age=60"], ["vary", "foo"]];
  const stored = store({ fields, request: request({ foo: "1,2" }) });
  assert.equal(selects(stored, request({ foo: " 1, 2 " })), true);
  assert.equal(selects(stored, request({ foo: "1, 3" })), false);
  assert.equal(selects(stored, request()), false);
  assert.equal(selects(store({ fields: [["cache-control", "max-age=60"]] }), request({ foo: "x" })), true);
});

Deno.test("validationFields() sends both validators as the origin wrote them (RFC 9111 §4.3.1)", () => {
  const lastModified = at(-3000);
  const withBoth = store({ fields: [["etag", 'W/"abcdef"'], ["last-modified", lastModified]] });
  assert.deepEqual(validationFields(withBoth), [["if-none-match", 'W/"abcdef"'], ["if-modified-since", lastModified]]);
  assert.deepEqual(validationFields(store({ fields: [["etag", "unquoted"]] })), [["if-none-match", "unquoted"]]);
  const broken = store({ fields: [["cache-control", "max-age=1"], ["last-modified", "yesterday"]] });
  assert.deepEqual(validationFields(broken), []);
});

const modified: [string, string] = ["last-modified", "Thu, 01 Jan 2026 00:00:00 GMT"];

function stored(etag: string, originTag?: string) {
  return sample("l\0\0/a", 1, { fields: [["etag", etag], modified], originTag });
}

Deno.test("originValidators() gives the origin's own tag where clients get another, and none where it gave none", () => {
  const lastModified = modified[1];
  assert.deepEqual(originValidators(stored('"1"')), { etag: '"1"', lastModified });
  assert.deepEqual(originValidators(stored('"a"', 'W/"1"')), { etag: 'W/"1"', lastModified });
  assert.deepEqual(originValidators(stored('"a"', "")), { etag: null, lastModified });
});

Deno.test("validationFields() asks the origin by its own tag alone", () => {
  const since = ["if-modified-since", modified[1]];
  assert.deepEqual(validationFields(stored('"ours"', 'W/"1.2"')), [["if-none-match", 'W/"1.2"'], since]);
  assert.deepEqual(validationFields(stored('"ours"', "")), [since]);
});
