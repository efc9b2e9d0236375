import assert from "node:assert/strict";
import { asking, ESCAPED_HIGH_BYTES, type FieldRow, HIGH_BYTES, rawBytes, type Seen, textOf } from "./field_row.ts";

const CHINESE = "%E9%BB%91%E5%AE%A2";
const FAILED = "502 \"The upstream's answer is not valid HTTP\", a failed try in the upstream's books";

function reaches(...targets: readonly string[]) {
  return ({ responses, asked }: Seen) => {
    assert.deepEqual(responses.map(({ status }) => status), responses.map(() => 200));
    assert.deepEqual(asked.map(({ target }) => target), targets);
  };
}

/** A1: raw bytes in a request's target. */
export const rawByteRows: readonly FieldRow[] = [
  {
    line: "A1",
    name: "raw UTF-8 in the query is served, and reaches the origin escaped",
    before: FAILED,
    fellShort: true,
    requests: [asking(`GET /a1/search?query=${rawBytes("黑客")}`, "any.test")],
    holds: reaches(`/a1/search?query=${CHINESE}`),
  },
  {
    line: "A1",
    name: "the raw and the escaped spelling of the same bytes are one stored response",
    before: FAILED,
    fellShort: true,
    requests: [
      asking(`GET /a1/both?query=${CHINESE}`, "any.test"),
      asking(`GET /a1/both?query=${rawBytes("黑客")}`, "any.test"),
    ],
    holds(seen) {
      reaches(`/a1/both?query=${CHINESE}`)(seen);
      assert.match(seen.responses[1]!.field("cache-status") ?? "", /; hit/);
      assert.equal(textOf(seen.responses[1]!), textOf(seen.responses[0]!));
    },
  },
  {
    line: "A1",
    name: "é (C3 A9) goes out as its two bytes",
    before: "the one byte E9: another URL, stored under it",
    fellShort: true,
    requests: [asking(`GET /a1/caf${rawBytes("é")}`, "any.test")],
    holds: reaches("/a1/caf%C3%A9"),
  },
  {
    line: "A1",
    name: "each byte from 80 to FF in the path is escaped alone",
    before: "400",
    fellShort: true,
    requests: [asking(`GET /a1/path/${HIGH_BYTES}`, "any.test")],
    holds: reaches(`/a1/path/${ESCAPED_HIGH_BYTES}`),
  },
  {
    line: "A1",
    name: "each byte from 80 to FF in the query is escaped alone",
    before: "400",
    fellShort: true,
    requests: [asking(`GET /a1/query?q=${HIGH_BYTES}`, "any.test")],
    holds: reaches(`/a1/query?q=${ESCAPED_HIGH_BYTES}`),
  },
  {
    line: "A1",
    name: "a target in absolute form is no other",
    before: "400",
    fellShort: true,
    requests: [asking(`GET http://any.test/a1/absolute/${HIGH_BYTES}?${HIGH_BYTES}`, "any.test")],
    holds: reaches(`/a1/absolute/${ESCAPED_HIGH_BYTES}?${ESCAPED_HIGH_BYTES}`),
  },
  {
    line: "A1",
    name: "bytes that are no UTF-8 are served all the same",
    before: "400",
    fellShort: true,
    requests: [asking("GET /a1/odd/\xff\xfe\xc3", "any.test")],
    holds: reaches("/a1/odd/%FF%FE%C3"),
  },
  {
    line: "A1",
    name: "raw UTF-8 is served below a prefix that is stripped, and before a base path",
    before: FAILED,
    fellShort: true,
    requests: [asking(`GET /pre/a1/${rawBytes("黑客")}`, "pre.test")],
    holds: reaches(`/base/a1/${CHINESE}`),
  },
  {
    line: "A1",
    name: "raw UTF-8 is served by a pool of type tmdb-api, one stored response with the escaped",
    before: FAILED,
    fellShort: true,
    requests: [
      asking(`GET /3/search/movie?query=${rawBytes("黑客")}&api_key=${"a".repeat(32)}`, "tmdb.test"),
      asking(`GET /3/search/movie?api_key=${"a".repeat(32)}&query=${CHINESE}`, "tmdb.test"),
    ],
    holds({ responses, asked }) {
      assert.deepEqual(responses.map(({ status }) => status), [200, 200]);
      assert.equal(asked.length, 1);
      assert.match(asked[0]!.target, /query=%E9%BB%91%E5%AE%A2/);
      assert.match(responses[1]!.field("cache-status") ?? "", /; hit/);
    },
  },
  {
    line: "A1",
    name: "controls, DEL, a space and # in a target are 400, and no upstream hears of them",
    before: "400",
    fellShort: false,
    requests: ["\x00", "\x01", "\x1f", "\x7f", "\t", "a b", "#x"].map((odd) => asking(`GET /a1/${odd}`, "any.test")),
    holds({ responses, asked }) {
      assert.deepEqual(responses.map(({ status }) => status), responses.map(() => 400));
      assert.equal(asked.length, 0);
    },
  },
];
