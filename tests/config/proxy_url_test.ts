import assert from "node:assert/strict";
import { parseProxyUrl } from "../../lib/config/proxy_url.ts";

/** The URL as it is used, or what is wrong with it. */
function parsed(text: string): string {
  const result = parseProxyUrl(text);
  return "url" in result ? result.url : `expected ${result.expected}`;
}

Deno.test("parseProxyUrl() fills the port in and keeps credentials in one form of writing", () => {
  const cases: [text: string, url: string][] = [
    ["http://proxy.example", "http://proxy.example:80"],
    ["HTTPS://Proxy.example/", "https://proxy.example:443"],
    ["socks5://10.0.0.1", "socks5://10.0.0.1:1080"],
    ["socks5h://10.0.0.1:80", "socks5://10.0.0.1:80"],
    ["http://[::1]:3128", "http://[::1]:3128"],
    ["http://[::1]", "http://[::1]:80"],
    ["http://me@proxy.example:1", "http://me:@proxy.example:1"],
    ["http://me:a:b%2Fc@proxy.example:1", "http://me:a%3Ab%2Fc@proxy.example:1"],
    ["http://me:p@ss@proxy.example:1", "http://me:p%40ss@proxy.example:1"],
    ["socks5://jos%C3%A9:p@proxy.example", "socks5://jos%C3%A9:p@proxy.example:1080"],
  ];
  for (const [text, url] of cases) assert.equal(parsed(text), url, text);
});

Deno.test("parseProxyUrl() refuses what no proxy can be reached by", () => {
  const refused = [
    "",
    "proxy.example:3128",
    "ftp://proxy.example",
    "httph://proxy.example",
    "socks4://proxy.example",
    "http://",
    "http://:3128",
    "http://proxy.example:0",
    "http://proxy.example:65536",
    "http://proxy example",
    "http://proxy.example/path",
    "http://proxy.example?x",
    "http://proxy.example#x",
    "http://:secret@proxy.example",
    "http://a%3Ab:secret@proxy.example",
    "http://me:%zz@proxy.example",
    "http://me:%0D%0Ax@proxy.example",
    "socks5://me@proxy.example",
    `socks5://me:${"x".repeat(256)}@proxy.example`,
  ];
  for (const text of refused) {
    assert.match(parsed(text), /^expected/, text);
    assert.doesNotMatch(parsed(text), /secret/);
  }
});
