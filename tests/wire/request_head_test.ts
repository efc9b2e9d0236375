import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { findHeadEnd } from "../../lib/wire/head_end.ts";
import { maxHeadBytes, parseRequestHead, type RequestHead } from "../../lib/wire/request_head.ts";
import { WireError } from "../../lib/wire/wire_error.ts";
import { integer, seededRandom } from "../seeded_random.ts";
import { latin1 } from "./read_requests.ts";

const LIMITS = { maxFields: 100, fieldsBytes: 32 * 1024, targetBytes: 16 * 1024 };

function headOf(text: string): RequestHead {
  const buffer = Buffer.from(text, "latin1");
  return parseRequestHead(buffer, 0, findHeadEnd(buffer, 0, buffer.length, 0), LIMITS);
}

/** A GET with a Host and more lines. */
function withLines(lines: string, version = "HTTP/1.1"): RequestHead {
  return headOf(`GET / ${version}\r\nHost: h\r\n${lines}\r\n`);
}

Deno.test("parseRequestHead() gives every part of a head", () => {
  const head = headOf(
    "PUT /a?b HTTP/1.1\r\nHost: h\r\nX-A: b\r\nContent-Length: 7\r\nExpect: 100-continue\r\nConnection: x, Close\r\n\r\n",
  );
  const { fields, ...rest } = head;
  assert.deepEqual(rest, {
    method: "PUT",
    target: "/a?b",
    minor: 1,
    framing: { kind: "length", lengthBytes: 7 },
    expectsContinue: true,
    keepAlive: false,
  });
  assert.equal(fields.header("x-a"), "b");
  assert.equal(fields.count, 5);
});

Deno.test("parseRequestHead() reads the framing of the content (RFC 9112 §6.3)", () => {
  assert.deepEqual(withLines("").framing, { kind: "none", lengthBytes: 0 });
  assert.deepEqual(withLines("Content-Length: 0\r\n").framing, { kind: "none", lengthBytes: 0 });
  assert.deepEqual(withLines("Content-Length: 999999999999999\r\n").framing, {
    kind: "length",
    lengthBytes: 999999999999999,
  });
  assert.deepEqual(withLines("Transfer-Encoding: chunked\r\n").framing, { kind: "chunked", lengthBytes: null });
});

Deno.test("parseRequestHead() reads persistence from version and Connection (RFC 9112 §9.3)", () => {
  const keepAlive = (lines: string, version?: string) => withLines(lines, version).keepAlive;
  assert.equal(keepAlive(""), true);
  assert.equal(keepAlive("Connection: Close\r\n"), false);
  assert.equal(keepAlive("Connection: upgrade ,\tclose\r\n"), false);
  assert.equal(keepAlive("Connection: keep-alive\r\nConnection: close\r\n"), false);
  assert.equal(keepAlive("Connection: closed, not-close\r\n"), true);
  assert.equal(keepAlive("", "HTTP/1.0"), false);
  assert.equal(keepAlive("Connection: Keep-Alive\r\n", "HTTP/1.0"), true);
  assert.equal(keepAlive("Connection: keep-alive\r\n", "HTTP/1.0"), true);
  assert.equal(keepAlive("Connection: keep-alive, close\r\n", "HTTP/1.0"), false);
  assert.equal(keepAlive("Connection: x-keep-alive\r\n", "HTTP/1.0"), false);
});

Deno.test("parseRequestHead() does not need the buffer afterwards", () => {
  const buffer = Buffer.from(
    "OPTIONS /abcdefghijklmnopqrstuvwxyz HTTP/1.1\r\nHost: h\r\nX-Long: abcdefghijklmnopqrstuvwxyz\r\n\r\n",
  );
  const head = parseRequestHead(buffer, 0, buffer.length, LIMITS);
  buffer.fill("z");
  assert.deepEqual([head.method, head.target], ["OPTIONS", "/abcdefghijklmnopqrstuvwxyz"]);
  assert.deepEqual(head.fields.list(), [["host", "h"], ["x-long", "abcdefghijklmnopqrstuvwxyz"]]);
});

