import assert from "node:assert/strict";
import { endToEndFields, type Field, fieldValue } from "../../lib/http/fields.ts";

Deno.test("fieldValue() joins repeated lines in their order (RFC 9110 §5.3)", () => {
  const fields: Field[] = [["a", "1"], ["b", ""], ["a", "2"], ["a", ""]];
  assert.equal(fieldValue(fields, "a"), "1, 2, ");
  assert.equal(fieldValue(fields, "b"), "");
  assert.equal(fieldValue(fields, "c"), null);
});

Deno.test("endToEndFields() leaves out what belongs to the connection (RFC 9110 §7.6.1)", () => {
  const hopByHop = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authentication-info",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "http2-settings",
  ];
  const fields = [...hopByHop, "content-length", "cookie"].map((name): Field => [name, "x"]);
  assert.deepEqual(endToEndFields(fields, null).map(([name]) => name), ["content-length", "cookie"]);
});

Deno.test("endToEndFields() leaves out what Connection names, in any case, and no more (RFC 9110 §7.6.1)", () => {
  const fields: Field[] = [["a", "1"], ["b", "2"], ["close", "3"], ["c", "4"], ["a", "5"]];
  assert.deepEqual(endToEndFields(fields, "close, A ,,B"), [["close", "3"], ["c", "4"]]);
  assert.deepEqual(endToEndFields(fields, ""), fields);
  assert.notEqual(endToEndFields(fields, null), fields, "a copy");
});
