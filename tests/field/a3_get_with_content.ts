import assert from "node:assert/strict";
import { asking, type FieldRow, type Seen, textOf } from "./field_row.ts";

const DROPPED = 'the body is dropped, and the answer to "no body" is stored and served to others';
const withBody = (target: string, body: string, lines: readonly string[] = []) =>
  asking(`GET ${target}`, "any.test", [`Content-Length: ${body.length}`, ...lines], body);

function bodiesOf({ responses, asked }: Seen) {
  assert.deepEqual(responses.map(({ status }) => status), responses.map(() => 200));
  return { sent: asked.map(({ body }) => body), got: responses.map((one) => JSON.parse(textOf(one)).body) };
}

function isHit(seen: Seen, index: number): boolean {
  return /; hit/.test(seen.responses[index]!.field("cache-status") ?? "");
}

/** A3: `GET` and `HEAD` with content. */
export const contentRows: readonly FieldRow[] = [
  {
    line: "A3",
    name: "GET goes with its body",
    before: DROPPED,
    fellShort: true,
    requests: [withBody("/a3/one", '{"q":1}')],
    holds(seen) {
      assert.deepEqual(bodiesOf(seen), { sent: ['{"q":1}'], got: ['{"q":1}'] });
    },
  },
  {
    line: "A3",
    name: "what a GET with a body is answered is not stored, neither for the same nor for others",
    before: DROPPED,
    fellShort: true,
    requests: [withBody("/a3/not", "a"), withBody("/a3/not", "a"), asking("GET /a3/not", "any.test")],
    holds(seen) {
      assert.deepEqual(bodiesOf(seen), { sent: ["a", "a", ""], got: ["a", "a", ""] });
    },
  },
  {
    line: "A3",
    name: "a stored response does not answer a GET with a body, and is served to others as before",
    before: "a hit",
    fellShort: true,
    requests: [asking("GET /a3/held", "any.test"), withBody("/a3/held", "b"), asking("GET /a3/held", "any.test")],
    holds(seen) {
      assert.deepEqual(bodiesOf(seen), { sent: ["", "b"], got: ["", "b", ""] });
      assert.ok(isHit(seen, 2));
    },
  },
  {
    line: "A3",
    name: "Content-Length: 0 is no content: stored and served",
    before: "the same",
    fellShort: false,
    requests: [withBody("/a3/zero", ""), withBody("/a3/zero", ""), asking("GET /a3/zero", "any.test")],
    holds(seen) {
      assert.equal(seen.asked.length, 1);
      assert.ok(isHit(seen, 1) && isHit(seen, 2));
    },
  },
  {
    line: "A3",
    name: "chunked content goes past the cache too",
    before: "a hit",
    fellShort: true,
    requests: [
      asking("GET /a3/chunked", "any.test"),
      asking("GET /a3/chunked", "any.test", ["Transfer-Encoding: chunked"], "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"),
    ],
    holds(seen) {
      assert.deepEqual(bodiesOf(seen).sent, ["", "abcde"]);
      assert.deepEqual(bodiesOf(seen).got, ["", "abcde"]);
    },
  },
  {
    line: "A3",
    name: "HEAD goes with its body, and tells the store nothing",
    before: "the body is dropped, the answer is a hit",
    fellShort: true,
    requests: [
      asking("GET /a3/head", "any.test"),
      asking("HEAD /a3/head", "any.test", ["Content-Length: 1"], "h"),
      asking("GET /a3/head", "any.test"),
    ],
    answer: ({ exchange, body }) =>
      exchange.reply({ fields: [["cache-control", "max-age=60"], ["etag", `"${body}"`]], body: "x" }),
    holds(seen) {
      assert.deepEqual(seen.asked.map(({ method, body }) => `${method} ${body}`), ["GET ", "HEAD h"]);
      assert.ok(isHit(seen, 2));
      assert.equal(seen.responses[2]!.field("etag"), '""');
    },
  },
  {
    line: "A3",
    name: "a client that waits for 100 Continue is told to go on",
    before: "the body is dropped",
    fellShort: true,
    requests: [withBody("/a3/expect", "e", ["Expect: 100-continue"])],
    holds(seen) {
      assert.deepEqual(bodiesOf(seen), { sent: ["e"], got: ["e"] });
    },
  },
  {
    line: "A3",
    name: "a range and conditions do not bring it back to the cache",
    before: "hits",
    fellShort: true,
    requests: [
      asking("GET /a3/range", "any.test"),
      withBody("/a3/range", "r", ["Range: bytes=0-1"]),
      withBody("/a3/range", "c", ['If-None-Match: "x"']),
    ],
    holds(seen) {
      assert.deepEqual(bodiesOf(seen), { sent: ["", "r", "c"], got: ["", "r", "c"] });
    },
  },
  {
    line: "A3",
    name: "on type tmdb-api as well",
    before: "a hit",
    fellShort: true,
    requests: [
      asking("GET /3/movie/550", "tmdb.test"),
      asking("GET /3/movie/550", "tmdb.test", ["Content-Length: 2"], "{}"),
      asking("GET /3/movie/550", "tmdb.test"),
    ],
    holds(seen) {
      assert.deepEqual(bodiesOf(seen), { sent: ["", "{}"], got: ["", "{}", ""] });
    },
  },
];
