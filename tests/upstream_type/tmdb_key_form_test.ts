import assert from "node:assert/strict";
import { tmdbKeyForm } from "../../lib/upstream_type/tmdb_key_form.ts";

const KEY = "0123456789abcdef0123456789ABCDEF";

Deno.test("tmdbKeyForm takes 32 hex digits or three base64url parts", () => {
  for (const key of [KEY, "eyJhbGciOiJIUzI1NiJ9.eyJhdWQiOiIxIn0.c2ln_-bg"]) assert.ok(tmdbKeyForm.isKey(key), key);
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
    assert.ok(!tmdbKeyForm.isKey(key), key);
  }
});

Deno.test("tmdbKeyForm warns of a user's token, and of no application's", () => {
  const token = (claims: unknown) => `eyJhbGciOiJIUzI1NiJ9.${btoa(JSON.stringify(claims)).replaceAll("=", "")}.c2ln`;
  assert.match(
    tmdbKeyForm.warning(token({ aud: KEY, sub: "user", scopes: ["api_read", "api_write"] }))!,
    /may do more than read/,
  );
  for (const key of [token({ aud: KEY, scopes: ["api_read"] }), token({}), token(null), token(5), "eyJ.%.c", KEY, ""]) {
    assert.equal(tmdbKeyForm.warning(key), null, key);
  }
});
