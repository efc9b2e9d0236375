import assert from "node:assert/strict";
import { ORIGIN_TAG, originValidators } from "../../lib/cache/origin_tag.ts";
import { validationFields } from "../../lib/cache/reuse.ts";
import { sample } from "./stored_sample.ts";

const modified: [string, string] = ["last-modified", "Thu, 01 Jan 2026 00:00:00 GMT"];

Deno.test("originValidators() gives the origin's own tag where clients get another, and none where it gave none", () => {
  const date = modified[1];
  assert.deepEqual(originValidators([["etag", '"1"'], modified]), { etag: '"1"', lastModified: date });
  assert.deepEqual(originValidators([["etag", '"a"'], [ORIGIN_TAG, 'W/"1"'], modified]), {
    etag: 'W/"1"',
    lastModified: date,
  });
  assert.deepEqual(originValidators([["etag", '"a"'], [ORIGIN_TAG, ""]]), { etag: null, lastModified: null });
});

Deno.test("validationFields() asks the origin by its own tag alone", () => {
  const stored = sample("l\0\0/a", 1, { fields: [["etag", '"ours"'], [ORIGIN_TAG, 'W/"1.2"'], modified] });
  assert.deepEqual(validationFields(stored), [["if-none-match", 'W/"1.2"'], ["if-modified-since", modified[1]]]);
  assert.deepEqual(validationFields(sample("l\0\0/a", 1, { fields: [["etag", '"ours"'], [ORIGIN_TAG, ""]] })), []);
});
