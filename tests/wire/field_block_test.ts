import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { type Fields, fieldValue } from "../../lib/http/fields.ts";
import { type FieldBlock, parseFieldBlock } from "../../lib/wire/field_block.ts";
import { WireError } from "../../lib/wire/wire_error.ts";
import { integer, seededRandom } from "../seeded_random.ts";

/** Parses lines that lie somewhere inside a buffer, with other lines around them. */
function blockOf(lines: string, maxFields = 100): FieldBlock {
  const buffer = Buffer.from(`x: y\r\nstart${lines}\r\nz: z\r\n`, "latin1");
  const start = 11;
  const end = start + Buffer.byteLength(lines, "latin1");
  const block = parseFieldBlock(
    { bytes: buffer, start, end, text: buffer.toString("latin1", 6, end + 2), textStart: 6 },
    maxFields,
  );
  // What the block needs it owns: the buffer is read into again.
  buffer.fill(0);
  return block;
}

Deno.test("header() finds names in any case and takes the white space off values", () => {
  const block = blockOf("Host: h\r\nX-EMPTY:\r\nx-odd:\t a \t b \t \r\nUser-Agent:x\r\n");
  assert.equal(block.count, 4);
  assert.equal(block.header("host"), "h");
  assert.equal(block.header("x-empty"), "");
  assert.equal(block.header("x-odd"), "a \t b");
  assert.equal(block.header("user-agent"), "x");
});

Deno.test("header() tells absent names from those of the same length and first letter", () => {
  const block = blockOf("Accept: a\r\nX-Forwarded-For: b\r\nConnection: c\r\n");
  for (const name of ["accept-x", "access", "expect", "x-forwarded-foo", "content-md5", "convection", "x", "", "a"]) {
    assert.equal(block.header(name), null, name);
  }
  // Lengths are told apart modulo 32 at first.
  assert.equal(block.header("a".repeat(6 + 32)), null);
});

Deno.test("header() tells apart the characters that differ from a letter's case only by chance", () => {
  const block = blockOf("A^B: caret\r\nA~C: tilde\r\nX_Y: line\r\n");
  assert.equal(block.header("a^b"), "caret");
  assert.equal(block.header("a~b"), null);
  assert.equal(block.header("a~c"), "tilde");
  assert.equal(block.header("a^c"), null);
  assert.equal(block.header("x_y"), "line");
  assert.equal(block.header("x\x7fy"), null);
});

Deno.test("header() joins repeated lines, cookies by semicolons", () => {
  const block = blockOf("Via: a\r\nCookie: a=1\r\nvia:b\r\nX: y\r\nVIA: \r\ncookie: session=2\r\n");
  assert.equal(block.header("via"), "a, b, ");
  assert.equal(block.header("cookie"), "a=1; session=2");
});

Deno.test("list() keeps order and repeated lines, in lower case", () => {
  assert.deepEqual(blockOf("Via: a\r\nCookie: a=1\r\nvIA:\xe9\r\n").list(), [
    ["via", "a"],
    ["cookie", "a=1"],
    ["via", "\xe9"],
  ]);
  assert.deepEqual(blockOf("").list(), []);
  assert.equal(blockOf("").header("host"), null);
});

Deno.test("find() goes on behind a line", () => {
  const block = blockOf("a: 1\r\nb: 2\r\nA: 3\r\n");
  assert.deepEqual([block.find("a", 0), block.find("a", 1), block.find("a", 3), block.find("c", 0)], [0, 2, -1, -1]);
  assert.equal(block.valueOf(2), "3");
});

Deno.test("list() and header() agree on thousands of invented names, also of the same slot", () => {
  const random = seededRandom(5);
  const letters = "abcXYZ-_^~09";
  for (let round = 0; round < 400; round++) {
    const fields: Fields = Array.from({ length: 1 + integer(random, 30) }, () => {
      const name = Array.from({ length: 1 + integer(random, 40) }, () => letters[integer(random, letters.length)]).join(
        "",
      );
      return [name, `v${integer(random, 1000)}`];
    });
    const block = blockOf(fields.map(([name, value]) => `${name}: ${value}\r\n`).join(""));
    const lowered: Fields = fields.map(([name, value]) => [name.toLowerCase(), value]);
    assert.deepEqual(block.list(), lowered);
    for (const [name] of lowered) assert.equal(block.header(name), fieldValue(lowered, name));
  }
});

Deno.test("parseFieldBlock() takes as many lines as allowed and not one more", () => {
  assert.equal(blockOf("a: b\r\n".repeat(7), 7).count, 7);
  assert.throws(() => blockOf("a: b\r\n".repeat(8), 7), (error) => error instanceof WireError && error.status === 431);
});

Deno.test("parseFieldBlock() repeats nothing of what was sent in its messages", () => {
  for (const line of ["secret", "secret : v", "sec\0ret: v", "a: sec\0ret", " secret: v", ": secret", "secret\n"]) {
    assert.throws(() => blockOf(`${line}\r\n`), (error) => {
      assert.ok(error instanceof WireError);
      return error.status === 400 && !/sec|ret\b/.test(error.message);
    }, JSON.stringify(line));
  }
});
