import assert from "node:assert/strict";
import { tokenHash, tokenProblem } from "../../lib/config/client_token.ts";

Deno.test("tokenProblem() takes random tokens of plain characters, such as tools print", () => {
  for (let turn = 0; turn < 200; turn++) {
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
    const base64url = btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
    for (const token of [hex, base64url, crypto.randomUUID()]) assert.equal(tokenProblem(token), null, token);
  }
});

Deno.test("tokenProblem() refuses what is short, long, easily guessed, or needs escapes", () => {
  const bad: ReadonlyArray<readonly [token: string, problem: RegExp]> = [
    ["", /16 to 256/],
    ["0123456789abcde", /16 to 256/],
    ["0123456789abcdef".repeat(17), /16 to 256/],
    ["0123456789abcde/", /letters, digits/],
    ["0123456789abcde ", /letters, digits/],
    ["0123456789abcdé=", /letters, digits/],
    ["aaaaaaaaaaaaaaaaaaaa", /random/],
    ["ababababcdcdcdcd", /random/],
    ["changemechangeme", /random/],
    ["0123456701234567", /random/],
  ];
  for (const [token, problem] of bad) assert.match(tokenProblem(token) ?? "", problem, token);
});

Deno.test("tokenHash() is SHA-256 in hexadecimal", () => {
  assert.equal(tokenHash("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
});
