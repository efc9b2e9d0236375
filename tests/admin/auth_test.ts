import assert from "node:assert/strict";
import { authenticate, type Caller, type Refusal } from "../../lib/admin/auth.ts";

const KEY = "k".repeat(64);

function authorize(request: Request, token: string | null, remote = "127.0.0.1"): Caller | Refusal {
  const tokens = token === null ? [] : [{ name: "admin", token, role: "operate" as const }];
  return authenticate(request, remote, { tokens, key: KEY });
}

function refusalOf(answer: Caller | Refusal): Refusal | null {
  return "status" in answer ? answer : null;
}

const TOKEN = "correct horse".replace(" ", "-");

function request(headers: Record<string, string>): Request {
  return new Request("http://127.0.0.1:6636/status", { headers });
}

function statusFor(headers: Record<string, string>, token: string | null): number | null {
  return refusalOf(authorize(request(headers), token))?.status ?? null;
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
  assert.equal(refusalOf(authorize(new Request("http://127.0.0.1/"), null))?.status, 403);
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
    assert.ok(!refusalOf(authorize(request(headers), TOKEN))!.detail.includes(TOKEN));
  }
});

Deno.test("authorize() lets the process's own key open what the token opens, and only beside a token", () => {
  const statusWith = (carried: string, token: string | null) =>
    refusalOf(authorize(request({ authorization: `Bearer ${carried}`, host: "admin.example" }), token))?.status ?? null;
  assert.equal(statusWith(KEY, TOKEN), null);
  assert.equal(statusWith(TOKEN, TOKEN), null);
  assert.equal(statusWith(KEY.slice(1), TOKEN), 401);
  assert.equal(statusWith("", TOKEN), 401);
  // Without a token the host has to be local, whoever asks.
  assert.equal(statusWith(KEY, null), 403);
  const forged = { authorization: `Bearer ${KEY}`, host: "a.example", origin: "http://b.example" };
  assert.equal(refusalOf(authorize(request(forged), TOKEN))?.status, 403);
});

Deno.test("authenticate() without a token serves connections of this machine alone, whatever they say", () => {
  const local = { host: "127.0.0.1:6636" };
  for (const remote of ["127.0.0.1", "127.8.0.1", "::1", "::ffff:127.0.0.1"]) {
    assert.deepEqual(authorize(request(local), null, remote), { actor: remote, role: "operate", by: "machine" });
  }
  for (const remote of ["192.0.2.1", "::ffff:192.0.2.1", "::", "fe80::1", "1270.0.0.1", "unknown", ""]) {
    assert.equal(refusalOf(authorize(request(local), null, remote))?.status, 403, remote);
  }
});

Deno.test("authenticate() refuses all but a link that another site's page causes, also where no Origin says so", () => {
  const asked = (method: string, site: string, mode = "no-cors") =>
    new Request("http://127.0.0.1/", {
      method,
      headers: { host: "127.0.0.1", "sec-fetch-site": site, "sec-fetch-mode": mode, authorization: `Bearer ${TOKEN}` },
    });
  for (const token of [null, TOKEN]) {
    for (const method of ["POST", "PUT", "DELETE", "PATCH"]) {
      for (const site of ["cross-site", "same-site", "Cross-Site"]) {
        assert.equal(refusalOf(authorize(asked(method, site), token))?.status, 403, `${method} ${site}`);
      }
      for (const site of ["same-origin", "none"]) assert.equal(refusalOf(authorize(asked(method, site), token)), null);
    }
    assert.equal(refusalOf(authorize(asked("GET", "cross-site"), token))?.status, 403);
    assert.equal(refusalOf(authorize(asked("POST", "cross-site", "navigate"), token))?.status, 403);
    assert.equal(refusalOf(authorize(asked("GET", "cross-site", "navigate"), token)), null);
  }
});

Deno.test("authenticate() names the token, never its text, and gives its role", () => {
  const tokens = [
    { name: "admin", token: TOKEN, role: "operate" as const },
    { name: "grafana", token: "scrape-0123456789", role: "metrics" as const },
  ];
  const answer = (token: string) =>
    authenticate(request({ authorization: `Bearer ${token}` }), "192.0.2.7", { tokens, key: KEY });
  assert.deepEqual(answer(TOKEN), { actor: "192.0.2.7 (token admin)", role: "operate", by: "token" });
  assert.deepEqual(answer("scrape-0123456789"), { actor: "192.0.2.7 (token grafana)", role: "metrics", by: "token" });
  assert.deepEqual(answer(KEY), { actor: "192.0.2.7 (command on this machine)", role: "operate", by: "key" });
});
