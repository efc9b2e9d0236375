import assert from "node:assert/strict";
import {
  authorityOf,
  parseEgressProxy,
  proxyAuthorization,
  proxyFailure,
} from "../../lib/upstream_client/_egress_proxy.ts";

Deno.test("parseEgressProxy() takes a URL apart and keeps the credentials out of the label", () => {
  const proxy = parseEgressProxy(new URL("socks5://jos%C3%A9:p%40ss%3A@proxy.example:1080"));
  assert.deepEqual(proxy, {
    scheme: "socks5",
    host: "proxy.example",
    port: 1080,
    credentials: { user: "josé", password: "p@ss:" },
    label: "socks5://proxy.example:1080",
  });
  assert.equal(parseEgressProxy(new URL("http://[::1]:3128")).host, "::1");
  assert.deepEqual(
    ["http://x", "https://x", "socks5://x", "socks5h://x"].map((url) => parseEgressProxy(new URL(url)).port),
    [80, 443, 1080, 1080],
  );
  assert.throws(() => parseEgressProxy(new URL("ftp://x")), RangeError);
});

Deno.test("authorityOf() writes brackets around IPv6 addresses", () => {
  assert.equal(authorityOf({ host: "a.example", port: 443 }), "a.example:443");
  assert.equal(authorityOf({ host: "2001:db8::1", port: 80 }), "[2001:db8::1]:80");
});

Deno.test("proxyAuthorization() is Basic with UTF-8, and failures say the proxy without it", () => {
  const proxy = parseEgressProxy(new URL("http://test:123%C2%A3@proxy.example:3128"));
  assert.equal(proxyAuthorization(proxy), "Basic dGVzdDoxMjPCow==");
  assert.equal(proxyAuthorization(parseEgressProxy(new URL("http://proxy.example"))), null);
  const failure = proxyFailure(proxy, "refused");
  assert.equal(failure.message, "Cannot connect: proxy http://proxy.example:3128: refused");
  assert.deepEqual([failure.kind, failure.requestSent], ["proxy", false]);
});
