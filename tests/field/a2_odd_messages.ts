import assert from "node:assert/strict";
import { asking, type FieldRow, HIGH_BYTES, type Seen } from "./field_row.ts";

/** Largest request content that host `any.test` takes. */
export const MAX_BODY_BYTES = 1_000;

const FAILED = "502 \"The upstream's answer is not valid HTTP\", a failed try in the upstream's books";

function refusedWith(status: number) {
  return ({ responses, asked }: Seen) => {
    assert.deepEqual(responses.map((response) => response.status), responses.map(() => status));
    assert.equal(asked.length, 0);
  };
}

function served(body: string) {
  return ({ responses, asked }: Seen) => {
    assert.deepEqual(responses.map(({ status }) => status), responses.map(() => 200));
    for (const one of asked) {
      assert.equal(one.body, body);
      assert.deepEqual(one.fields.filter(([name]) => name === "content-length"), [["content-length", "5"]]);
    }
    assert.equal(asked.length, responses.length);
  };
}

/** A2: what the gateway cannot write, or will not pass on. */
export const oddMessageRows: readonly FieldRow[] = [
  {
    line: "A2",
    name: "two equal Content-Length lines are one",
    before: FAILED,
    fellShort: true,
    requests: [asking("POST /a2/twice", "any.test", ["Content-Length: 5", "Content-Length: 5"], "hello")],
    holds: served("hello"),
  },
  {
    line: "A2",
    name: "a list of equal lengths is one, with any white space, and three lines too",
    before: "400 for a list; for lines 502",
    fellShort: true,
    requests: [
      asking("POST /a2/list", "any.test", ["Content-Length: 5,5"], "hello"),
      asking("PUT /a2/list", "any.test", ["Content-Length: 5 ,\t5"], "hello"),
      asking("PATCH /a2/list", "any.test", Array(3).fill("content-length:5"), "hello"),
    ],
    holds: served("hello"),
  },
  {
    line: "A2",
    name: "lengths that differ, or are no number, are 400",
    before: "400",
    fellShort: false,
    requests: ["5\r\nContent-Length: 6", "5, 6", "05, 5", "+5", "-5", "5.0", "0x5", "5;", ",5", "", "5 5"].map((
      length,
    ) => asking("POST /a2/length", "any.test", [`Content-Length: ${length}`], "hello")),
    holds: refusedWith(400),
  },
  {
    line: "A2",
    name: "Content-Length beside Transfer-Encoding is 400",
    before: "400",
    fellShort: false,
    requests: [
      asking("POST /a2/both", "any.test", ["Content-Length: 5", "Transfer-Encoding: chunked"], "0\r\n\r\n"),
      asking("POST /a2/both", "any.test", ["Transfer-Encoding: chunked", "Content-Length: 0"], "0\r\n\r\n"),
    ],
    holds: refusedWith(400),
  },
  {
    line: "A2",
    name: "bytes above ASCII in a field value reach the origin as they are",
    before: "the same",
    fellShort: false,
    requests: [asking("GET /a2/value", "any.test", [`X-Note: ${HIGH_BYTES}`])],
    holds({ responses, asked }) {
      assert.equal(responses[0]!.status, 200);
      assert.deepEqual(asked[0]!.fields.filter(([name]) => name === "x-note"), [["x-note", HIGH_BYTES.trim()]]);
    },
  },
  {
    line: "A2",
    name: "controls in a field value are 400",
    before: "400",
    fellShort: false,
    requests: ["\x00", "\x01", "\x08", "\x0b", "\x1f", "\x7f", "a\rb", "a\nb"].map((odd) =>
      asking("GET /a2/control", "any.test", [`X-Note: a${odd}b`])
    ),
    holds: refusedWith(400),
  },
  {
    line: "A2",
    name: "a field name that is no token is 400",
    before: "400",
    fellShort: false,
    requests: ["X Note: 1", "X-Note : 1", ": 1", "X-Not\xe9: 1", "X(Note): 1", " X-Note: 1", "X-Note"].map((odd) =>
      asking("GET /a2/name", "any.test", ["X-First: 1", odd])
    ),
    holds: refusedWith(400),
  },
  {
    line: "A2",
    name: "a malformed chunk is 400",
    before: "the connection was cut without an answer",
    fellShort: true,
    requests: [
      "zz\r\nhello\r\n",
      "5\nhello\r\n",
      "5\r\nhelloX\r\n0\r\n\r\n",
      "-5\r\nhello\r\n",
      "ffffffffffffffffff\r\nx",
    ].map(
      (chunk) => asking("POST /a2/chunk", "any.test", ["Transfer-Encoding: chunked"], chunk),
    ),
    holds({ responses }) {
      assert.deepEqual(responses.map(({ status }) => status), responses.map(() => 400));
    },
  },
  {
    line: "A2",
    name: "content over max_request_body is 413, announced or not",
    before: "413",
    fellShort: false,
    requests: [
      asking("POST /a2/large", "any.test", [`Content-Length: ${MAX_BODY_BYTES + 1}`], "x".repeat(MAX_BODY_BYTES + 1)),
      asking(
        "POST /a2/large",
        "any.test",
        ["Transfer-Encoding: chunked"],
        "200\r\n" + "x".repeat(512) + "\r\n200\r\n" + "x".repeat(512) + "\r\n0\r\n\r\n",
      ),
    ],
    holds({ responses }) {
      assert.deepEqual(responses.map(({ status }) => status), [413, 413]);
    },
  },
  {
    line: "A2",
    name: "a method of any name goes to the origin; CONNECT and TRACE do not",
    before: "the same",
    fellShort: false,
    requests: [
      asking("PROPFIND /a2/method", "any.test"),
      asking("x-own /a2/method", "any.test"),
      asking("TRACE /a2/method", "any.test"),
      asking("CONNECT any.test:80", "any.test:80"),
    ],
    holds({ responses, asked }) {
      assert.deepEqual(responses.slice(0, 2).map(({ status }) => status), [200, 200]);
      for (const { status } of responses.slice(2)) assert.ok(status >= 400, String(status));
      assert.deepEqual(asked.filter(({ target }) => target === "/a2/method").map(({ method }) => method), [
        "PROPFIND",
        "x-own",
      ]);
    },
  },
];
