import assert from "node:assert/strict";
import { classifyAuthorization, isReadToken, isUserQuery, tmdbKeyForm } from "../../lib/upstream_type/_credentials.ts";
import { readToken, tokenWith, userToken } from "./_requests.ts";

Deno.test("classifyAuthorization() tells applications from users", () => {
  const rows: Array<readonly [authorization: string | null, verdict: string]> = [
    [null, "none"],
    ["", "none"],
    [`Bearer ${readToken}`, "app"],
    [`bearer  ${readToken}`, "app"],
    [`Bearer ${userToken}`, "user"],
    [`Bearer ${readToken}, Bearer ${userToken}`, "other"],
    ["Bearer 0123456789abcdef", "user"],
    ["Bearer", "placeholder"],
    ["Basic YTpi", "other"],
    [readToken, "other"],
  ];
  for (const [authorization, verdict] of rows) {
    assert.equal(classifyAuthorization(authorization), verdict, String(authorization));
    assert.equal(classifyAuthorization(authorization), verdict, "remembered");
  }
});

Deno.test("classifyAuthorization() takes what stands in the place of a token for none, and nothing else", () => {
  const placeholders = ["null", "undefined", "None", "NaN", "x", "XXXX", "***", "...", "api_key", "TMDB_API_KEY"];
  placeholders.push("<token>", "<your access token>", "{token}", "{{ token }}", "${TOKEN}", "$TOKEN", "%TOKEN%");
  placeholders.push("your_api_key", "YOUR-ACCESS-TOKEN", "your access token here", "your.token.here", "YOURTOKEN");
  placeholders.push("<<access_token>>", "[token]", '"null"', "'null'", '""', "[object Object]", "xxx.xxx.xxx");
  placeholders.push("access_token", "TMDB_API_READ_ACCESS_TOKEN", "tmdb_token", "changeme", "replace-me", "eyJ...");
  placeholders.push("insert-token-here", "PUT_YOUR_TOKEN_HERE", "placeholder", "process.env.TOKEN", "Bearer null");
  for (const text of placeholders) {
    for (const field of [`Bearer ${text}`, `bearer   ${text} `, text]) {
      assert.equal(classifyAuthorization(field), "placeholder", field);
    }
  }
  const others = [
    "nullable",
    "token",
    "my-token",
    "alice",
    "xylophone",
    "<a",
    "0",
    "secret",
    "yours",
    "a<b>",
    "ey.b.c",
  ];
  for (const text of others) {
    assert.equal(classifyAuthorization(`Bearer ${text}`), "user", text);
  }
  assertQuick(`Bearer your ${"a-b c_".repeat(10_000)}!`);
  for (const letter of "{[<x-*$ ") assertQuick(`Bearer ${letter.repeat(60_000)}!`);
  assertQuick(`${"Bearer ".repeat(9_000)}!`);
  assertQuick(`Bearer put ${"here ".repeat(10_000)}!`);
  assertQuick(`Bearer${" ".repeat(60_000)}!`);
});

function assertQuick(authorization: string): void {
  assert.match(classifyAuthorization(authorization), /user|other/);
}

Deno.test("classifyAuthorization() stays right when more tokens come than it remembers", () => {
  for (let index = 0; index < 3000; index++) {
    const token = tokenWith({ aud: String(index), scopes: index % 2 === 0 ? ["api_read"] : ["api_write"] });
    assert.equal(classifyAuthorization(`Bearer ${token}`), index % 2 === 0 ? "app" : "user");
  }
});

Deno.test("isReadToken() takes exactly one scope, an audience, and nothing that is malformed or huge", () => {
  assert.ok(isReadToken(readToken));
  const bad = [
    userToken,
    tokenWith({ aud: "k", scopes: [] }),
    tokenWith({ aud: "k", scopes: ["api_read", "api_read"] }),
    tokenWith({ aud: "k", scopes: "api_read" }),
    tokenWith({ aud: "", scopes: ["api_read"] }),
    tokenWith({ aud: ["k"], scopes: ["api_read"] }),
    tokenWith({ scopes: ["api_read"] }),
    tokenWith({ aud: "k", scopes: ["api_read"], more: "x".repeat(5000) }),
    tokenWith(null),
    tokenWith("text"),
    "a.b.c",
    "a.!.c",
    `${readToken}.more`,
    "",
  ];
  for (const token of bad) assert.ok(!isReadToken(token), token.slice(0, 80));
  const longest = readToken + "x".repeat(4096 - readToken.length);
  assert.deepEqual([longest, `${longest}x`].map(isReadToken), [true, false]);
});

Deno.test("isUserQuery() finds users however the query spells them", () => {
  const users = [
    "session_id=1",
    "a=1&guest_session_id=2",
    "Session_Id=1",
    "a=1;session_id=2",
    "session_id[]=1",
    "s%65ssion%5Fid=1",
    "append_to_response=credits,account_states&session_id=1",
    "append_to_response=account_states;session_id=1",
    "append_to_response=account_states%26session_id=1",
    "append_to_response=account_states,session_id",
    "append_to_response[]=account_states",
    "append_to_response=my_account_states",
    "x=account_states",
    "request_token=0",
    "a=1;api_key=0",
    "q=1%26api_key=0",
  ];
  for (const query of users) assert.ok(isUserQuery(query), query);
  for (
    const query of [
      ...["", "api_key=0", "a=1&api_key=0&language=de", "append_to_response=credits,images", "query=session"],
      // Without a session these are nobody's.
      ...[
        "append_to_response=account_states",
        "api_key=0&append_to_response=credits,account_states,images&language=de",
      ],
      ...["append_to_response=credits%2Caccount%5fstates", "append_to_response=account_states%2cvideos"],
    ]
  ) {
    assert.ok(!isUserQuery(query), query);
  }
});

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
