import assert from "node:assert/strict";
import { answering, latin1, RawServer } from "./_raw_server.ts";
import { eventually, exchange, failureOf, PATIENT, request, streamed, transportTo } from "./_sending.ts";

const OK = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

Deno.test("send() writes the request byte for byte and reads status, fields and body", async () => {
  let head = "";
  await using server = new RawServer(async (connection) => {
    head = (await connection.readRequest())?.head ?? "";
    await connection.write("HTTP/1.1 201 Made\r\nX-One: a\r\nX-ONE:\t b\xe9 \r\nContent-Length: 3\r\n\r\nabc");
  });
  const transport = transportTo(server.url);
  const response = await transport.send({
    method: "GET",
    target: "/3//a%2fb?x=1&y=%E9\xe9",
    fields: [["host", "upstream.example"], ["x-latin", "caf\xe9"], ["x-empty", ""]],
    body: null,
  }, { deadlines: PATIENT });
  assert.equal(response.status, 201);
  assert.deepEqual(response.fields, [["x-one", "a"], ["x-one", "b\xe9"], ["content-length", "3"]]);
  assert.equal(response.body.lengthBytes, 3);
  assert.deepEqual(await response.body.read(), latin1("abc"));
  assert.equal(await response.body.read(), null);
  transport.close();
  assert.equal(head, "GET /3//a%2fb?x=1&y=%E9\xe9 HTTP/1.1\r\nhost: upstream.example\r\nx-latin: caf\xe9\r\nx-empty: ");
});

Deno.test("send() reuses one connection for requests in turn", async () => {
  await using server = answering(OK);
  const transport = transportTo(server.url);
  for (let turn = 0; turn < 20; turn++) assert.deepEqual(await exchange(transport), [200, "ok"]);
  assert.equal(server.accepted, 1);
  assert.deepEqual(transport.stats(), { open: 1, idle: 1 });
  transport.close();
  assert.deepEqual(transport.stats(), { open: 0, idle: 0 });
});

const BODIES: [
  name: string,
  method: string,
  response: string,
  text: string,
  lengthBytes: number | null,
  kept: boolean,
][] = [
  ["a length", "GET", OK, "ok", 2, true],
  ["a length of 0", "GET", "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", "", 0, true],
  [
    "chunks",
    "GET",
    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n1;x=y\r\nc\r\n0\r\nt: 1\r\n\r\n",
    "abc",
    null,
    true,
  ],
  ["HEAD", "HEAD", "HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n", "", 0, true],
  ["304", "GET", "HTTP/1.1 304 Not Modified\r\ncontent-length: 1000\r\n\r\n", "", 0, true],
  ["204", "GET", "HTTP/1.1 204 No Content\r\n\r\n", "", 0, true],
  ["204 that announces a body", "GET", "HTTP/1.1 204 No Content\r\ncontent-length: 2\r\n\r\n", "", 0, false],
  ["close asked for", "GET", "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok", "ok", 2, false],
  ["HTTP/1.0", "GET", "HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok", "ok", 2, false],
  [
    "HTTP/1.0 kept alive",
    "GET",
    "HTTP/1.0 200 OK\r\nconnection: Keep-Alive\r\ncontent-length: 2\r\n\r\nok",
    "ok",
    2,
    true,
  ],
  ["bytes behind the body", "GET", `${OK}!`, "ok", 2, false],
  [
    "interim responses",
    "GET",
    `HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n${OK}`,
    "ok",
    2,
    true,
  ],
];

for (const [name, method, response, text, lengthBytes, isKept] of BODIES) {
  Deno.test(`send() ends the body right and ${isKept ? "keeps" : "closes"} the connection: ${name}`, async () => {
    await using server = answering(response);
    const transport = transportTo(server.url);
    const { body } = await transport.send(request(method), { deadlines: PATIENT });
    assert.equal(body.lengthBytes, lengthBytes);
    assert.equal(new TextDecoder().decode(await body.readAll(100)), text);
    assert.equal(transport.stats().open, isKept ? 1 : 0);
    transport.close();
  });
}

Deno.test("send() reads a body that the connection's end ends", async () => {
  await using server = new RawServer(async (connection) => {
    await connection.readRequest();
    await connection.write("HTTP/1.1 200 OK\r\n\r\n");
    await connection.write("a".repeat(100_000));
  });
  const transport = transportTo(server.url);
  assert.deepEqual(await exchange(transport), [200, "a".repeat(100_000)]);
  transport.close();
});

Deno.test("send() carries request bodies with a length and chunked", async () => {
  const seen: string[] = [];
  await using server = new RawServer(async (connection) => {
    for (let got = await connection.readRequest(); got !== null; got = await connection.readRequest()) {
      const isChunked = got.head.includes("transfer-encoding: chunked");
      seen.push(isChunked ? await connection.readUntil((text) => text.endsWith("0\r\n\r\n")) ?? "" : got.body);
      await connection.write(OK);
    }
  });
  const transport = transportTo(server.url);
  const chunks = () => [latin1("hello "), new Uint8Array(0), latin1("world")];
  await exchange(transport, request("POST", "/", streamed(chunks(), 11)));
  await exchange(transport, request("POST", "/", streamed(chunks(), null)));
  assert.deepEqual(seen, ["hello world", "6\r\nhello \r\n5\r\nworld\r\n0\r\n\r\n"]);
  assert.equal(server.accepted, 1);
  transport.close();
});

Deno.test("send() sends a GET again when its reused connection has died, and reports a POST", async () => {
  await using server = new RawServer(async (connection) => {
    await connection.readRequest();
    await connection.write(OK);
    await connection.readRequest(); // and closes without an answer
  });
  const transport = transportTo(server.url);
  await exchange(transport);
  assert.deepEqual(await exchange(transport), [200, "ok"]);
  assert.equal(server.accepted, 2);
  const failure = await failureOf(transport.send(request("POST"), { deadlines: PATIENT }), "reset");
  assert.equal(failure.requestSent, true);
  transport.close();
});

Deno.test("send() notices at once that an idle connection was closed", async () => {
  await using server = answering(OK);
  const transport = transportTo(server.url);
  await exchange(transport);
  server.closeConnections();
  await eventually(() => transport.stats().open === 0);
  transport.close();
});

Deno.test("send() refuses what could split a request before it connects", async () => {
  const transport = transportTo(new URL("http://127.0.0.1:1"));
  const bad = [
    { ...request(), method: "GE T" },
    { ...request(), target: "/a b" },
    { ...request(), target: "/a\r\nx: y" },
    { ...request(), target: "/\u0100" },
    { ...request(), fields: [] },
    ...[["x", "a\r\nb: c"], ["x", "\0"], ["x", "\u0100"], ["x y", "a"], ["", "a"], ["Content-Length", "3"], [
      "host",
      "b",
    ]]
      .map(([name = "", value = ""]) => ({
        ...request(),
        fields: [["host", "a"] as [string, string], [name, value] as [string, string]],
      })),
  ];
  for (const request of bad) {
    const failure = await failureOf(transport.send(request, { deadlines: PATIENT }), "protocol");
    assert.equal(failure.requestSent, false);
  }
  transport.close();
});
