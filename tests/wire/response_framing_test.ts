import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import type { Fields } from "../../lib/http/fields.ts";
import {
  MAX_RESPONSE_FIELDS,
  parseResponseHead,
  responseFraming,
  type ResponseHead,
} from "../../lib/wire/response_head.ts";
import { WireError } from "../../lib/wire/wire_error.ts";
import { randomPieces, seededRandom } from "../seeded_random.ts";
import { latin1 } from "./read_requests.ts";
import { readResponse } from "./read_responses.ts";
import { RESPONSE_CASES } from "./response_cases.ts";

for (const { name, section, method, text, taken } of RESPONSE_CASES) {
  Deno.test(`response: ${name} (${section})`, () => {
    assert.deepEqual(readResponse(method, [latin1(text)]), taken);
  });
}

Deno.test("every response gives the same in two pieces, byte by byte and in random pieces", () => {
  const random = seededRandom(9110);
  for (const { name, method, text, taken } of RESPONSE_CASES) {
    const bytes = latin1(text);
    for (let at = 1; at < bytes.length; at++) {
      assert.deepEqual(readResponse(method, [bytes.slice(0, at), bytes.slice(at)]), taken, `${name}, split at ${at}`);
    }
    assert.deepEqual(readResponse(method, Array.from(bytes, (byte) => Uint8Array.of(byte))), taken, name);
    for (let round = 0; round < 20; round++) {
      assert.deepEqual(readResponse(method, randomPieces(random, bytes)), taken, `${name}, round ${round}`);
    }
  }
});

function parsed(text: string): ResponseHead {
  const buffer = Buffer.from(text, "latin1");
  return parseResponseHead(buffer, 0, buffer.length);
}

Deno.test("parseResponseHead() keeps order, repeated lines and Latin-1, and lowers names", () => {
  const text =
    "HTTP/1.0 404 Not\tF\xf6und\r\nSet-Cookie: a=1\r\nset-cookie:b=2\r\nX-Empty:\r\nx-odd:  \t a \t b \t \r\n\r\n";
  assert.deepEqual(parsed(text), {
    status: 404,
    minor: 0,
    fields: [["set-cookie", "a=1"], ["set-cookie", "b=2"], ["x-empty", ""], ["x-odd", "a \t b"]],
  });
});

Deno.test("parseResponseHead() takes as many lines as allowed and not one more", () => {
  const head = (lines: number) => `HTTP/1.1 200 OK\r\n${"a: b\r\n".repeat(lines)}\r\n`;
  assert.equal(parsed(head(MAX_RESPONSE_FIELDS)).fields.length, MAX_RESPONSE_FIELDS);
  assert.throws(() => parsed(head(MAX_RESPONSE_FIELDS + 1)), WireError);
});

Deno.test("parseResponseHead() parses right also after a server has invented thousands of names", () => {
  for (let at = 0; at < 3000; at++) {
    assert.deepEqual(parsed(`HTTP/1.1 200 OK\r\nX-N${at}: v\r\n\r\n`).fields, [[`x-n${at}`, "v"]]);
  }
});

Deno.test("responseFraming() reads persistence from version and Connection (RFC 9112 §9.3)", () => {
  const persistence = (minor: number, ...values: string[]) => {
    const fields: Fields = [["content-length", "5"], ...values.map((value): Fields[number] => ["connection", value])];
    return responseFraming("GET", { status: 200, minor, fields }).isPersistent;
  };
  assert.equal(persistence(1), true);
  assert.equal(persistence(1, "Close"), false);
  assert.equal(persistence(1, "x-a, close ,b"), false);
  assert.equal(persistence(1, "keep-alive", "close"), false);
  assert.equal(persistence(1, "closed"), true);
  assert.equal(persistence(0), false);
  assert.equal(persistence(0, "Keep-Alive"), true);
  assert.equal(persistence(0, "keep-alive, close"), false);
});

Deno.test("responseFraming() reads the timeout of Keep-Alive", () => {
  const keepAliveMs = (value: string) =>
    responseFraming("GET", { status: 200, minor: 1, fields: [["keep-alive", value]] }).keepAliveMs;
  assert.equal(keepAliveMs("timeout=5, max=100"), 5000);
  assert.equal(keepAliveMs("max=100,Timeout=15"), 15000);
  assert.equal(keepAliveMs("xtimeout=5"), null);
  assert.equal(keepAliveMs("max=3"), null);
});
