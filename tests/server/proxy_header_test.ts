import assert from "node:assert/strict";
import { parseProxyHeader } from "../../lib/server/proxy_header.ts";
import { binaryProxyHeader } from "./proxy_headers.ts";

function text(line: string): Uint8Array {
  return new TextEncoder().encode(line);
}

Deno.test("parseProxyHeader() reads the address of version 1", () => {
  for (
    const [line, address] of [
      ["PROXY TCP4 192.0.2.1 198.51.100.1 50000 80\r\n", "192.0.2.1"],
      ["PROXY TCP6 2001:DB8:0:0::1 ::1 1 65535\r\n", "2001:db8::1"],
      ["PROXY TCP6 ::ffff:192.0.2.1 ::1 1 2\r\n", "192.0.2.1"],
      ["PROXY UNKNOWN\r\n", null],
      ["PROXY UNKNOWN ffff:f:f ffff:f 65535 65535\r\n", null],
    ] as const
  ) {
    assert.deepEqual(parseProxyHeader(text(`${line}GET /`)), { lengthBytes: line.length, address }, line);
  }
});

Deno.test("parseProxyHeader() reads the address of version 2", () => {
  const four = binaryProxyHeader({ family: 0x11, addresses: [192, 0, 2, 1, 198, 51, 100, 1, 0, 1, 0, 2] });
  assert.deepEqual(parseProxyHeader(four), { lengthBytes: 28, address: "192.0.2.1" });
  const six = binaryProxyHeader({
    family: 0x21,
    addresses: [0x20, 1, 0xd, 0xb8, ...new Array(11).fill(0), 9, ...new Array(20).fill(0)],
  });
  assert.deepEqual(parseProxyHeader(six), { lengthBytes: 52, address: "2001:db8::9" });
  const mapped = binaryProxyHeader({
    family: 0x21,
    addresses: [...new Array(10).fill(0), 255, 255, 192, 0, 2, 7, ...new Array(20).fill(0)],
  });
  assert.deepEqual(parseProxyHeader(mapped), { lengthBytes: 52, address: "192.0.2.7" });
  const additions = binaryProxyHeader({
    family: 0x11,
    addresses: [192, 0, 2, 1, 1, 1, 1, 1, 0, 1, 0, 2, 4, 0, 2, 0, 0],
  });
  assert.deepEqual(parseProxyHeader(additions), { lengthBytes: 33, address: "192.0.2.1" });
});

Deno.test("parseProxyHeader() keeps the peer for LOCAL, and for families without IP addresses", () => {
  for (const [command, family] of [[0x20, 0x00], [0x20, 0x11], [0x21, 0x00], [0x21, 0x31]] as const) {
    const header = binaryProxyHeader({ command, family, addresses: new Array(12).fill(1) });
    assert.deepEqual(parseProxyHeader(header), { lengthBytes: 28, address: null });
  }
});

Deno.test("parseProxyHeader() waits for the rest at every byte", () => {
  const headers = [
    text("PROXY TCP4 192.0.2.1 198.51.100.1 50000 80\r\n"),
    binaryProxyHeader({ family: 0x11, addresses: [192, 0, 2, 1, 198, 51, 100, 1, 0, 1, 0, 2] }),
  ];
  for (const header of headers) {
    for (let length = 0; length < header.length; length++) {
      assert.equal(parseProxyHeader(header.subarray(0, length)), null, `${length} bytes`);
    }
    assert.equal(parseProxyHeader(header)?.address, "192.0.2.1");
  }
});

Deno.test("parseProxyHeader() refuses what is none", () => {
  for (
    const line of [
      "GET / HTTP/1.1\r\n",
      "PROXY TCP4 192.0.2.1 198.51.100.1 50000 80\n",
      "PROXY TCP4 192.0.2.256 198.51.100.1 50000 80\r\n",
      "PROXY TCP4 192.0.02.1 198.51.100.1 50000 80\r\n",
      "PROXY TCP4 ::1 ::1 50000 80\r\n",
      "PROXY TCP6 192.0.2.1 198.51.100.1 50000 80\r\n",
      "PROXY TCP4 192.0.2.1 198.51.100.1 50000\r\n",
      "PROXY TCP4 192.0.2.1 198.51.100.1 50000 65536\r\n",
      "PROXY TCP4 192.0.2.1 198.51.100.1 50000 80 1\r\n",
      "PROXY  TCP4 192.0.2.1 198.51.100.1 50000 80\r\n",
      "PROXY UDP4 192.0.2.1 198.51.100.1 50000 80\r\n",
      `PROXY UNKNOWN ${"x".repeat(100)}`,
      `PROXY UNKNOWN ${"x".repeat(100)}\r\n`,
    ]
  ) {
    assert.throws(() => parseProxyHeader(text(line)), /Invalid PROXY header/, line);
  }
  for (
    const parts of [
      { command: 0x11, family: 0x11, addresses: new Array(12).fill(1) },
      { command: 0x22, family: 0x11, addresses: new Array(12).fill(1) },
      { family: 0x41, addresses: new Array(12).fill(1) },
      { family: 0x13, addresses: new Array(12).fill(1) },
      { family: 0x11, addresses: new Array(11).fill(1) },
      { family: 0x21, addresses: new Array(35).fill(1) },
      { family: 0x11, addresses: new Array(985).fill(1) },
    ]
  ) {
    assert.throws(
      () => parseProxyHeader(binaryProxyHeader(parts)),
      /Invalid PROXY header/,
      JSON.stringify(parts).slice(0, 60),
    );
  }
});
