import assert from "node:assert/strict";
import { findHeadEnd, MAX_FIELD_LINES, parseResponseHead } from "../../lib/upstream_client/_response_head.ts";
import { UpstreamFailure } from "../../lib/upstream_client/transport.ts";
import { latin1 } from "./_raw_server.ts";

const isProtocolFailure = (error: unknown) =>
  error instanceof UpstreamFailure && error.kind === "protocol" && error.requestSent;

Deno.test("parseResponseHead() keeps order, repeated lines and Latin-1, and lowers names", () => {
  const text =
    "HTTP/1.0 404 Not\tF\xf6und\r\nSet-Cookie: a=1\r\nset-cookie:b=2\r\nX-Empty:\r\nx-odd:  \t a \t b \t \r\n\r\n";
  assert.deepEqual(parseResponseHead(text), {
    status: 404,
    minor: 0,
    fields: [["set-cookie", "a=1"], ["set-cookie", "b=2"], ["x-empty", ""], ["x-odd", "a \t b"]],
  });
});

Deno.test("parseResponseHead() takes a status line without reason phrase, with and without its space", () => {
  for (const line of ["HTTP/1.1 200 ", "HTTP/1.1 200"]) {
    assert.deepEqual(parseResponseHead(`${line}\r\n\r\n`), { status: 200, minor: 1, fields: [] });
  }
});

const BAD_STATUS_LINES = [
  ..."HTTP/1.1|HTTP/1.1 |HTTP/1.1 20 OK|HTTP/1.1 2000 OK|HTTP/1.1 099 x|HTTP/1.1 600 x|HTTP/2 200|HTTP/1.2 200 OK"
    .split("|"),
  ..."http/1.1 200 OK| HTTP/1.1 200 OK|HTTP/1.1  200 OK|HTTP/1.1\t200 OK|HTTP/11 200 OK|ICY 200 OK||200".split("|"),
  "HTTP/1.1 200 O\rK",
  "HTTP/1.1 200 O\0K",
];

const BAD_LINES = [
  ...["no colon", ": no name", " folded: x", "\tfolded: x", "x : space before colon", "x y: a", "x\0: a", "\xe9: a"],
  ...["x: a\rb", "x: \0", "x: a\x7f", "x: a\x01b", "x: a\r", "(x): a", "x", "\r: a"],
];

Deno.test("parseResponseHead() refuses malformed status lines", () => {
  for (const line of BAD_STATUS_LINES) {
    assert.throws(() => parseResponseHead(`${line}\r\na: b\r\n\r\n`), isProtocolFailure, JSON.stringify(line));
  }
});

Deno.test("parseResponseHead() refuses malformed field lines, obs-fold included, wherever they stand", () => {
  for (const line of BAD_LINES) {
    for (const lines of [`${line}\r\n`, `a: b\r\n${line}\r\n`, `${line}\r\na: b\r\n`]) {
      assert.throws(
        () => parseResponseHead(`HTTP/1.1 200 OK\r\n${lines}\r\n`),
        isProtocolFailure,
        JSON.stringify(lines),
      );
    }
  }
});

Deno.test("parseResponseHead() takes as many lines as allowed and not one more", () => {
  const head = (lines: number) => `HTTP/1.1 200 OK\r\n${"a: b\r\n".repeat(lines)}\r\n`;
  assert.equal(parseResponseHead(head(MAX_FIELD_LINES)).fields.length, MAX_FIELD_LINES);
  assert.throws(() => parseResponseHead(head(MAX_FIELD_LINES + 1)), isProtocolFailure);
});

Deno.test("parseResponseHead() parses right also after an upstream has invented thousands of names", () => {
  for (let at = 0; at < 3000; at++) {
    assert.deepEqual(parseResponseHead(`HTTP/1.1 200 OK\r\nX-N${at}: v\r\n\r\n`).fields, [[`x-n${at}`, "v"]]);
  }
});

Deno.test("findHeadEnd() finds the empty line however the bytes come", () => {
  const bytes = latin1("HTTP/1.1 200 OK\r\na: b\r\n\r\nbody\r\n\r\n");
  for (let have = 0; have <= bytes.length; have++) {
    for (let scanned = 0; scanned <= Math.min(have, 24); scanned++) {
      assert.equal(findHeadEnd(bytes.subarray(0, have), scanned), have < 25 ? -1 : 25, `${have} ${scanned}`);
    }
  }
});

Deno.test("findHeadEnd() refuses a bare line feed as soon as it comes", () => {
  for (const text of ["\n", "HTTP/1.1 200 OK\n", "HTTP/1.1 200 OK\r\na: b\n\n", "HTTP/1.1 200 OK\r\n\n"]) {
    assert.throws(() => findHeadEnd(latin1(text), 0), isProtocolFailure, JSON.stringify(text));
  }
});
