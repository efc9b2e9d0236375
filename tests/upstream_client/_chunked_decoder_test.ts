import assert from "node:assert/strict";
import { ChunkedDecoder } from "../../lib/upstream_client/_chunked_decoder.ts";
import { UpstreamFailure } from "../../lib/upstream_client/transport.ts";
import { integer, randomPieces, seededRandom } from "./_random.ts";
import { latin1 } from "./_raw_server.ts";

/** Decodes pieces as they would come off the socket, each somewhere inside a buffer. */
function decodeAll(pieces: readonly Uint8Array[]) {
  const decoder = new ChunkedDecoder();
  let content = "";
  let rest = "";
  for (const piece of pieces) {
    const buffer = new Uint8Array(piece.length + 7).fill(35);
    buffer.set(piece, 3);
    const end = decoder.decode(buffer, 3, 3 + piece.length);
    content += String.fromCharCode(...buffer.subarray(3, end));
    rest += String.fromCharCode(...buffer.subarray(decoder.consumedEnd, 3 + piece.length));
    assert.equal(String.fromCharCode(...buffer.subarray(3 + piece.length)), "####");
  }
  return { content, rest, isDone: decoder.isDone };
}

Deno.test("decode() takes chunk framing, extensions and trailers away", () => {
  const text =
    '4\r\nWiki\r\n5;a=b;c="d e"\r\npedia\r\nE \t\r\n in\r\n\r\nchunks.\r\n000A ;x\r\n0123456789\r\n0\r\nDate: x\r\nA: b\r\n\r\nNEXT';
  const { content, rest, isDone } = decodeAll([latin1(text)]);
  assert.deepEqual([content, rest, isDone], ["Wikipedia in\r\n\r\nchunks.0123456789", "NEXT", true]);
});

Deno.test("decode() gives the same for every split of the same bytes", () => {
  const random = seededRandom(1);
  for (let round = 0; round < 300; round++) {
    const chunks = Array.from({ length: integer(random, 6) }, () => "x\r\n0;".repeat(1 + integer(random, 200)));
    const body = chunks.map((chunk) => `${chunk.length.toString(16)}${random() < 0.3 ? ";e=1" : ""}\r\n${chunk}\r\n`)
      .join("");
    const trailer = random() < 0.5 ? "a: b\r\nc: d\r\n" : "";
    const pieces = randomPieces(random, latin1(`${body}0\r\n${trailer}\r\n`));
    assert.deepEqual(decodeAll(pieces), { content: chunks.join(""), rest: "", isDone: true }, `round ${round}`);
  }
});

Deno.test("decode() is not done before the trailer section's empty line", () => {
  for (const text of ["", "5", "5\r\nhel", "5\r\nhello\r\n", "5\r\nhello\r\n0\r\n", "0\r\na: b\r\n", "0\r\n\r"]) {
    assert.equal(decodeAll([latin1(text)]).isDone, false, JSON.stringify(text));
  }
});

const BAD = [
  ..."|\r\n|g\r\n|;x\r\n| 5\r\nhello\r\n|-1\r\n|+5\r\n|0x5\r\n|5\n|5 x\r\n|5\r\r\n|5\rx|5\r\nhelloX|5\r\nhello\rX"
    .split("|").slice(1),
  ...["5\r\nhello\n", "5;\nx", "5;\0\r\n", "0\r\na: b\n", "0\r\n\0", "0\r\n\rx", "0\r\na\rb", "fffffffffffffff\r\n"],
  ...["00000000000005\r\nhello\r\n", `1;${"x".repeat(20_000)}\r\n`, `0\r\n${"a: b\r\n".repeat(5_000)}`],
  "1;xxxxxxxxxxxxxxxxxxxxxxxx\r\na\r\n".repeat(1_000),
];

Deno.test("decode() refuses malformed and oversized framing", () => {
  for (const text of BAD) {
    assert.throws(
      () => decodeAll([latin1(text)]),
      (error) => error instanceof UpstreamFailure && error.kind === "protocol",
      JSON.stringify(text.slice(0, 40)),
    );
  }
});

Deno.test("decode() of random bytes either works or is a protocol failure", () => {
  const random = seededRandom(2);
  const alphabet = "0123abcf;\r\n\r\n \tx";
  for (let round = 0; round < 2_000; round++) {
    const text = Array.from({ length: integer(random, 60) }, () => alphabet[integer(random, alphabet.length)]).join("");
    try {
      decodeAll(randomPieces(random, latin1(text)));
    } catch (error) {
      assert.ok(error instanceof UpstreamFailure && error.kind === "protocol", `${error}`);
    }
  }
});
