import assert from "node:assert/strict";
import type { FieldRow, OriginRequest, Seen } from "./field_row.ts";

const REFUSED = "400, with nothing logged";

/** A request as Java's own client sends each of its own: it offers HTTP/2 in clear. */
function javaRequest(first: string, lines: readonly string[] = ["Content-Length: 0"], body = ""): string {
  const offer = ["Connection: Upgrade, HTTP2-Settings", "Host: any.test"];
  const settings = ["HTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA", "Upgrade: h2c"];
  return upgrading(first, [...offer, ...settings, "User-Agent: Java-http-client/21.0.2", ...lines], body);
}

function upgrading(first: string, lines: readonly string[], body = ""): string {
  // It is the connection that is watched, and it ends with this request.
  const closing = lines.map((line) => line.startsWith("Connection: ") ? `${line}, close` : line);
  return [`${first} HTTP/1.1`, ...closing, "", body].join("\r\n");
}

function isPlain({ fields }: OriginRequest): void {
  const hop = ["upgrade", "http2-settings", "connection", "content-length", "transfer-encoding"];
  assert.deepEqual(fields.filter(([name]) => hop.includes(name)), []);
}

function servedPlain({ responses, asked }: Seen): void {
  assert.deepEqual(responses.map(({ status }) => status), responses.map(() => 200));
  asked.forEach(isPlain);
  for (const response of responses) assert.equal(response.field("upgrade"), null);
}

/** A5: clients that offer another protocol with each request. */
export const upgradeRows: readonly FieldRow[] = [
  {
    line: "A5",
    name: "Java's own client is served, its GET stored and served from the store",
    before: REFUSED,
    fellShort: true,
    requests: [javaRequest("GET /a5/java"), javaRequest("GET /a5/java")],
    holds(seen) {
      servedPlain(seen);
      assert.equal(seen.asked.length, 1);
      assert.match(seen.responses[1]!.field("cache-status") ?? "", /; hit/);
    },
  },
  {
    line: "A5",
    name: "its POST keeps its content, and nothing else of the offer",
    before: REFUSED,
    fellShort: true,
    requests: [javaRequest("POST /a5/post", ["Content-Length: 5"], "hello")],
    holds({ responses, asked }) {
      assert.equal(responses[0]!.status, 200);
      assert.equal(asked[0]!.body, "hello");
      const names = asked[0]!.fields.map(([name]) => name);
      for (const name of ["upgrade", "http2-settings", "connection"]) assert.ok(!names.includes(name), name);
    },
  },
  {
    line: "A5",
    name: "its DELETE and HEAD with Content-Length: 0 are served",
    before: REFUSED,
    fellShort: true,
    requests: [javaRequest("DELETE /a5/delete"), javaRequest("HEAD /a5/head")],
    holds: servedPlain,
  },
  {
    line: "A5",
    name: "any other protocol is as if it had not been offered",
    before: "the same",
    fellShort: false,
    requests: ["TLS/1.0", "HTTP/2.0", "h2c, HTTP/3", "h2", "websocketx", "IRC/6.9, RTA/x11"].map((protocol, index) =>
      upgrading(`GET /a5/other/${index}`, ["Host: any.test", "Connection: Upgrade", `Upgrade: ${protocol}`])
    ),
    holds: servedPlain,
  },
  {
    line: "A5",
    name: "HTTP2-Settings goes nowhere, named by Connection or not, twice or not",
    before: "the same",
    fellShort: false,
    requests: [
      ["Connection: keep-alive", "HTTP2-Settings: AAEA", "Upgrade: h2c"],
      ["Connection: HTTP2-Settings", "HTTP2-Settings: AAEA", "HTTP2-Settings: AAEB"],
      ["Connection: upgrade", "Connection: http2-settings", "upgrade: h2c", "upgrade: H2C", "http2-settings:"],
    ].map((lines, index) => upgrading(`GET /a5/settings/${index}`, ["Host: any.test", ...lines])),
    holds: servedPlain,
  },
  {
    line: "A5",
    name: "type tmdb-api serves Java's client too",
    before: REFUSED,
    fellShort: true,
    requests: [javaRequest("GET /3/movie/11").replace("any.test", "tmdb.test")],
    holds: servedPlain,
  },
];
