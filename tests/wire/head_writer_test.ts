import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { STATUS_CODES } from "node:http";
import { findHeadEnd } from "../../lib/wire/head_end.ts";
import { fieldLine, fieldLines, requestLine, statusLine, writeLatin1 } from "../../lib/wire/head_writer.ts";
import { parseResponseHead } from "../../lib/wire/response_head.ts";
import { integer, seededRandom } from "../seeded_random.ts";
import { textOf } from "./read_requests.ts";

Deno.test("statusLine() has the registered phrase, or none (RFC 9112 §4)", () => {
  assert.equal(statusLine(200), "HTTP/1.1 200 OK\r\n");
  assert.equal(statusLine(200), "HTTP/1.1 200 OK\r\n");
  assert.equal(statusLine(431), "HTTP/1.1 431 Request Header Fields Too Large\r\n");
  assert.equal(statusLine(103), "HTTP/1.1 103 Early Hints\r\n");
  assert.equal(statusLine(299), "HTTP/1.1 299 \r\n");
  assert.equal(statusLine(999), "HTTP/1.1 999 \r\n");
  assert.equal(statusLine(100), "HTTP/1.1 100 Continue\r\n");
  // Node's phrases are those of RFC 2616 in part, and of no RFC in some.
  const changed = [413, 418, 422, 509, 510];
  for (const [status, phrase] of Object.entries(STATUS_CODES)) {
    if (!changed.includes(Number(status))) assert.equal(statusLine(Number(status)), `HTTP/1.1 ${status} ${phrase}\r\n`);
  }
  assert.deepEqual([413, 422].map(statusLine), [
    "HTTP/1.1 413 Content Too Large\r\n",
    "HTTP/1.1 422 Unprocessable Content\r\n",
  ]);
  for (const status of [0, 99, 1000, 200.5, NaN, -200]) assert.throws(() => statusLine(status), RangeError);
});

Deno.test("requestLine() refuses all that could split it", () => {
  assert.equal(requestLine("M-SEARCH", "/a?\xe9|"), "M-SEARCH /a?\xe9| HTTP/1.1\r\n");
  for (const method of ["", "GE T", "GET\r\n", "G\0", "G\xe9T", "GET:"]) {
    assert.throws(() => requestLine(method, "/"), TypeError, JSON.stringify(method));
  }
  for (const target of ["", "/a b", "/\t", "/\r\nx: y", "/\n", "/\0", "/\x7f", "/\u0100", "/\ud83d\ude00"]) {
    assert.throws(() => requestLine("GET", target), TypeError, JSON.stringify(target));
  }
});

Deno.test("fieldLine() refuses all that could split it, without repeating the value", () => {
  assert.equal(fieldLine("X-Mixed", "a\tb \xff"), "X-Mixed: a\tb \xff\r\n");
  assert.equal(fieldLine("x", ""), "x: \r\n");
  for (const name of ["", "a b", "a:", "a\r\n", "a\0", "\xe9", "\u0100"]) {
    assert.throws(() => fieldLine(name, "v"), TypeError, JSON.stringify(name));
  }
  for (const value of ["a\r\nb: c", "a\rb", "a\nb", "\0", "\x01", "\x7f", "\u0100", "\u2028", "s3cret\n"]) {
    assert.throws(() => fieldLine("x", value), (error) => error instanceof TypeError && !/s3cret/.test(error.message));
  }
});

Deno.test("fieldLines() is read back as it was", () => {
  const fields: [string, string][] = [["set-cookie", "a=\xe9"], ["set-cookie", "b"], ["x-empty", ""]];
  const buffer = Buffer.from(`${statusLine(204)}${fieldLines(fields)}\r\n`, "latin1");
  assert.equal(findHeadEnd(buffer, 0, buffer.length, 0), buffer.length);
  assert.deepEqual(parseResponseHead(buffer, 0, buffer.length).fields, fields);
});

Deno.test("writeLatin1() writes each character as one byte and touches nothing around", () => {
  const random = seededRandom(6);
  for (let round = 0; round < 2_000; round++) {
    const limit = random() < 0.5 ? 0x80 : 0x100;
    const text = Array.from({ length: integer(random, 90) }, () => String.fromCharCode(integer(random, limit))).join(
      "",
    );
    const at = integer(random, 5);
    const into = new Uint8Array(at + text.length + integer(random, 200)).fill(35);
    assert.equal(writeLatin1(text, into, at), at + text.length);
    assert.equal(textOf(into), "#".repeat(at) + text + "#".repeat(into.length - at - text.length));
  }
});

Deno.test("writeLatin1() refuses what does not fit", () => {
  assert.throws(() => writeLatin1("abcd", new Uint8Array(5), 2), RangeError);
  assert.throws(() => writeLatin1("\xe9".repeat(60), new Uint8Array(59), 0), RangeError);
  assert.equal(writeLatin1("\xe9".repeat(60), new Uint8Array(60), 0), 60);
});
