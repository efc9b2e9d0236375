import assert from "node:assert/strict";
import { isIpLiteral, isPrivateAddress, isPublicName } from "../../lib/upstream_client/_address.ts";

const PRIVATE = [
  ..."0.0.0.0 10.1.2.3 127.0.0.1 127.255.255.255 100.64.0.1 100.127.255.255 169.254.169.254 172.16.0.1".split(" "),
  ..."172.31.255.255 192.168.0.1 192.0.0.8 224.0.0.1 255.255.255.255 :: ::1 fc00::1 fdff::1 fe80::1 febf::1".split(" "),
  ..."fe80::1%eth0 ff02::1 ::ffff:127.0.0.1 ::ffff:7f00:1 ::ffff:10.0.0.1 64:ff9b::10.0.0.1 ::127.0.0.1".split(" "),
  // No addresses at all: nothing speaks for them.
  ...["", "example.com", "1.2.3", "256.1.1.1", "1::2::3", "12345::", "1:2:3:4:5:6:7:8:9", "::1.2.3.400"],
];

const PUBLIC = [
  ..."1.1.1.1 9.255.255.255 11.0.0.1 100.63.0.1 100.128.0.1 169.253.1.1 172.15.0.1 172.32.0.1 192.167.1.1".split(" "),
  ..."192.0.1.1 223.255.255.255 198.18.0.7 2606:4700::1111 2001:db8::1 ::ffff:1.1.1.1 64:ff9b::1.1.1.1 fbff::1".split(
    " ",
  ),
  "2001:0:0:1:2:3:4:5",
];

Deno.test("isPrivateAddress() tells private from public addresses", () => {
  assert.deepEqual(PRIVATE.filter((address) => !isPrivateAddress(address)), []);
  assert.deepEqual(PUBLIC.filter(isPrivateAddress), []);
});

Deno.test("isPublicName() takes addresses, single labels and local suffixes out", () => {
  const names = ["api.themoviedb.org", "API.TMDB.ORG.", "a.b.example"];
  const others = [
    "localhost",
    "tmdb",
    "a.localhost",
    "nas.local",
    "x.home.arpa",
    "X.LAN.",
    "1.1.1.1",
    "::1",
    "2606:4700::1",
  ];
  assert.deepEqual(names.filter((name) => !isPublicName(name)), []);
  assert.deepEqual(others.filter(isPublicName), []);
});

Deno.test("isIpLiteral() knows both families and nothing else", () => {
  assert.deepEqual(["1.2.3.4", "::", "::1", "a::b:1.2.3.4"].filter((text) => !isIpLiteral(text)), []);
  assert.deepEqual(["", "a", "1.2.3.4.5", "1.2.3.256", ":", ":::", "g::1", "1.2.3.4::"].filter(isIpLiteral), []);
});
