import assert from "node:assert/strict";
import { originValidators } from "../../../lib/cache/policy/origin_tag.ts";
import { validationFields } from "../../../lib/cache/policy/reuse.ts";
import { sample } from "../stored_sample.ts";

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
