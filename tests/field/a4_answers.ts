import assert from "node:assert/strict";
import { asking, type FieldRow, type Seen, textOf } from "./field_row.ts";

function statuses({ responses }: Seen): number[] {
  return responses.map(({ status }) => status);
}

function targets({ asked }: Seen): string[] {
  return asked.map(({ method, target }) => `${method} ${target}`);
}

/** A4: what is answered, and where a request goes. */
export const answerRows: readonly FieldRow[] = [
  {
    line: "A4",
    name: "a stalled upload is 408",
    before: '502 "The upstream cannot be reached"',
    fellShort: true,
    requests: [
      asking("POST /a4/stalled", "any.test", ["Content-Length: 10"], "hello"),
      asking("PUT /a4/stalled", "any.test", ["Transfer-Encoding: chunked"], "5\r\nhello\r\n"),
      asking("POST /a4/stalled", "any.test", ["Content-Length: 10"]),
      asking("POST /3/account/1/favorite", "tmdb.test", ["Content-Length: 10"], "{"),
    ],
    holds: (seen) => assert.deepEqual(statuses(seen), [408, 408, 408, 408]),
  },
  {
    line: "A4",
    name: "a transfer coding that is not chunked alone is 501",
    before: "gzip, chunked and the like 200, the coding passed by; others 400",
    fellShort: true,
    requests: ["gzip, chunked", "gzip", "identity", "x-own,chunked", "deflate\r\nTransfer-Encoding: chunked"].map((
      coding,
    ) => asking("POST /a4/coding", "any.test", [`Transfer-Encoding: ${coding}`], "0\r\n\r\n")),
    holds(seen) {
      assert.deepEqual(statuses(seen), [501, 501, 501, 501, 501]);
      assert.equal(seen.asked.length, 0);
    },
  },
  {
    line: "A4",
    name: "OPTIONS * goes as * to the listener with prefix / of that host",
    before: "OPTIONS /* reached the origin",
    fellShort: true,
    requests: [asking("OPTIONS *", "any.test")],
    holds(seen) {
      assert.deepEqual(statuses(seen), [200]);
      assert.deepEqual(targets(seen), ["OPTIONS *"]);
    },
  },
  {
    line: "A4",
    name: "OPTIONS * is 204 by the gateway where that host has no such listener",
    before: '404 "No listener serves /*"; 400 without Host',
    fellShort: true,
    requests: [asking("OPTIONS *", "pre.test"), asking("OPTIONS *", "other.test"), "OPTIONS * HTTP/1.0\r\n\r\n"],
    holds(seen) {
      assert.deepEqual(statuses(seen), [204, 204, 204]);
      assert.equal(seen.asked.length, 0);
    },
  },
  {
    line: "A4",
    name: "/pre, stripped, is /base; /pre/ is /base/; each stored for itself",
    before: "/base/ for both",
    fellShort: true,
    requests: ["/pre", "/pre/", "/pre", "/pre/", "/pre?a=1", "/pre/?a=1", "/pre/x"].map((target) =>
      asking(`GET ${target}`, "pre.test")
    ),
    holds(seen) {
      assert.deepEqual(statuses(seen), Array(7).fill(200));
      assert.deepEqual(
        targets(seen),
        ["/base", "/base/", "/base?a=1", "/base/?a=1", "/base/x"].map((one) => `GET ${one}`),
      );
      assert.equal(JSON.parse(textOf(seen.responses[2]!)).target, "/base");
      assert.equal(JSON.parse(textOf(seen.responses[3]!)).target, "/base/");
    },
  },
  {
    line: "A4",
    name: "/pre, stripped, is / where there is no base path, and one stored response with /pre/",
    before: "the same",
    fellShort: false,
    requests: ["/pre", "/pre/"].map((target) => asking(`GET ${target}`, "bare.test")),
    holds(seen) {
      assert.deepEqual(statuses(seen), [200, 200]);
      assert.deepEqual(targets(seen), ["GET /"]);
    },
  },
  {
    line: "A4",
    name: "a port that is none is 400",
    before: "99999 and 65536 were served",
    fellShort: true,
    requests: [
      ...["any.test:99999", "any.test:65536", "any.test:x", "any.test:-1", "[::1]:65536"].map((host) =>
        asking("GET /a4/port", host)
      ),
      asking("GET http://any.test:99999/a4/port", "any.test"),
    ],
    holds(seen) {
      assert.deepEqual(statuses(seen), Array(6).fill(400));
      assert.equal(seen.asked.length, 0);
    },
  },
  {
    line: "A4",
    name: "HTTP/1.0 without Host is served",
    before: "400",
    fellShort: true,
    requests: ["GET /nameless/a4 HTTP/1.0\r\n\r\n", "GET http://any.test/a4/absolute HTTP/1.0\r\n\r\n"],
    holds(seen) {
      assert.deepEqual(statuses(seen), [200, 200]);
      assert.deepEqual(targets(seen), ["GET /nameless/a4", "GET /a4/absolute"]);
    },
  },
  {
    line: "A4",
    name: "HTTP/1.0 without Host is served by /health and /ready of the admin address",
    before: "the same",
    fellShort: false,
    isAdmin: true,
    requests: ["/health", "/ready"].map((path) => `GET ${path} HTTP/1.0\r\n\r\n`),
    holds: (seen) => assert.deepEqual(statuses(seen), [200, 200]),
  },
  {
    line: "A4",
    name: "HTTP/1.1 without Host, or with two, is 400",
    before: "400",
    fellShort: false,
    requests: [
      "GET /a4/host HTTP/1.1\r\nConnection: close\r\n\r\n",
      asking("GET /a4/host", "any.test", ["Host: any.test"]),
      asking("GET /a4/host", "user@any.test"),
      asking("GET /a4/host", "any.test/a"),
    ],
    holds(seen) {
      assert.deepEqual(statuses(seen), [400, 400, 400, 400]);
      assert.equal(seen.asked.length, 0);
    },
  },
];
