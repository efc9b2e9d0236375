import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { parseProxyHeader, ProxyHeaderError } from "../../lib/server/proxy_header.ts";
import { findHeadEnd } from "../../lib/wire/head_end.ts";
import { WireError } from "../../lib/wire/wire_error.ts";
import { randomPieces } from "../seeded_random.ts";
import { CASE_LIMITS, FRAMING_CASES } from "../wire/framing_cases.ts";
import { outcomeOf } from "../wire/read_requests.ts";
import { readResponse } from "../wire/read_responses.ts";
import { RESPONSE_CASES } from "../wire/response_cases.ts";
import { bytesOf, type FuzzTarget } from "./fuzz_target.ts";

// deno-fmt-ignore
const WIRE_PIECES = [
  "\r\n", "\n", "\r", "\r\n\r\n", " ", "\t", ":", ",", ";", "\0", "\x80", "GET / HTTP/1.1", "POST /a HTTP/1.1", "HTTP/1.1 200 OK", "HTTP/1.0 204 ",
  "Host: a", "Content-Length: ", "Transfer-Encoding: chunked", "Connection: close", "Expect: 100-continue", "0", "5", "-1", "+5", "0x5", "ffffffffffffffff",
  "5\r\nhello\r\n0\r\n\r\n", "0\r\n\r\n", ";ext=\"a\"", "identity", "gzip, chunked", "X: \x7f", " folded",
];
const SHORT = 3_000;

/** Messages as their bytes come, both ways, and what proxies put before them. */
export const WIRE_TARGETS: readonly FuzzTarget[] = [
  {
    name: "requests",
    pieces: WIRE_PIECES,
    seeds: FRAMING_CASES.map(({ text }) => text).filter((text) => text.length < SHORT),
    shortRuns: 1_500,
    check(text, random) {
      const bytes = bytesOf(text);
      const whole = outcomeOf([bytes], CASE_LIMITS);
      const split = outcomeOf(randomPieces(random, bytes), CASE_LIMITS);
      assert.deepEqual(split.taken, whole.taken, "split otherwise, it is the same");
      // A line that is too long and malformed is refused for what shows first.
      assert.equal(split.refusal === null, whole.refusal === null);
      for (const { target, method } of whole.taken) {
        assert.match(method, /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/);
        assert.match(target, /^[\x21-\x7e\x80-\xff]+$/);
      }
    },
  },
  {
    name: "responses",
    pieces: WIRE_PIECES,
    seeds: RESPONSE_CASES.map(({ text }) => text).filter((text) => text.length < SHORT),
    shortRuns: 1_500,
    check(text, random) {
      // A head without an end is the connection's matter.
      const bytes = Buffer.from(text.slice(0, SHORT), "latin1");
      if (!hasHead(bytes)) return;
      for (const method of ["GET", "HEAD"]) {
        const whole = readResponse(method, [bytes]);
        assert.deepEqual(readResponse(method, randomPieces(random, bytes)), whole, "split otherwise, it is the same");
        if (whole !== null) assert.ok(whole.status >= 100 && whole.status <= 999);
        if (whole !== null && method === "HEAD") assert.equal(whole.body, "");
      }
    },
  },
  {
    name: "proxy-header",
    // deno-fmt-ignore
    pieces: [
      "PROXY ", "TCP4 ", "TCP6 ", "UNKNOWN", "192.0.2.1 ", "2001:db8::1 ", "::ffff:192.0.2.7 ", "80 ", "65536", "\r\n", "\r\n\r\n\0\r\nQUIT\n", "\x21\x11\0\x0c",
      "\x20\0\0\0", "\x21\x21\0\x24", "\xff\xff", "\x01\x02\x03\x04",
    ],
    seeds: [
      "PROXY TCP4 192.0.2.1 198.51.100.1 50000 80\r\nGET /",
      "PROXY TCP6 2001:db8::1 ::1 1 65535\r\n",
      "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x01\xc6\x33\x64\x01\0\x01\0\x02",
      "\r\n\r\n\0\r\nQUIT\n\x20\0\0\0",
    ],
    shortRuns: 4_000,
    check(text) {
      const bytes = bytesOf(text);
      const whole = proxied(bytes);
      if (whole === "malformed" || whole === null) return;
      assert.ok(whole.lengthBytes > 0 && whole.lengthBytes <= bytes.length);
      assert.ok(whole.address === null || /^[0-9a-f.:]+$/.test(whole.address));
      for (let length = 0; length < whole.lengthBytes; length++) {
        assert.equal(proxied(bytes.subarray(0, length)), null, `the first ${length} bytes wait for the rest`);
      }
    },
  },
];

function hasHead(bytes: Buffer): boolean {
  try {
    return findHeadEnd(bytes, 0, bytes.length, 0) >= 0;
  } catch (error) {
    if (error instanceof WireError) return false;
    throw error;
  }
}

function proxied(bytes: Uint8Array): ReturnType<typeof parseProxyHeader> | "malformed" {
  try {
    return parseProxyHeader(bytes);
  } catch (error) {
    if (error instanceof ProxyHeaderError) return "malformed";
    throw error;
  }
}
