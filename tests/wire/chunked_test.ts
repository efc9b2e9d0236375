import assert from "node:assert/strict";
import type { Fields } from "../../lib/http/fields.ts";
import { ChunkedDecoder } from "../../lib/wire/chunked_decoder.ts";
import {
  CHUNK_END,
  LAST_CHUNK,
  lastChunk,
  MAX_CHUNK_SIZE_BYTES,
  writeChunkSize,
} from "../../lib/wire/chunked_writer.ts";
import { WireError } from "../../lib/wire/wire_error.ts";
import { integer, randomPieces, seededRandom } from "../seeded_random.ts";
import { latin1, textOf } from "./read_requests.ts";

/** Decodes pieces as they would come off the socket, each somewhere inside a buffer. */
function decodeAll(pieces: readonly Uint8Array[], decoder = new ChunkedDecoder()) {
  let content = "";
  let rest = "";
  for (const piece of pieces) {
    const buffer = new Uint8Array(piece.length + 7).fill(35);
    buffer.set(piece, 3);
    const end = decoder.decode(buffer, 3, 3 + piece.length);
    content += textOf(buffer.subarray(3, end));
    rest += textOf(buffer.subarray(decoder.consumedEnd, 3 + piece.length));
    assert.equal(textOf(buffer.subarray(0, 3)) + textOf(buffer.subarray(3 + piece.length)), "#######");
  }
  return { content, rest, isDone: decoder.isDone, trailers: decoder.trailers };
}

Deno.test("decode() takes chunk framing and extensions away and keeps trailers", () => {
  const text = '4\r\nWiki\r\n5;a=b;c="d e"\r\npedia\r\nE \t;x\r\n in\r\n\r\nchunks.\r\n000A ;x\r\n0123456789\r\n' +
    "0;y\r\nDate: x\r\nX-A: b\r\nx-a:\tc \r\n\r\nNEXT";
  assert.deepEqual(decodeAll([latin1(text)]), {
    content: "Wikipedia in\r\n\r\nchunks.0123456789",
    rest: "NEXT",
    isDone: true,
    trailers: [["x-a", "b"], ["x-a", "c"]],
  });
});

Deno.test("decode() gives the same for every split of the same bytes", () => {
  const random = seededRandom(1);
  for (let round = 0; round < 300; round++) {
    const chunks = Array.from({ length: integer(random, 6) }, () => "x\r\n0;".repeat(1 + integer(random, 200)));
    const body = chunks.map((chunk) => `${chunk.length.toString(16)}${random() < 0.3 ? ";e=1" : ""}\r\n${chunk}\r\n`)
      .join("");
    const trailers: Fields | null = random() < 0.5 ? [["a", "b"], ["c", "d\xe9"]] : null;
    const lines = (trailers ?? []).map(([name, value]) => `${name}: ${value}\r\n`).join("");
    const pieces = randomPieces(random, latin1(`${body}0\r\n${lines}\r\nNEXT`));
    assert.deepEqual(
      decodeAll(pieces),
      { content: chunks.join(""), rest: "NEXT", isDone: true, trailers },
      `round ${round}`,
    );
  }
});

Deno.test("decode() is not done before the trailer section's empty line", () => {
  for (const text of ["", "5", "5\r\nhel", "5\r\nhello\r\n", "5\r\nhello\r\n0\r\n", "0\r\na: b\r\n", "0\r\n\r"]) {
    const { isDone, trailers } = decodeAll([latin1(text)]);
    assert.deepEqual([isDone, trailers], [false, null], JSON.stringify(text));
  }
});

Deno.test("decode() takes padded chunk sizes only where it is told to", () => {
  const text = "5  \t\r\nhello\r\n0 \r\n\r\n";
  const decoder = new ChunkedDecoder({ allowsPaddedSize: true });
  assert.equal(decodeAll([latin1(text)], decoder).content, "hello");
  assert.throws(() => decodeAll([latin1(text)]), WireError);
});

Deno.test("decode() bounds extensions of all chunks together, and the trailer section", () => {
  const statusOf = (text: string): number | null => {
    try {
      decodeAll([latin1(text)]);
      return null;
    } catch (error) {
      if (error instanceof WireError) return error.status;
      throw error;
    }
  };
  const chunk = "1;xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\na\r\n";
  assert.equal(statusOf(chunk.repeat(500)), null);
  assert.equal(statusOf(chunk.repeat(600)), 400);
  assert.equal(statusOf(`0\r\na: ${"b".repeat(16 * 1024 - 5)}\r\n\r\n`), null);
  assert.equal(statusOf(`0\r\na: ${"b".repeat(16 * 1024 - 4)}\r\n\r\n`), 431);
});

Deno.test("decode() of random bytes either works or is a refusal", () => {
  const random = seededRandom(2);
  const alphabet = "0123abcf;:\r\n\r\n\r\n \tx";
  for (let round = 0; round < 5_000; round++) {
    const text = Array.from({ length: integer(random, 60) }, () => alphabet[integer(random, alphabet.length)]).join("");
    try {
      decodeAll(randomPieces(random, latin1(text)));
    } catch (error) {
      assert.ok(error instanceof WireError, `${error}`);
    }
  }
});

/** A chunk as it goes over the wire. */
function chunkOf(content: string): string {
  const size = new Uint8Array(MAX_CHUNK_SIZE_BYTES + 1).fill(35);
  const end = writeChunkSize(content.length, size, 1);
  assert.equal(size[0], 35);
  assert.ok(size.subarray(end).every((byte) => byte === 35));
  return textOf(size.subarray(1, end)) + content + textOf(CHUNK_END);
}

Deno.test("writeChunkSize() writes hexadecimal digits, no more than needed", () => {
  const line = (lengthBytes: number) => {
    const bytes = new Uint8Array(MAX_CHUNK_SIZE_BYTES);
    return textOf(bytes.subarray(0, writeChunkSize(lengthBytes, bytes, 0)));
  };
  for (const lengthBytes of [1, 9, 10, 15, 16, 255, 256, 4095, 65_536, 0x9abcdef, 2 ** 31, 2 ** 32 - 1]) {
    assert.equal(line(lengthBytes), `${lengthBytes.toString(16)}\r\n`);
  }
  for (const lengthBytes of [0, -1, NaN, 2 ** 32]) assert.throws(() => line(lengthBytes), RangeError);
});

Deno.test("what the writer writes, the decoder reads", () => {
  const random = seededRandom(4);
  for (let round = 0; round < 200; round++) {
    const chunks = Array.from({ length: integer(random, 5) }, () => "\r\n0\xff".repeat(1 + integer(random, 2000)));
    const trailers: Fields | null = random() < 0.5 ? null : [["x-sum", "1"], ["etag", '"\xe9"']];
    const end = trailers === null ? textOf(LAST_CHUNK) : lastChunk(trailers);
    const pieces = randomPieces(random, latin1(chunks.map(chunkOf).join("") + end));
    assert.deepEqual(decodeAll(pieces), { content: chunks.join(""), rest: "", isDone: true, trailers });
  }
});

Deno.test("lastChunk() leaves out what has no business in a trailer section (RFC 9110 §6.5.1)", () => {
  const trailers: Fields = [["x-a", "1"], ["Content-Length", "5"], ["HOST", "h"], ["set-cookie", "a=b"], [
    "if-match",
    "x",
  ]];
  assert.equal(lastChunk(trailers), "0\r\nx-a: 1\r\n\r\n");
  assert.equal(lastChunk([]), "0\r\n\r\n");
  assert.throws(() => lastChunk([["x", "a\r\nb: c"]]), TypeError);
});
