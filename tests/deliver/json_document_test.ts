import assert from "node:assert/strict";
import { gzipSync } from "node:zlib";
import type { Fields } from "../../lib/http/fields.ts";
import { isDocument, MAX_DOCUMENT_BYTES, plainBody, withoutContentFields } from "../../lib/deliver/change_document.ts";

const json: Fields = [["content-type", "application/json;charset=utf-8"]];

Deno.test("isDocument() takes JSON of a good size that can be read", () => {
  const of = (more: Fields, status = 200, length: number | null = 10) =>
    isDocument({ status, fields: [...json, ...more] }, length);
  assert.equal(of([]), true);
  assert.equal(of([], 200, null), true);
  assert.equal(of([["content-encoding", "GZip"]]), true);
  assert.equal(of([["content-encoding", "br"]]), false);
  assert.equal(of([], 206), false);
  assert.equal(of([], 200, MAX_DOCUMENT_BYTES + 1), false);
  assert.equal(isDocument({ status: 200, fields: [["content-type", "text/html"]] }, 10), false);
});

Deno.test("withoutContentFields() leaves nothing that describes the bytes", () => {
  const fields: Fields = [["etag", '"1"'], ["content-length", "3"], ["accept-ranges", "bytes"], ["last-modified", "x"]];
  assert.deepEqual(withoutContentFields([...fields, ...json]), json);
});

Deno.test("plainBody() decodes gzip, within bounds, and nothing else", () => {
  const of = (coding: string | null, body: Uint8Array<ArrayBuffer>) => {
    const fields: Fields = coding === null ? [] : [["content-encoding", coding]];
    return plainBody({ fields, body });
  };
  const text = new TextEncoder().encode("{}");
  assert.equal(of(null, text), text);
  assert.equal(of("identity", text), text);
  assert.deepEqual(of("gzip", new Uint8Array(gzipSync(text))), text);
  assert.equal(of("gzip", text), null);
  assert.equal(of("gzip", new Uint8Array(gzipSync(new Uint8Array(MAX_DOCUMENT_BYTES + 1)))), null);
});
