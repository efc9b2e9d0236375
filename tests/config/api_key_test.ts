import assert from "node:assert/strict";
import { cleanApiKey, isApiKey, isUserToken } from "../../lib/config/api_keys.ts";

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

Deno.test("isApiKey() takes 32 hex digits or three base64url parts", () => {
  for (const key of [KEY, "eyJhbGciOiJIUzI1NiJ9.eyJhdWQiOiIxIn0.c2ln_-bg"]) assert.ok(isApiKey(key), key);
  for (
    const key of [
      "",
      KEY.slice(1),
      `${KEY}0`,
      KEY.replace("0", "g"),
      "a.b",
      "a.b.c",
      "api.themoviedb.org",
      "a.b.c.d",
      "a..c",
      "a.b+.c",
    ]
  ) {
    assert.ok(!isApiKey(key), key);
  }
});

Deno.test("isUserToken() tells a user's token from an application's", () => {
  const token = (claims: unknown) => `eyJhbGciOiJIUzI1NiJ9.${btoa(JSON.stringify(claims)).replaceAll("=", "")}.c2ln`;
  assert.ok(isUserToken(token({ aud: KEY, sub: "user", scopes: ["api_read", "api_write"] })));
  for (const key of [token({ aud: KEY, scopes: ["api_read"] }), token({}), token(null), token(5), "eyJ.%.c", KEY, ""]) {
    assert.ok(!isUserToken(key), key);
  }
});