Deno.test("parseRequestHead() escapes each byte of a target above ASCII, leaves each visible one and refuses all others", () => {
  for (let octet = 0; octet < 256; octet++) {
    const character = String.fromCharCode(octet);
    const text = `GET /a${character}b HTTP/1.1\r\nHost: h\r\n\r\n`;
    if (octet <= 0x20 || octet === 0x7f || character === "#") {
      assert.throws(() => headOf(text), (error) => error instanceof WireError && error.status === 400, `${octet}`);
      continue;
    }
    const written = octet < 0x80 ? character : `%${octet.toString(16).toUpperCase()}`;
    assert.equal(headOf(text).target, `/a${written}b`, `${octet}`);
  }
});

Deno.test("parseRequestHead() escapes random targets so that they decode to the bytes sent", () => {
  const random = seededRandom(3986);
  for (let round = 0; round < 1_000; round++) {
    const bytes = Uint8Array.from({ length: integer(random, 60) }, () => {
      const octet = 0x21 + integer(random, 0xdf);
      return octet === 0x7f || octet === 0x23 || octet === 0x25 ? 0xe9 : octet;
    });
    const { target } = headOf(`GET /${Buffer.from(bytes).toString("latin1")} HTTP/1.1\r\nHost: h\r\n\r\n`);
    assert.match(target, /^\/(?:[\x21-\x24\x26-\x7e]|%[89A-F][0-9A-F])*$/);
    const decoded = target.slice(1).replace(/%(..)/g, (_, digits) => String.fromCharCode(parseInt(digits, 16)));
    assert.deepEqual(latin1(decoded), bytes);
    // Escaping twice changes nothing: what is kept under a key is asked for by the same target.
    assert.equal(headOf(`GET ${target} HTTP/1.1\r\nHost: h\r\n\r\n`).target, target);
  }
});

Deno.test("parseRequestHead() of random bytes either works or is a refusal", () => {
  const random = seededRandom(7);
  const parts = [
    ..."GET |POST |/|*|http://h|HTTP/1.1|HTTP/1.0|\r\n|\r\n|\r\n|\n|\r|Host:|h|: |Content-Length: |5|,|Transfer-Encoding:"
      .split("|"),
    ...[" chunked", "\t", "\0", "\xe9", "a", "Expect: ", "100-continue", "#", "[::1]", "GET / HTTP/1.1\r\nHost: h\r\n"],
  ];
  let works = 0;
  for (let round = 0; round < 20_000; round++) {
    const count = 1 + integer(random, 12);
    const text = Array.from({ length: count }, () => parts[integer(random, parts.length)]).join("") + "\r\n\r\n";
    try {
      headOf(text);
      works++;
    } catch (error) {
      assert.ok(error instanceof WireError, `${JSON.stringify(text)}: ${error}`);
    }
  }
  assert.ok(works > 100, `${works} of them work`);
});

Deno.test("parseRequestHead() tells a client that begins with HTTP/2 what to do", () => {
  assert.throws(() => headOf("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), /^WireError: HTTP\/2 needs TLS here/);
});

Deno.test("maxHeadBytes() holds the largest head that is taken", () => {
  const limits = { maxFields: 2, fieldsBytes: 40, targetBytes: 10 };
  const fields = "Host: h\r\n";
  const text = `\r\n\r\n${"M".repeat(32)} /${"a".repeat(9)} HTTP/1.1\r\n${fields}x: ${
    "y".repeat(40 - fields.length - 5)
  }\r\n\r\n`;
  const buffer = Buffer.from(text);
  assert.equal(buffer.length, maxHeadBytes(limits));
  assert.equal(parseRequestHead(buffer, 0, buffer.length, limits).fields.count, 2);
});
