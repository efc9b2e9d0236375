import assert from "node:assert/strict";
import tls from "node:tls";
import { Duplex } from "node:stream";
import { NoClientHello, parseClientHello } from "../../lib/server/_client_hello.ts";

/** The first bytes that a client sends. */
async function helloOf(options: tls.ConnectionOptions): Promise<Uint8Array> {
  const { promise, resolve } = Promise.withResolvers<Uint8Array>();
  const wire = new Duplex({ read() {}, write: (chunk, _encoding, done) => (resolve(new Uint8Array(chunk)), done()) });
  const socket = tls.connect({ socket: wire, ...options });
  socket.on("error", () => {});
  const bytes = await promise;
  socket.destroy();
  return bytes;
}

/** The same message in records of so many bytes each. */
function inRecords(hello: Uint8Array, sizeBytes: number): Uint8Array {
  const message = hello.subarray(5);
  const parts: number[] = [];
  for (let at = 0; at < message.length; at += sizeBytes) {
    const part = message.subarray(at, at + sizeBytes);
    parts.push(22, 3, 1, part.length >> 8, part.length & 255, ...part);
  }
  return new Uint8Array(parts);
}

/** What is read of a message: the rest is looked at by those who answer it. */
function read(bytes: Uint8Array) {
  const found = parseClientHello(bytes);
  return found && { serverName: found.serverName, protocols: found.protocols };
}

const hello = await helloOf({ servername: "A.Example", ALPNProtocols: ["h2", "http/1.1"] });

Deno.test("parseClientHello() reads the name and the protocols of a real client, whole or in many records", () => {
  const expected = { serverName: "a.example", protocols: ["h2", "http/1.1"] };
  assert.deepEqual(read(hello), expected);
  for (const size of [1, 7, 100]) assert.deepEqual(read(inRecords(hello, size)), expected);
});

Deno.test("parseClientHello() reads a client that names nothing", async () => {
  assert.deepEqual(read(await helloOf({})), { serverName: null, protocols: [] });
});

Deno.test("parseClientHello() waits for every byte", () => {
  for (let length = 0; length < hello.length; length++) assert.equal(parseClientHello(hello.subarray(0, length)), null);
  const split = inRecords(hello, 50);
  for (let length = 0; length < split.length; length++) assert.equal(parseClientHello(split.subarray(0, length)), null);
});

Deno.test("parseClientHello() refuses a message in thousands of records before it is complete", () => {
  const long = new Uint8Array(5 + 5_000);
  long.set([1, 0, 0x13, 0x84], 5);
  const records = inRecords(long, 1);
  assert.equal(parseClientHello(records.subarray(0, 900 * 6)), null);
  assert.throws(() => parseClientHello(records.subarray(0, 1_100 * 6)), NoClientHello);
});

Deno.test("parseClientHello() refuses what is none, and never breaks on garbage", () => {
  for (
    const text of [
      "GET / HTTP/1.1\r\n",
      "\x16\x02\x00\x00\x01",
      "\x16\x03\x01\x00\x04\x02\x00\x00\x00",
      "\x16\x03\x01\x00\x00",
    ]
  ) {
    assert.throws(() => parseClientHello(new TextEncoder().encode(text)), NoClientHello);
  }
  assert.throws(() => parseClientHello(new Uint8Array([22, 3, 1, 255, 255, 1, 255, 255, 255])), NoClientHello);
  // Every byte once wrong: it is read, waited for, or refused.
  for (let at = 0; at < hello.length; at++) {
    const broken = hello.slice();
    broken[at] = broken[at]! ^ 0xff;
    try {
      parseClientHello(broken);
    } catch (error) {
      assert.ok(error instanceof NoClientHello, String(error));
    }
  }
});
