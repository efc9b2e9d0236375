import assert from "node:assert/strict";
import {
  addressMatcher,
  type ForwardingFacts,
  forwardingFields,
  plainAddress,
  toldApart,
} from "../../lib/http/forwarded.ts";
import { speaksForProxy } from "../../lib/forwarded_fields.ts";
import { seededRandom } from "../seeded_random.ts";

function facts(over: Partial<ForwardingFacts> & { sent?: Record<string, string> } = {}): ForwardingFacts {
  const { sent = {}, ...rest } = over;
  return {
    peer: "192.0.2.7",
    authority: "api.example:6635",
    scheme: "http",
    trusted: false,
    header: (name) => sent[name] ?? null,
    ...rest,
  };
}

const HOSTILE = {
  "x-forwarded-for": "127.0.0.1, 10.0.0.1",
  "x-forwarded-host": "evil.example",
  "x-forwarded-proto": "https",
  "forwarded": 'for=127.0.0.1;host="evil.example"',
};

Deno.test("addressMatcher() knows IPv4 in every spelling of IPv4-mapped IPv6", () => {
  const matches = addressMatcher(["10.0.0.0/8"]);
  const same = ["10.1.2.3", "::ffff:10.1.2.3", "::FFFF:10.1.2.3", "::ffff:a01:203", "0:0:0:0:0:ffff:10.1.2.3"];
  for (const address of same) assert.equal(matches(address), true, address);
  for (const address of ["11.1.2.3", "::ffff:11.1.2.3", "::10.1.2.3", "::a01:203"]) {
    assert.equal(matches(address), false, address);
  }
});

Deno.test("addressMatcher() knows peers on unix sockets only where they are named", () => {
  assert.equal(addressMatcher(["unix"])("unix"), true);
  assert.equal(addressMatcher(["10.0.0.0/8", "unix"])("10.1.1.1"), true);
  assert.equal(addressMatcher(["0.0.0.0/0", "::/0"])("unix"), false);
  assert.equal(addressMatcher(["unix"])("127.0.0.1"), false);
});

Deno.test("addressMatcher() knows IPv6 blocks, single addresses, and both families side by side", () => {
  const matches = addressMatcher(["2001:db8::/32", "::1", "192.0.2.1", "198.51.100.128/25"]);
  for (const address of ["2001:db8::5", "2001:DB8:ffff::", "::1", "0:0:0:0:0:0:0:1", "192.0.2.1", "198.51.100.200"]) {
    assert.equal(matches(address), true, address);
  }
  for (const address of ["2001:db9::", "::2", "192.0.2.2", "198.51.100.127"]) {
    assert.equal(matches(address), false, address);
  }
});

Deno.test("addressMatcher() holds nothing that is no address for one", () => {
  const everything = addressMatcher(["0.0.0.0/0", "::/0"]);
  const texts = [
    "",
    "unknown",
    "_hidden",
    "10.1.2",
    "10.1.2.3:80",
    "[::1]",
    "010.1.2.3",
    "10.1.2.3 ",
    "10.1.2.3\n",
    "1.2.3.4.5",
    "g::1",
  ];
  for (const text of texts) assert.equal(everything(text), false, JSON.stringify(text));
  assert.equal(addressMatcher([])("127.0.0.1"), false);
});

Deno.test("addressMatcher() refuses a block that is not address/bits: none may widen to all addresses", () => {
  const bad = [
    "",
    "10.0.0.0/",
    "10.0.0.0/33",
    "10.0.0.0/-1",
    "10.0.0.0/8/9",
    "10.0.0.0/1e1",
    "10.0.0.0/ 8",
    "10.0.0/8",
    "::/129",
    "localhost",
    "*",
    "/8",
  ];
  for (const block of bad) assert.throws(() => addressMatcher([block]), RangeError, block);
});

Deno.test("addressMatcher() agrees with arithmetic on random IPv4 blocks", () => {
  const random = seededRandom(4632);
  const text = (value: number) => [24, 16, 8, 0].map((shift) => (value >>> shift) & 255).join(".");
  for (let run = 0; run < 500; run++) {
    const bits = Math.floor(random() * 33);
    const mask = bits === 0 ? 0 : (0xffffffff << (32 - bits)) >>> 0;
    const network = ((random() * 2 ** 32) & mask) >>> 0;
    const matches = addressMatcher([`${text(network)}/${bits}`]);
    for (const near of [network, (network | ~mask) >>> 0, (network - 1) >>> 0, (network + (~mask >>> 0) + 1) >>> 0]) {
      const expected = ((near & mask) >>> 0) === network;
      assert.equal(matches(text(near)), expected, `${text(near)} in ${text(network)}/${bits}`);
      assert.equal(matches(`::ffff:${text(near)}`), expected, `mapped ${text(near)} in ${text(network)}/${bits}`);
    }
  }
});

