import assert from "node:assert/strict";
import { cleanApiKey } from "../../lib/config/api_key.ts";

const KEY = "0123456789abcdef0123456789ABCDEF";

Deno.test("cleanApiKey() takes white space and invisible characters away, wherever they are", () => {
  for (
    const text of [KEY, ` ${KEY}\n`, `\u200b${KEY}\ufeff`, KEY.replace("8", "\u00ad 8\u200d"), `\u2066${KEY}\u2069`]
  ) {
    assert.equal(cleanApiKey(text), KEY);
  }
  assert.equal(cleanApiKey("\u200b \n"), "");
});

Deno.test("cleanApiKey() takes away what stands before a key in examples", () => {
  for (const text of [`api_key=${KEY}`, `Bearer ${KEY}`, `\u200bbearer   ${KEY} `]) {
    assert.equal(cleanApiKey(text), KEY);
  }
});
