import assert from "node:assert/strict";
import { findHeadEnd, skipEmptyLines } from "../../lib/wire/head_end.ts";
import { WireError } from "../../lib/wire/wire_error.ts";
import { latin1 } from "./read_requests.ts";

const isRefusal = (error: unknown) => error instanceof WireError && error.status === 400;

Deno.test("findHeadEnd() finds the empty line however the bytes come and wherever they lie", () => {
  for (const before of ["", "\r\n\r\n", "body\n"]) {
    const start = before.length;
    const bytes = latin1(`${before}GET / HTTP/1.1\r\na: b\r\n\r\nbody\r\n\r\n`);
    const headEnd = start + 24;
    for (let end = start; end <= bytes.length; end++) {
      for (let scannedTo = start; scannedTo <= Math.min(end, headEnd - 1); scannedTo++) {
        const found = findHeadEnd(bytes, start, end, scannedTo);
        assert.equal(found, end < headEnd ? -1 : headEnd, `${start} ${end} ${scannedTo}`);
      }
    }
  }
});

Deno.test("findHeadEnd() passes over two empty lines, in any pieces, and refuses a third", () => {
  const bytes = latin1("\r\n\r\nGET / HTTP/1.1\r\n\r\n\r\n\r\n\r\nGET");
  for (let end = 0; end <= bytes.length; end++) {
    for (let scannedTo = 0; scannedTo <= Math.min(end, 21); scannedTo++) {
      assert.equal(findHeadEnd(bytes, 0, end, scannedTo), end < 22 ? -1 : 22, `${end} ${scannedTo}`);
    }
  }
  assert.equal(skipEmptyLines(bytes, 0, bytes.length), 4);
  assert.equal(findHeadEnd(bytes, 22, 27, 22), -1);
  assert.throws(() => findHeadEnd(bytes, 22, 28, 22), isRefusal);
});

Deno.test("findHeadEnd() refuses a bare line feed as soon as it comes", () => {
  for (
    const text of [
      "\n",
      "GET / HTTP/1.1\n",
      "GET / HTTP/1.1\r\na: b\n\n",
      "GET / HTTP/1.1\r\n\n",
      "\r\n\n",
      "\r\n\r\n\n",
    ]
  ) {
    const bytes = latin1(text);
    assert.throws(() => findHeadEnd(bytes, 0, bytes.length, 0), isRefusal, JSON.stringify(text));
    assert.throws(() => findHeadEnd(bytes, 0, bytes.length, bytes.length - 1), isRefusal, JSON.stringify(text));
  }
});

Deno.test("findHeadEnd() refuses at once what no message begins with", () => {
  for (const text of ["\x16", "\x16\x03\x01", "\0", " ", "\xff", "\rG", "(", "\r\n\x16"]) {
    const bytes = latin1(text);
    assert.throws(() => findHeadEnd(bytes, 0, bytes.length, 0), isRefusal, JSON.stringify(text));
  }
  assert.equal(findHeadEnd(latin1("\r"), 0, 1, 0), -1);
  assert.equal(findHeadEnd(latin1("G"), 0, 1, 0), -1);
});
