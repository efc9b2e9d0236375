import assert from "node:assert/strict";
import { cameByHttps, httpsRedirect } from "../../lib/server/https_redirect.ts";
import { requestArrival } from "../../lib/server/fetch_adapter.ts";

function arrival(target: string, headers: Record<string, string> = {}, method = "GET") {
  const connection = { peer: "192.0.2.1", scheme: "http" } as const;
  const arrived = requestArrival(new Request("http://made.up/", { method, headers }), { connection });
  return Object.assign({}, { ...arrived, method, target, connection, fields: arrived.fields }) as typeof arrived;
}

Deno.test("httpsRedirect() keeps host, path and query as they were sent, and the method of what may have content", () => {
  const location = (target: string, host: string, port = 443, method = "GET") => {
    const reply = httpsRedirect(arrival(target, { host }, method), port);
    return reply === null ? null : `${reply.status} ${reply.lines.trimEnd()}`;
  };
  assert.equal(location("/a%2fb//c?q='<", "one.example:80"), "301 Location: https://one.example/a%2fb//c?q='<");
  assert.equal(location("/", "one.example", 6643), "301 Location: https://one.example:6643/");
  assert.equal(location("/", "[2001:db8::1]:80", 443, "POST"), "308 Location: https://[2001:db8::1]/");
  assert.equal(location("http://two.example/x", "one.example"), "301 Location: https://two.example/x");
  assert.equal(location("/", "a!b;c"), "301 Location: https://a!b;c/");
  for (const host of ["", "a b", "a@b", "a/b", 'a"b']) assert.equal(location("/", host), null, host);
  assert.equal(location("*", "one.example"), null);
});

Deno.test("cameByHttps() believes the first proxy that says so", () => {
  assert.equal(cameByHttps(arrival("/", { "x-forwarded-proto": "https" })), true);
  assert.equal(cameByHttps(arrival("/", { "x-forwarded-proto": "https, http" })), true);
  assert.equal(cameByHttps(arrival("/", { "x-forwarded-proto": "http" })), false);
  assert.equal(cameByHttps(arrival("/", { forwarded: 'for=192.0.2.1;proto="https", proto=http' })), true);
  assert.equal(cameByHttps(arrival("/", { forwarded: "for=192.0.2.1" })), false);
  assert.equal(cameByHttps(arrival("/")), false);
});
