import assert from "node:assert/strict";
import {
  formatListenAddress,
  isLoopback,
  overlaps,
  parseCidr,
  parseHostField,
  parseHostPattern,
  parseIpAddress,
  parseListenAddress,
  parseUpstreamUrl,
} from "../../lib/config/addresses.ts";
import { parseProxyUrl } from "../../lib/config/proxy_url.ts";
import { integer, seededRandom } from "../seeded_random.ts";

Deno.test("parseIpAddress() takes addresses in canonical form and nothing else", () => {
  const table: ReadonlyArray<readonly [string, string | null]> = [
    ["0.0.0.0", "0.0.0.0"],
    ["255.255.255.255", "255.255.255.255"],
    ["::", "::"],
    ["2001:DB8:0:0:0:0:0:1", "2001:db8::1"],
    ["[::1]", "::1"],
    ["::ffff:1.2.3.4", "::ffff:102:304"],
    ["256.0.0.1", null],
    ["1.2.3", null],
    ["1.2.3.4.", null],
    ["01.2.3.4", null],
    ["0x7f.0.0.1", null],
    ["2130706433", null],
    ["1:2", null],
    ["fe80::1%eth0", null],
    ["::1]/x", null],
    ["", null],
    ["localhost", null],
  ];
  for (const [text, expected] of table) assert.equal(parseIpAddress(text), expected, text);
});

Deno.test("parseCidr() refuses lengths out of range and bits behind the prefix", () => {
  const table: ReadonlyArray<readonly [string, string | null]> = [
    ["10.0.0.0/8", "10.0.0.0/8"],
    ["0.0.0.0/0", "0.0.0.0/0"],
    ["192.168.1.7", "192.168.1.7/32"],
    ["192.168.128.0/17", "192.168.128.0/17"],
    ["2001:db8::/32", "2001:db8::/32"],
    ["fc00::/7", "fc00::/7"],
    ["::1/128", "::1/128"],
    ["10.0.0.1/8", null],
    ["192.168.128.0/16", null],
    ["2001:db8::1/64", null],
    ["10.0.0.0/33", null],
    ["::/129", null],
    ["10.0.0.0/", null],
    ["10.0.0.0/08", null],
    ["10.0.0.0/8/8", null],
    ["any", null],
  ];
  for (const [text, expected] of table) assert.equal(parseCidr(text), expected, text);
});

Deno.test("parseListenAddress() takes the three forms", () => {
  assert.deepEqual(parseListenAddress("127.0.0.1:80"), { hostname: "127.0.0.1", port: 80 });
  assert.deepEqual(parseListenAddress(":80"), { hostname: "0.0.0.0", port: 80 });
  assert.deepEqual(parseListenAddress("[::]:80"), { hostname: "::", port: 80 });
  assert.deepEqual(parseListenAddress("localhost:0"), { hostname: "127.0.0.1", port: 0 });
  for (const text of ["80", "127.0.0.1", "::1:80", "a.example:80", ":65536", ":-1", ":", "[1.2.3.4]", "http://:80"]) {
    assert.equal(parseListenAddress(text), null, text);
  }
});

Deno.test("formatListenAddress() is read back as what it was (seeded)", () => {
  const random = seededRandom(2);
  for (let round = 0; round < 500; round++) {
    const groups = Array.from({ length: 8 }, () => integer(random, 2) * integer(random, 65_536));
    const isIpv6 = random() < 0.5;
    const hostname = isIpv6
      ? parseIpAddress(groups.map((group) => group.toString(16)).join(":"))
      : groups.slice(0, 4).map((group) => group % 256).join(".");
    const address = { hostname: hostname ?? "", port: integer(random, 65_536) };
    assert.deepEqual(parseListenAddress(formatListenAddress(address)), address);
  }
});

