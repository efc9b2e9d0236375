import assert from "node:assert/strict";
import { explainRequest } from "../../lib/inspect/asked_url.ts";

const asked = (url: string, fields: Record<string, string> = {}) => explainRequest(url, "GET", new Headers(fields));

Deno.test("explainRequest() takes a path, or a URL with the port of its scheme", () => {
  assert.deepEqual(asked("/3/movie/550?a=1#frag"), {
    ...{ method: "GET", to: null, authority: null, target: "/3/movie/550?a=1", fields: [] },
  });
  const { to, authority, target } = asked("http://Host.example:6635//a%2fb");
  assert.deepEqual([to, authority, target], [{ hostname: "host.example", port: 6635 }, "host.example:6635", "//a%2fb"]);
  assert.deepEqual(asked("https://host.example").to, { hostname: "host.example", port: 443 });
  assert.equal(asked("http://host.example?x").target, "/?x");
  assert.deepEqual(asked("http://[::1]:80/").to, { hostname: "::1", port: 80 });
});

Deno.test("explainRequest() goes by a Host field where there is one, and escapes what no client sends", () => {
  const { authority, to, fields } = asked("http://127.0.0.1:6635/x", { host: "tmdb.example", accept: "*/*" });
  assert.deepEqual([authority, to?.hostname, fields], ["tmdb.example", "127.0.0.1", [["accept", "*/*"]]]);
  assert.equal(asked("/a b/ü?q=\u{1f600}").target, "/a%20b/%C3%BC?q=%F0%9F%98%80");
  assert.equal(asked("/\ud800").target, "/%EF%BF%BD");
});

Deno.test("explainRequest() says what it wants of anything else", () => {
  assert.throws(() => asked("api.example/3"), /did you mean http:\/\/api\.example\/3, or the path \/api\.example\/3/);
  assert.throws(() => asked("ftp://x/3"), /expected http:\/\/host:port\/path/);
  assert.throws(() => asked("http://me:secret@x/3"), (error: Error) => !error.message.includes("secret"));
  assert.throws(() => asked("http://:80/"), TypeError);
  assert.throws(() => asked("/3", { host: "a\x1b[31mb" }), /no host/);
  assert.throws(() => asked("y".repeat(5_000)), (error: Error) => error.message.length < 500);
});
