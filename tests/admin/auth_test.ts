import assert from "node:assert/strict";
import { authorize } from "../../lib/admin/auth.ts";

const TOKEN = "correct horse".replace(" ", "-");

function request(headers: Record<string, string>): Request {
  return new Request("http://127.0.0.1:6636/status", { headers });
}

function statusFor(headers: Record<string, string>, token: string | null): number | null {
  return authorize(request(headers), token)?.status ?? null;
}

Deno.test("authorize() with a token lets in who carries it, whatever the host", () => {
  for (const authorization of [`Bearer ${TOKEN}`, `bearer ${TOKEN}`, `BEARER   ${TOKEN}`]) {
    assert.equal(statusFor({ authorization, host: "admin.example" }, TOKEN), null, authorization);
  }
});

Deno.test("authorize() with a token lets in nobody else", () => {
  const wrong = [
    "",
    TOKEN,
    "Bearer",
    "Bearer ",
    `Bearer ${TOKEN}x`,
    `Bearer ${TOKEN.slice(1)}`,
    `Bearer ${TOKEN.toUpperCase()}`,
    `Bearer ${TOKEN} ${TOKEN}`,
    `Basic ${TOKEN}`,
    `Bearer "${TOKEN}"`,
  ];
  for (const authorization of wrong) {
    assert.equal(statusFor({ authorization, host: "127.0.0.1" }, TOKEN), 401, authorization);
  }
  assert.equal(statusFor({ host: "127.0.0.1:6636" }, TOKEN), 401, "loopback alone is not enough");
});

Deno.test("authorize() without a token lets in requests to an address of this machine only", () => {
  const local = [
    "127.0.0.1",
    "127.0.0.1:6636",
    "localhost",
    "LOCALHOST:6636",
    "localhost.:6636",
    "[::1]",
    "[::1]:6636",
  ];
  for (const host of local) assert.equal(statusFor({ host }, null), null, host);
});

Deno.test("authorize() without a token refuses names of somebody else's (DNS rebinding), and no name", () => {
  const names = [
    "evil.example",
    "evil.example:6636",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "xlocalhost",
    "",
  ];
  for (const host of names) assert.equal(statusFor({ host }, null), 403, host);
  assert.equal(authorize(new Request("http://127.0.0.1/"), null)?.status, 403);
});

Deno.test("authorize() refuses what a page of another origin asks, token or not", () => {
  const host = "127.0.0.1:6636";
  const authorization = `Bearer ${TOKEN}`;
  const foreign = [
    "https://evil.example",
    "http://127.0.0.1:6635",
    "http://127.0.0.1",
    "http://localhost:6636",
    "null",
    "",
  ];
  for (const origin of foreign) {
    assert.equal(statusFor({ host, origin }, null), 403, origin);
    assert.equal(statusFor({ host, origin, authorization }, TOKEN), 403, origin);
  }
});

Deno.test("authorize() lets a page of its own origin ask", () => {
  assert.equal(statusFor({ host: "127.0.0.1:6636", origin: "http://127.0.0.1:6636" }, null), null);
  assert.equal(statusFor({ host: "LOCALHOST:6636", origin: "http://localhost:6636" }, null), null);
  const authorization = `Bearer ${TOKEN}`;
  assert.equal(statusFor({ host: "admin.example", origin: "https://admin.example", authorization }, TOKEN), null);
});

Deno.test("authorize() never says the token", () => {
  const refused: Record<string, string>[] = [{}, { authorization: "Bearer x" }, { origin: "https://evil.example" }];
  for (const headers of refused) {
    assert.ok(!authorize(request(headers), TOKEN)!.detail.includes(TOKEN));
  }
});

Deno.test("authorize() lets the process's own key open what the token opens, and only beside a token", () => {
  const key = "k".repeat(64);
  const statusWith = (carried: string, token: string | null) =>
    authorize(request({ authorization: `Bearer ${carried}`, host: "admin.example" }), token, key)?.status ?? null;
  assert.equal(statusWith(key, TOKEN), null);
  assert.equal(statusWith(TOKEN, TOKEN), null);
  assert.equal(statusWith(key.slice(1), TOKEN), 401);
  assert.equal(statusWith("", TOKEN), 401);
  // Without a token the host has to be local, whoever asks.
  assert.equal(statusWith(key, null), 403);
  const forged = { authorization: `Bearer ${key}`, host: "a.example", origin: "http://b.example" };
  assert.equal(authorize(request(forged), TOKEN, key)?.status, 403);
});
