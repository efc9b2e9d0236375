import assert from "node:assert/strict";
import { latin1, RawClient } from "./raw_client.ts";
import { chunksOf, ends, readText, reply, serving, textReply } from "./serving.ts";

const GET = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

function get(target: string, fields = ""): string {
  return `GET ${target} HTTP/1.1\r\nHost: a\r\n${fields}\r\n`;
}

Deno.test("a connection serves one request after the other", async () => {
  await using running = await serving(({ target }) => textReply(target));
  using client = await RawClient.to(running.address);
  for (const target of ["/1", "/2", "/3"]) {
    await client.send(get(target));
    const response = await client.response();
    assert.equal(response.body, target);
    assert.equal(response.field("connection"), undefined);
  }
  assert.equal(running.server.counts.accepted, 1);
  assert.equal(running.server.counts.requests, 3);
});

Deno.test("a reply has the lines that it was given, a Date and a length", async () => {
  const nowMs = Date.UTC(2026, 0, 2, 3, 4, 5, 678);
  await using running = await serving(
    () => textReply("hello", { fixed: latin1("X-One: \xe91\r\n"), lines: "X-Two: \xff2\r\n" }),
    { clock: { now: () => nowMs } },
  );
  using client = await RawClient.to(running.address);
  await client.send(GET);
  assert.equal(
    await client.takeUntil("\r\n\r\n"),
    "HTTP/1.1 200 OK\r\nX-One: \xe91\r\nX-Two: \xff2\r\nDate: Fri, 02 Jan 2026 03:04:05 GMT\r\nContent-Length: 5",
  );
  assert.equal(await client.take(5), "hello");
});

Deno.test("a character that is no byte cannot end a line of a reply", async () => {
  await using running = await serving(() => reply({ lines: "x: a\u010d\u010ab: c\u0a0d\r\n" }));
  using client = await RawClient.to(running.address);
  await client.send(GET);
  assert.match(await client.takeUntil("\r\n\r\n"), /^HTTP\/1.1 200 OK\r\nx: a\?\?b: c\?\r\nDate/);
});

Deno.test("a reply that has a Date gets no other, and one without content has length 0", async () => {
  await using running = await serving(() => reply({ hasDate: true, lines: "date: then\r\n" }));
  using client = await RawClient.to(running.address);
  await client.send(GET);
  assert.equal(await client.takeUntil("\r\n\r\n"), "HTTP/1.1 200 OK\r\ndate: then\r\nContent-Length: 0");
});

Deno.test("pipelined requests are answered in order, whatever their handlers take", async () => {
  const first = Promise.withResolvers<void>();
  const asked: string[] = [];
  await using running = await serving(async ({ target }) => {
    asked.push(target);
    if (target === "/1") await first.promise;
    return textReply(target);
  });
  using client = await RawClient.to(running.address);
  await client.send(get("/1") + get("/2") + get("/3"));
  await client.send(get("/4"));
  first.resolve();
  for (const target of ["/1", "/2", "/3", "/4"]) assert.equal((await client.response()).body, target);
  assert.deepEqual(asked, ["/1", "/2", "/3", "/4"]);
});

