import assert from "node:assert/strict";
import { heldBytes, StoredHead, storedResponse } from "../../lib/cache/stored_response.ts";
import { encodeFieldLines, type Field, latin1Text } from "../../lib/http/fields.ts";
import { patterned, sample } from "./stored_sample.ts";

Deno.test("a stored response says the length of the body it holds, once", () => {
  const fields: Field[] = [["a", "1"], ["content-length", "99"]];
  assert.deepEqual(sample("k", 5, { fields }).fields, [["a", "1"], ["content-length", "5"]]);
  assert.deepEqual(sample("k", 0, { fields }).fields, [["a", "1"], ["content-length", "0"]]);
  assert.equal(sample("k", 5, { fields }).field("content-length"), "5");
});

Deno.test("a stored response says no length where the status allows no content (RFC 9110 §8.6)", () => {
  const empty = sample("k", 0, { status: 204, fields: [["a", "1"]] });
  assert.deepEqual(empty.fields, [["a", "1"]]);
  assert.equal(empty.field("content-length"), null);
});

Deno.test("a head says the length of the content where it is known", () => {
  const parts = sample("k", 0);
  assert.equal(StoredHead.of({ ...parts, fields: [] }).with({ lengthBytes: 7 }).field("content-length"), "7");
  assert.deepEqual(StoredHead.of({ ...parts, fields: [["a", "1"]], lengthBytes: null }).fields, [["a", "1"]]);
});

Deno.test("head holds the fields' lines as they were put in, and nothing else", () => {
  const fields: Field[] = [["a", "1"], ["b", ""], ["a", "ü \u00ff"], ["content-length", "9"]];
  for (const bytes of [0, 5, 20_000]) {
    const stored = sample("k", bytes, { fields });
    assert.equal(latin1Text(stored.head), "a: 1\r\nb: \r\na: ü \u00ff\r\n");
    assert.deepEqual(stored.body, patterned(bytes));
    assert.deepEqual([stored.field("a"), stored.field("b"), stored.field("c")], ["1, ü \u00ff", "", null]);
  }
});

Deno.test("withBody() puts a small body behind the head in one piece of memory, and leaves a large one where it is", () => {
  const head = StoredHead.of({ ...sample("k", 0), fields: [["a", "1"]] });
  const small = head.withBody(patterned(100));
  assert.equal(small.memory.byteLength, small.headBytes + 100);
  assert.equal(small.apart, null);
  const body = patterned(100_000);
  const large = head.withBody(body);
  assert.equal(large.body, body);
  assert.equal(large.memory.byteLength, large.headBytes);
  for (const stored of [small, large]) assert.equal(stored.withBody(stored.body), stored);
  assert.deepEqual([small.lengthBytes, large.lengthBytes], [100, 100_000]);
});

Deno.test("withBody() and owned() keep no buffer behind a view of it", () => {
  const buffer = new Uint8Array(1_000_000);
  for (const bytes of [10, 100_000]) {
    const view = buffer.subarray(5, 5 + bytes);
    for (const stored of [sample("k", 0).withBody(view), sample("k", 0).with({ body: view }).owned()]) {
      const held = new Set([stored.memory.byteLength, stored.body.buffer.byteLength]);
      assert.equal([...held].reduce((sum, length) => sum + length), stored.headBytes + bytes);
    }
  }
});

Deno.test("with() changes what it is told, shares the rest, and leaves its own as it was", () => {
  const stored = sample("k", 50, { fields: [["a", "1"]], tags: ["t"] });
  const stale = stored.with({ freshness: { ...stored.freshness, lifetimeMs: 1 } });
  assert.deepEqual([stale.freshness.lifetimeMs, stored.freshness.lifetimeMs], [1, 60_000]);
  assert.equal(stale.memory, stored.memory);
  const other = stored.with({ fields: [["b", "2"]], originTag: '"o"' });
  assert.deepEqual(other.fields, [["b", "2"], ["content-length", "50"]]);
  assert.equal(other.body.buffer, stored.body.buffer);
  assert.deepEqual([other.originTag, other.tags, stored.originTag], ['"o"', ["t"], null]);
  assert.deepEqual(stored.with({ body: patterned(3) }).fields, [["a", "1"], ["content-length", "3"]]);
});

Deno.test("a stored response is a plain response of the origin's unless something else is said", () => {
  const { kind, originTag, isUndated } = sample("k", 1);
  assert.deepEqual({ kind, originTag, isUndated }, { kind: "response", originTag: null, isUndated: false });
  for (const kind of ["marker", "index"] as const) {
    assert.deepEqual(sample("k", 5, { kind, fields: [] }).fields, [], "its length is no field");
  }
});

Deno.test("a stored response holds no list of fields", () => {
  const text = JSON.stringify({ ...sample("k", 1, { fields: [["x-one", "a value"]] }) });
  assert.ok(!text.includes("x-one") && !text.includes("a value"));
});

Deno.test("encodeFieldLines() lets no value end its line, and no name be none", () => {
  const fields: Field[] = [["a", "1\r\nevil: 1"], ["b\r\nc", "2"], ["d", "\u010a\u010d\0"], ["", "3"], ["e f", "4"]];
  assert.equal(latin1Text(encodeFieldLines(fields)), "a: 1  evil: 1\r\nd:    \r\n");
});

Deno.test("heldBytes() counts body, head, key and tags", () => {
  const small = heldBytes(sample("k", 0));
  assert.equal(heldBytes(sample("k", 100_000)) - small, 100_000);
  assert.equal(heldBytes(sample("k".repeat(101), 0)) - small, 100);
  const grown = heldBytes(sample("k", 0, { fields: [["content-type", "text/plain"], ["x", "y".repeat(1_000)]] })) -
    small;
  assert.equal(grown, 1_005);
  assert.ok(heldBytes(sample("k", 0, { tags: ["t".repeat(200)] })) - small > 200);
  assert.ok(heldBytes(storedResponse({ ...sample("k", 0), fields: [], body: patterned(0) })) > 300);
});