Deno.test("forwardingFields() says nothing of what an untrusted peer claims", () => {
  const fields = forwardingFields("both", facts({ sent: HOSTILE }));
  assert.deepEqual(fields, [
    ["x-forwarded-for", "192.0.2.7"],
    ["x-forwarded-host", "api.example:6635"],
    ["x-forwarded-proto", "http"],
    ["forwarded", 'for=192.0.2.7;host="api.example:6635";proto=http'],
  ]);
});

Deno.test("forwardingFields() adds to what a trusted peer says", () => {
  const sent = {
    "x-forwarded-for": "203.0.113.9",
    "x-forwarded-host": "public.example",
    "x-forwarded-proto": "https",
    "forwarded": "for=203.0.113.9;proto=https",
  };
  assert.deepEqual(forwardingFields("both", facts({ trusted: true, sent })), [
    ["x-forwarded-for", "203.0.113.9, 192.0.2.7"],
    ["x-forwarded-host", "public.example"],
    ["x-forwarded-proto", "https"],
    ["forwarded", 'for=203.0.113.9;proto=https, for=192.0.2.7;host="api.example:6635";proto=http'],
  ]);
});

Deno.test("forwardingFields() tells a trusted peer's own address where it says nothing", () => {
  assert.deepEqual(forwardingFields("x-forwarded", facts({ trusted: true })), forwardingFields("x-forwarded", facts()));
});

Deno.test("forwardingFields() quotes IPv6 in Forwarded and leaves it bare in X-Forwarded-For (RFC 7239 §6)", () => {
  const peer = "2001:db8::1";
  assert.deepEqual(forwardingFields("forwarded", facts({ peer }))[0]![1].split(";")[0], 'for="[2001:db8::1]"');
  assert.deepEqual(forwardingFields("x-forwarded", facts({ peer }))[0], ["x-forwarded-for", peer]);
});

Deno.test("forwardingFields() follows the policy, and names only fields that are removed from requests", () => {
  assert.deepEqual(forwardingFields("off", facts({ trusted: true, sent: HOSTILE })), []);
  assert.deepEqual(forwardingFields("forwarded", facts()).map(([name]) => name), ["forwarded"]);
  for (const [name] of forwardingFields("both", facts())) assert.ok(speaksForProxy(name), name);
});

Deno.test("toldApart() tells apart whatever scheme and host an upstream is told, and nobody's address", () => {
  const of = (
    sent: Record<string, string>,
    more: { policy?: "forwarded" | "off" | "both"; trusted?: boolean } = {},
  ) => {
    const { policy = "x-forwarded", trusted = true } = more;
    return toldApart(policy, { ...facts({ sent }), isTrusted: () => trusted });
  };
  assert.equal(of({}), "");
  assert.equal(of({ "x-forwarded-for": "203.0.113.9" }), "");
  assert.equal(of({ "x-forwarded-proto": "http", "x-forwarded-host": "api.example:6635" }), "");
  const told = [
    of({ "x-forwarded-proto": "https" }),
    of({ "x-forwarded-host": "other.example" }),
    of({ "x-forwarded-proto": "https", "x-forwarded-host": "other.example" }),
  ];
  assert.equal(new Set([...told, ""]).size, 4);
  assert.equal(of({ "x-forwarded-proto": "https" }, { trusted: false }), "");
  assert.equal(of({ "x-forwarded-proto": "https", forwarded: "proto=https" }, { policy: "off" }), "");
  assert.equal(of({ forwarded: "proto=https" }), "");
  const chained = (forwarded: string) => of({ forwarded }, { policy: "forwarded" });
  assert.equal(
    chained('for=203.0.113.9;proto=https, for="[2001:db8::1]"'),
    chained("for=198.51.100.1;proto=https, for=x"),
  );
  assert.notEqual(chained("for=a;proto=https"), chained("for=a;proto=http"));
  assert.equal(chained("for=203.0.113.9, for=198.51.100.1"), "");
  assert.equal(toldApart("x-forwarded", { ...facts({ scheme: "https" }), isTrusted: () => false }), " https");
});

Deno.test("plainAddress() gives one spelling: no IPv6 form of IPv4, no brackets, no port", () => {
  const same = [
    "192.0.2.1",
    "::ffff:192.0.2.1",
    "::FFFF:192.0.2.1",
    "::ffff:c000:201",
    "0:0:0:0:0:ffff:192.0.2.1",
    "0000:0000:0000:0000:0000:ffff:c000:0201",
    "[::ffff:192.0.2.1]:80",
    "192.0.2.1:4711",
  ];
  for (const address of same) assert.equal(plainAddress(address), "192.0.2.1", address);
  for (const address of ["2001:db8::1", "[2001:db8::1]", "[2001:db8::1]:443"]) {
    assert.equal(plainAddress(address), "2001:db8::1", address);
  }
  for (const other of ["::ffff:1:2:3", "::ffff:999.0.2.1", "unix:", "unknown", "", "::1", "::192.0.2.1"]) {
    assert.equal(plainAddress(other), other);
  }
});
