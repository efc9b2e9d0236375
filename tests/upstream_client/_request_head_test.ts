import assert from "node:assert/strict";
import { formatRequestHead, type HeadOptions } from "../../lib/upstream_client/_request_head.ts";
import { UpstreamFailure, type UpstreamRequest } from "../../lib/upstream_client/transport.ts";
import { request, streamed } from "./_sending.ts";

const framingOf = (method: string, lengthBytes?: number | null) =>
  formatRequestHead(request(method, "/", lengthBytes === undefined ? null : streamed([], lengthBytes)))
    .split("\r\n").slice(2, -2);

Deno.test("formatRequestHead() writes the fields in order and as they are", () => {
  const text = formatRequestHead({
    method: "GET",
    target: "/a//b?c=%2F&d=\xe9|{}",
    fields: [["host", "h:1"], ["X-Mixed", "a\tb \xff"], ["x-empty", ""]],
    body: null,
  });
  assert.equal(text, "GET /a//b?c=%2F&d=\xe9|{} HTTP/1.1\r\nhost: h:1\r\nX-Mixed: a\tb \xff\r\nx-empty: \r\n\r\n");
});

Deno.test("formatRequestHead() frames the body (RFC 9110 §8.6, RFC 9112 §6)", () => {
  assert.deepEqual(framingOf("GET"), []);
  assert.deepEqual(framingOf("DELETE"), []);
  assert.deepEqual(framingOf("POST"), ["content-length: 0"]);
  assert.deepEqual(framingOf("POST", 12), ["content-length: 12"]);
  assert.deepEqual(framingOf("DELETE", 0), ["content-length: 0"]);
  assert.deepEqual(framingOf("PUT", null), ["transfer-encoding: chunked"]);
});

Deno.test("formatRequestHead() asks for trailers and for another protocol, and names both in Connection", () => {
  const lines = (options: HeadOptions, hasBody = false) =>
    formatRequestHead(request("GET", "/", hasBody ? streamed([], 0) : null), null, options).split("\r\n").slice(2, -2);
  assert.deepEqual(lines({ wantsTrailers: true }), ["te: trailers", "connection: te"]);
  assert.deepEqual(lines({ upgrade: "websocket" }), ["upgrade: websocket", "connection: upgrade"]);
  assert.deepEqual(lines({ upgrade: "a/1", wantsTrailers: true }), [
    "upgrade: a/1",
    "te: trailers",
    "connection: upgrade, te",
  ]);
  for (const upgrade of ["", "a b", "a, b", "a/", "a\r\nx: y", "a/1/2"]) {
    assert.throws(() => lines({ upgrade }), { kind: "unsendable" }, upgrade);
  }
  assert.throws(() => lines({ upgrade: "websocket" }, true), { kind: "unsendable" });
});

function withField(name: string, value: string): UpstreamRequest {
  return { ...request(), fields: [["host", "a"], [name, value]] };
}

const BAD: UpstreamRequest[] = [
  ...["", "GE T", "GET\r\n", "G\0", "G\xe9T", "CONNECT", "GET:"].map((method) => request(method)),
  ...["", "/a b", "/\t", "/\r\nx: y", "/\n", "/\0", "/\x7f", "/\u0100", "/\ud83d\ude00"].map((target) =>
    request("GET", target)
  ),
  ...["", "a b", "a:", "a\r\n", "a\0", "\xe9", "\u0100"].map((name) => withField(name, "v")),
  ...["a\r\nb: c", "a\rb", "a\nb", "\0", "\x01", "\x7f", "\u0100", "\u2028"].map((value) => withField("x", value)),
  ...["connection", "Content-Length", "TRANSFER-ENCODING", "upgrade", "te", "trailer", "keep-alive"].map((name) =>
    withField(name, "1")
  ),
  withField("host", "b"),
  withField("HOST", "b"),
  { ...request(), fields: [] },
  ...[-1, 1.5, NaN, 2 ** 60].map((lengthBytes) => request("POST", "/", streamed([], lengthBytes))),
];

Deno.test("formatRequestHead() refuses all that could split or blur a request, before anything is sent", () => {
  for (const bad of BAD) {
    assert.throws(
      () => formatRequestHead(bad),
      (error) => error instanceof UpstreamFailure && error.kind === "unsendable" && !error.requestSent,
      JSON.stringify(bad),
    );
  }
});

Deno.test("formatRequestHead() does not put a refused value, which may be a secret, into its message", () => {
  assert.throws(() => formatRequestHead(withField("authorization", "Bearer s3cr\0t")), (error) => {
    assert.ok(error instanceof UpstreamFailure && error.message.includes("authorization"));
    return !error.message.includes("s3cr");
  });
});

Deno.test("formatRequestHead() writes the absolute form and the credentials for a proxy (RFC 9112 §3.2.2)", () => {
  const proxy = { authority: "upstream.example", authorization: "Basic eA==" };
  const head = (method: string, target: string) => formatRequestHead(request(method, target), proxy);
  assert.equal(
    head("GET", "/a?b"),
    "GET http://upstream.example/a?b HTTP/1.1\r\nhost: upstream.example\r\nproxy-authorization: Basic eA==\r\n\r\n",
  );
  assert.match(head("OPTIONS", "*"), /^OPTIONS http:\/\/upstream\.example HTTP\/1\.1\r\n/);
  assert.throws(() => formatRequestHead(request(), { ...proxy, authority: "other.example" }), /another Host/);
  const own = {
    ...request(),
    fields: [["host", "upstream.example"], ["proxy-authorization", "x"]] as [string, string][],
  };
  assert.throws(() => formatRequestHead(own, proxy), /belongs to the connection/);
});
