import assert from "node:assert/strict";
import { Hono } from "hono";
import { adminApp } from "../../routes/admin.ts";
import { plainView } from "./plain_view.ts";

const CLOSED = { tokens: [{ name: "admin", token: "t0ken-0123456789", role: "operate" as const }] };

Deno.test("adminApp() shows the page to everyone, under a policy that runs and loads nothing else, and keeps all data behind the token", async () => {
  const app = adminApp(plainView(CLOSED));
  const shell = await app.request("/");
  assert.equal(shell.status, 200);
  const text = await shell.text();
  assert.match(text, /data-access="token"/);
  const policy = shell.headers.get("content-security-policy")!;
  assert.match(policy, /default-src 'none'; script-src 'self'; style-src 'self'/);
  assert.doesNotMatch(policy, /unsafe|\*|data:|https?:/);
  assert.match(policy, /frame-ancestors 'none'.*require-trusted-types-for 'script'/);
  // Nothing in the document itself that the policy would have to allow, and nothing from elsewhere.
  assert.doesNotMatch(text, /<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc="\/page\/)|https?:/);
  const named = [...text.matchAll(/(?:src|href)="([^"]+)"/g)].map((match) => match[1]!);
  assert.ok(named.length > 15);
  for (const path of named) {
    const asset = await app.request(path);
    assert.equal(asset.status, 200, path);
    assert.equal(asset.headers.get("x-content-type-options"), "nosniff");
    const source = await asset.text();
    if (path !== "/page/preact.js") {
      assert.doesNotMatch(source, /innerHTML|outerHTML|InnerHTML|document\.write|\beval\(/);
    }
  }
  for (const path of ["/page/../admin.ts", "/page/none.js", "/page/__proto__"]) {
    assert.notEqual((await app.request(path)).status, 200, path);
  }
  assert.equal((await app.request("/api/v1/events")).status, 401);
});

Deno.test("adminApp() sends the page compressed where that is taken, and not again where it is the same", async () => {
  const app = adminApp(plainView());
  assert.match(await (await app.request("/")).text(), /data-access="open"/);
  const plain = await app.request("/page/uplot.js");
  const packed = await app.request("/page/uplot.js", { headers: { "accept-encoding": "br, gzip" } });
  assert.equal(plain.headers.get("content-encoding"), null);
  assert.equal(packed.headers.get("content-encoding"), "gzip");
  const stream = packed.body!.pipeThrough(new DecompressionStream("gzip"));
  assert.equal(await new Response(stream).text(), await plain.text());
  const etag = packed.headers.get("etag")!;
  assert.notEqual(etag, plain.headers.get("etag"));
  const again = await app.request("/page/uplot.js", { headers: { "accept-encoding": "gzip", "if-none-match": etag } });
  assert.equal(again.status, 304);
});

Deno.test("adminApp() serves what a program brings beside it: files for everyone, routes for who may use the admin surface", async () => {
  const routes = new Hono().get("/mine", (context) => context.text("mine"));
  const app = adminApp(plainView(CLOSED), { routes, files: { "mine.js": "export {};", "mine.css": "p {}" } });
  const shell = await (await app.request("/")).text();
  assert.match(shell, /<script type="module" src="\/page\/mine\.js">/);
  assert.match(shell, /<link rel="stylesheet" href="\/page\/mine\.css">/);
  assert.equal(await (await app.request("/page/mine.js")).text(), "export {};");
  assert.equal((await app.request("/mine")).status, 401);
  const headers = { authorization: "Bearer t0ken-0123456789" };
  assert.equal(await (await app.request("/mine", { headers })).text(), "mine");
});
