import assert from "node:assert/strict";
import type { Field } from "../../lib/http/fields.ts";
import { heldBytes, storedResponse } from "../../lib/cache/stored_response.ts";
import { store } from "./policy_case.ts";

Deno.test("storedResponse() says the length of the body it holds, once", () => {
  const parts = store({ fields: [["cache-control", "max-age=1"]] }, "12345");
  const fields: Field[] = [["a", "1"], ["content-length", "99"]];
  assert.deepEqual(storedResponse({ ...parts, fields }).fields, [["a", "1"], ["content-length", "5"]]);
  const empty = new Uint8Array();
  assert.deepEqual(storedResponse({ ...parts, fields, body: empty }).fields, [["a", "1"], ["content-length", "0"]]);
});

Deno.test("storedResponse() says no length where the status allows no content (RFC 9110 §8.6)", () => {
  const parts = store({ fields: [["cache-control", "max-age=1"]] }, "");
  assert.deepEqual(storedResponse({ ...parts, status: 204, fields: [["a", "1"]] }).fields, [["a", "1"]]);
});

Deno.test("heldBytes() counts body, fields and key", () => {
  const small = store({ fields: [["cache-control", "max-age=1"]] }, "");
  const large = storedResponse({ ...small, body: new Uint8Array(100_000) });
  const growth = heldBytes(large) - heldBytes(small);
  assert.ok(growth >= 100_000 && growth < 100_100);
  assert.ok(heldBytes({ ...small, fields: [...small.fields, ["x", "y".repeat(1000)]] }) - heldBytes(small) >= 2000);
});