Deno.test("as many requests are read ahead as may wait; the others wait in the socket, and all are answered", async () => {
  const first = Promise.withResolvers<void>();
  await using running = await serving(async ({ target }) => {
    if (target === "/0") await first.promise;
    return textReply(target);
  }, { limits: { pipeline: 3 } });
  using client = await RawClient.to(running.address);
  await client.send(get("/0"));
  // Much more than would fit were it all read.
  const padding = `x: ${"y".repeat(600)}\r\n`;
  const sent = client.send(Array.from({ length: 400 }, (_, at) => get(`/${at + 1}`, padding)).join(""));
  while (running.server.counts.pipelineFull === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  first.resolve();
  for (let at = 0; at <= 400; at++) assert.equal((await client.response()).body, `/${at}`);
  await sent;
});

Deno.test("HEAD gets the same fields as GET, and no content", async () => {
  const handler = ({ target }: { target: string }) => {
    if (target === "/bytes") return textReply("hello");
    if (target === "/length") return reply({ lengthBytes: 7, body: chunksOf("content") });
    return reply({ body: chunksOf("content") });
  };
  await using running = await serving(handler);
  using client = await RawClient.to(running.address);
  const heads: string[] = [];
  for (const target of ["/bytes", "/length", "/stream"]) {
    await client.send(`HEAD ${target} HTTP/1.1\r\nHost: a\r\n\r\n`);
    const { field, status } = await client.response("HEAD");
    assert.equal(status, 200);
    heads.push(`${field("content-length")} ${field("transfer-encoding")}`);
  }
  assert.deepEqual(heads, ["5 undefined", "7 undefined", "undefined undefined"]);
  await client.send(get("/bytes"));
  assert.equal((await client.response()).body, "hello");
});

Deno.test("HEAD of a length known without the content gets it", async () => {
  await using running = await serving(() => reply({ lengthBytes: 12_345 }));
  using client = await RawClient.to(running.address);
  await client.send("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n" + "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
  assert.equal((await client.response("HEAD")).field("content-length"), "12345");
  assert.equal((await client.response("HEAD")).field("content-length"), "12345");
});

for (const status of [204, 304]) {
  Deno.test(`${status} has neither content nor framing, and its source is given up`, async () => {
    const body = chunksOf("content");
    const end = ends();
    await using running = await serving(({ target }) =>
      target === "/next" ? textReply("next") : reply({ status, body, lengthBytes: 7, onEnd: end.onEnd })
    );
    using client = await RawClient.to(running.address);
    await client.send(GET + get("/next"));
    const { head, field } = await client.response();
    assert.match(head, new RegExp(`^HTTP/1.1 ${status} `));
    assert.equal(field("content-length"), undefined);
    assert.equal(field("transfer-encoding"), undefined);
    assert.equal((await client.response()).body, "next");
    assert.equal(body.isCancelled, true);
    assert.deepEqual(end.all, [{ bytes: 0, aborted: false, error: null }]);
  });
}

Deno.test("a client that asks for the end of the connection gets it, whatever else it sent", async () => {
  await using running = await serving(({ target }) => textReply(target));
  using client = await RawClient.to(running.address);
  await client.send(get("/1", "Connection: close\r\n") + get("/2"));
  const response = await client.response();
  assert.equal(response.field("connection"), "close");
  assert.equal(await client.rest(), "");
  assert.equal(running.server.counts.requests, 1);
});

Deno.test("a reply that ends the connection does", async () => {
  await using running = await serving(({ target }) => textReply(target, { closes: true }));
  using client = await RawClient.to(running.address);
  await client.send(get("/1"));
  assert.equal((await client.response()).field("connection"), "close");
  assert.equal(await client.rest(), "");
});

Deno.test("HTTP/1.0 ends with its reply, unless the client asks for more", async () => {
  await using running = await serving(({ target, minor }) => textReply(`${target} ${minor}`));
  using client = await RawClient.to(running.address);
  await client.send("GET /1 HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n");
  const kept = await client.response();
  assert.equal(kept.field("connection"), "keep-alive");
  assert.equal(kept.body, "/1 0");
  await client.send("GET /2 HTTP/1.0\r\n\r\n");
  const last = await client.response();
  assert.equal(last.field("connection"), "close");
  assert.equal(last.body, "/2 0");
  assert.equal(await client.rest(), "");
});

Deno.test("HTTP/1.0 gets content of unknown length up to the end of the connection", async () => {
  await using running = await serving(() => reply({ body: chunksOf("one ", "two") }));
  using client = await RawClient.to(running.address);
  await client.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  const response = await client.response();
  assert.equal(response.field("transfer-encoding"), undefined);
  assert.equal(response.field("content-length"), undefined);
  assert.equal(response.field("connection"), "close");
  assert.equal(response.body, "one two");
});

Deno.test("requests are served the same however they are split", async () => {
  const message = "POST /p?q HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nx-y: \xfcz\r\n\r\nhello" +
    "POST /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x\r\nde\r\n0\r\nx-t: 1\r\n\r\n" +
    get("/3");
  await using running = await serving(async ({ method, target, fields, body }) => {
    const text = await readText(body);
    return textReply([method, target, fields.header("x-y"), text, JSON.stringify(body?.trailers ?? null)].join(" "));
  });
  for (let at = 0; at <= message.length; at++) {
    using client = await RawClient.to(running.address);
    await client.send(message.slice(0, at));
    // Only what was received apart is read apart.
    await new Promise((resolve) => setTimeout(resolve, 0));
    await client.send(message.slice(at));
    assert.equal((await client.response()).body, "POST /p?q \xfcz hello null", `split at ${at}`);
    assert.equal((await client.response()).body, 'POST /c  abcde [["x-t","1"]]', `split at ${at}`);
    assert.equal((await client.response()).body, "GET /3   null", `split at ${at}`);
  }
});

Deno.test("requests are served byte by byte", async () => {
  await using running = await serving(async ({ target, body }) => textReply(`${target} ${await readText(body)}`));
  using client = await RawClient.to(running.address);
  for (const byte of "POST /p HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n") {
    await client.send(byte);
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
  assert.equal((await client.response()).body, "/p abc");
});

Deno.test("heads of every size are read, and the next request after each", async () => {
  await using running = await serving(({ fields }) => textReply(String(fields.header("x")?.length)));
  using client = await RawClient.to(running.address);
  for (const size of [1, 1400, 1500, 1536, 1537, 4000, 4096, 8000, 16_000, 32_000]) {
    await client.send(get("/", `x: ${"y".repeat(size)}\r\n`) + get("/"));
    assert.equal((await client.response()).body, String(size));
    assert.equal((await client.response()).body, "undefined");
  }
});

Deno.test("a handler that throws is answered with 500, and said to the owner", async () => {
  await using running = await serving(({ target }) => {
    if (target === "/sync") throw new Error("sync");
    return Promise.reject(new Error("async"));
  });
  for (const target of ["/sync", "/async"]) {
    using client = await RawClient.to(running.address);
    await client.send(get(target));
    const response = await client.response();
    assert.equal(response.status, 500);
    assert.equal(response.field("connection"), "close");
    assert.equal(await client.rest(), "");
  }
  assert.deepEqual(running.faults.map(String), ["Error: sync", "Error: async"]);
  assert.equal(running.server.counts.faults, 2);
});

Deno.test("a reply that cannot be sent is answered with 500", async () => {
  const wrong = [
    reply({ status: 99 }),
    reply({ status: 101 }),
    reply({ status: 600 }),
    textReply("four", { lengthBytes: 3 }),
    textReply("four", { lengthBytes: 5 }),
    reply({ lengthBytes: 5 }),
  ];
  for (const [at, made] of wrong.entries()) {
    const end = ends();
    await using running = await serving(() => ({ ...made, onEnd: end.onEnd }));
    using client = await RawClient.to(running.address);
    await client.send(GET);
    assert.equal((await client.response()).status, 500, `reply ${at}`);
    assert.match(String((await end.first).error), /Cannot send a reply/);
    assert.equal(end.all.length, 1);
    assert.equal(running.faults.length, 1);
  }
});