Deno.test("overlaps() knows the wildcards of both families", () => {
  const at = (text: string) => parseListenAddress(text) ?? assert.fail(text);
  const table: ReadonlyArray<readonly [string, string, boolean]> = [
    ["127.0.0.1:1", "127.0.0.1:1", true],
    ["127.0.0.1:1", "127.0.0.1:2", false],
    ["127.0.0.1:1", "127.0.0.2:1", false],
    ["0.0.0.0:1", "127.0.0.1:1", true],
    ["0.0.0.0:1", "[::1]:1", false],
    ["[::]:1", "[::1]:1", true],
    ["[::]:1", "0.0.0.0:1", true],
    ["127.0.0.1:0", "127.0.0.1:0", false],
  ];
  for (const [a, b, expected] of table) {
    assert.equal(overlaps(at(a), at(b)), expected, `${a} ${b}`);
    assert.equal(overlaps(at(b), at(a)), expected, `${b} ${a}`);
  }
});

Deno.test("isLoopback() is true of what only this machine can reach", () => {
  for (const hostname of ["127.0.0.1", "127.9.9.9", "::1"]) assert.ok(isLoopback({ hostname, port: 1 }), hostname);
  for (const hostname of ["0.0.0.0", "::", "10.0.0.1"]) assert.ok(!isLoopback({ hostname, port: 1 }), hostname);
});

Deno.test("parseHostPattern() takes names and one wildcard label, lower case, without a port", () => {
  assert.equal(parseHostPattern("Example.COM"), "example.com");
  assert.equal(parseHostPattern("*.example.com"), "*.example.com");
  assert.equal(parseHostPattern("bücher.example"), "xn--bcher-kva.example");
  for (const text of ["", "*", "*.*.example", "a*.example", "a.example:80", "a b", "a/b", "https://a", "a@b", "a%2e"]) {
    assert.equal(parseHostPattern(text), null, text);
  }
});

Deno.test("parseHostField() takes a port from 1 to 65535", () => {
  assert.equal(parseHostField("api.example"), "api.example");
  assert.equal(parseHostField("[::1]:8443"), "[::1]:8443");
  for (const text of ["", "a.example:0", "a.example:65536", "a.example:x", "a.example:", "a\r\nx: y"]) {
    assert.equal(parseHostField(text), null, text);
  }
});

Deno.test("parseUpstreamUrl() normalizes what it takes and says why it refuses", () => {
  assert.deepEqual(parseUpstreamUrl("https://API.Example:443/base//"), { url: "https://api.example/base" });
  assert.deepEqual(parseUpstreamUrl("http://127.0.0.1:8080"), { url: "http://127.0.0.1:8080" });
  const refused: ReadonlyArray<readonly [string, RegExp]> = [
    ["one.example", /such as https/],
    ["one.example:80/a", /such as https/],
    ["ftp://one.example", /http or https/],
    ["https://user:pw@one.example", /without credentials/],
    ["https://user@one.example", /without credentials/],
    ["https://one.example/?", /without a query/],
    ["https://one.example/#a", /without a fragment/],
    ["https://one.example:0", /port from 1/],
    ["https://one.example:65536", /port from 1/],
    ["https://one.example:99999999999/", /port from 1/],
    ["https://[::1", /such as https/],
    ["https://", /such as https/],
    ["https://one example", /without spaces/],
    ["https:\\\\one.example", /such as https/],
  ];
  for (const [text, expected] of refused) {
    const result = parseUpstreamUrl(text);
    assert.ok("expected" in result && expected.test(result.expected), `${text}: ${JSON.stringify(result)}`);
  }
});

Deno.test("overlaps() knows a unix socket by its path", () => {
  const socket = (path: string) => ({ path, mode: 0o660 });
  assert.equal(overlaps(socket("/a"), { path: "/a", mode: 0o600 }), true);
  assert.equal(overlaps(socket("/a"), socket("/b")), false);
  assert.equal(overlaps(socket("/a"), { hostname: "::", port: 80 }), false);
  assert.equal(overlaps({ hostname: "::", port: 80 }, socket("/a")), false);
});

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
