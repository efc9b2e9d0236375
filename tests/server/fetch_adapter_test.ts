import assert from "node:assert/strict";
import { Hono } from "hono";
import { fetchHandler, replyResponse, requestArrival } from "../../lib/server/fetch_adapter.ts";
import type { Reply, ReplyEnd } from "../../lib/server/reply.ts";
import type { BodySource } from "../../lib/wire/body_source.ts";
import { RawClient } from "./raw_client.ts";
import { serving } from "./serving.ts";

const CONNECTION = { peer: "192.0.2.1", scheme: "http" } as const;

function arrivalOf(url: string, init?: RequestInit) {
  return requestArrival(new Request(url, init), { connection: CONNECTION });
}

function reply(parts: Partial<Reply>): Reply {
  return { status: 200, fixed: null, lines: "", hasDate: false, lengthBytes: null, body: null, onEnd: null, ...parts };
}

/** Lends one buffer for every chunk, as a connection does. */
function lentSource(texts: readonly string[]): BodySource & { isCancelled: boolean } {
  const buffer = new Uint8Array(64);
  let next = 0;
  return {
    lengthBytes: null,
    isCancelled: false,
    read() {
      const text = texts[next++];
      if (text === undefined) return Promise.resolve(null);
      return Promise.resolve(buffer.subarray(0, new TextEncoder().encodeInto(text, buffer).written));
    },
    cancel() {
      this.isCancelled = true;
    },
  };
}

Deno.test("requestArrival() gives path and query as they stand in the URL, and the Host that it states", () => {
  const arrival = arrivalOf("http://user@gateway.test:8080/a%2Fb/?q=%20#fragment", { headers: { "X-One": "1" } });
  assert.equal(arrival.target, "/a%2Fb/?q=%20");
  assert.equal(arrival.fields.header("host"), "gateway.test:8080");
  assert.equal(arrival.fields.header("x-one"), "1");
  assert.deepEqual(arrival.fields.list(), [["host", "gateway.test:8080"], ["x-one", "1"]]);
  assert.equal(arrivalOf("http://gateway.test?q=1").target, "/?q=1");
  assert.equal(
    arrivalOf("http://gateway.test/", { headers: { host: "other.test" } }).fields.header("host"),
    "other.test",
  );
});

Deno.test("requestArrival() hands on content and the abort of its request", async () => {
  const leaving = new AbortController();
  const arrival = arrivalOf("http://a.test/", { method: "POST", body: "content", signal: leaving.signal });
  const read: string[] = [];
  for (let chunk = await arrival.body?.read(); chunk; chunk = await arrival.body?.read()) {
    read.push(new TextDecoder().decode(chunk));
  }
  assert.equal(read.join(""), "content");
  assert.equal(arrival.isGone, false);
  leaving.abort();
  assert.equal(arrival.isGone, true);
  assert.equal(arrival.signal.aborted, true);
  assert.equal(arrivalOf("http://a.test/").body, null);
});

Deno.test("replyResponse() joins both sorts of field lines and the content in memory", async () => {
  const ends: ReplyEnd[] = [];
  const fixed = new TextEncoder().encode("content-type: text/plain\r\nset-cookie: a=1\r\n");
  const body = [new TextEncoder().encode("one "), new TextEncoder().encode("two")];
  const response = replyResponse(
    reply({ fixed, lines: "set-cookie: b=2\r\nage: 3\r\n", lengthBytes: 7, body, onEnd: (end) => ends.push(end) }),
    "GET",
  );
  assert.deepEqual([...response.headers], [
    ["age", "3"],
    ["content-length", "7"],
    ["content-type", "text/plain"],
    ["set-cookie", "a=1"],
    ["set-cookie", "b=2"],
  ]);
  assert.equal(await response.text(), "one two");
  assert.deepEqual(ends, [{ bytes: 7, aborted: false, error: null }]);
});

Deno.test("replyResponse() takes content out of shared memory", async () => {
  const body = new Uint8Array(new SharedArrayBuffer(3));
  body.set([97, 98, 99]);
  assert.equal(await replyResponse(reply({ body, lengthBytes: 3 }), "GET").text(), "abc");
});

Deno.test("replyResponse() copies what a source lends and says when it ended", async () => {
  const ends: ReplyEnd[] = [];
  const response = replyResponse(reply({ body: lentSource(["aa", "", "bbb"]), onEnd: (end) => ends.push(end) }), "GET");
  assert.equal(await response.text(), "aabbb");
  assert.deepEqual(ends, [{ bytes: 5, aborted: false, error: null }]);
});

Deno.test("replyResponse() cancels the source of a reader that leaves, and says so", async () => {
  const ends: ReplyEnd[] = [];
  const body = lentSource(["aa", "bb"]);
  const reader = replyResponse(reply({ body, onEnd: (end) => ends.push(end) }), "GET").body!.getReader();
  await reader.read();
  await reader.cancel();
  assert.equal(body.isCancelled, true);
  assert.deepEqual(ends, [{ bytes: 2, aborted: true, error: null }]);
});

Deno.test("replyResponse() never passes a wrong length for a whole response", async () => {
  const short = replyResponse(reply({ body: lentSource(["aa"]), lengthBytes: 3 }), "GET");
  await assert.rejects(short.text(), /2 bytes, stated 3/);
  const long = replyResponse(reply({ body: lentSource(["aa", "bb"]), lengthBytes: 3 }), "GET");
  await assert.rejects(long.text(), /4 bytes, stated 3/);
  const memory = replyResponse(reply({ body: new Uint8Array(2), lengthBytes: 3 }), "GET");
  await assert.rejects(memory.bytes(), /2 bytes, stated 3/);
});

Deno.test("replyResponse() leaves the content out where method or status have none", async () => {
  const body = lentSource(["aa"]);
  const head = replyResponse(reply({ body, lengthBytes: 2 }), "HEAD");
  assert.equal(head.headers.get("content-length"), "2");
  assert.equal(await head.text(), "");
  assert.equal(body.isCancelled, true);
  for (const status of [204, 304]) {
    const response = replyResponse(reply({ status, body: new Uint8Array(2), lengthBytes: 2 }), "GET");
    assert.equal(response.headers.get("content-length"), null);
    assert.equal(await response.text(), "");
  }
});

Deno.test("replyResponse() closes a tunnel and answers 501", () => {
  let isClosed = false;
  const stream = {
    read: () => Promise.resolve(null),
    write: (bytes: Uint8Array) => Promise.resolve(bytes.length),
    closeWrite: () => Promise.resolve(),
    close: () => void (isClosed = true),
  };
  assert.equal(
    replyResponse(reply({ status: 101, tunnel: { protocol: "websocket", stream, idleMs: 1 } }), "GET").status,
    501,
  );
  assert.equal(isClosed, true);
});

Deno.test("fetchHandler() gives the function a Request and its Response back as a reply", async () => {
  const handler = fetchHandler(async (request, connection) => {
    const text = `${request.method} ${request.url} ${connection.peer} ${await request.text()}`;
    return new Response(text, { status: 201, headers: [["x-two", "2"], ["set-cookie", "a=1"], ["set-cookie", "b=2"]] });
  });
  const made = await handler(arrivalOf("http://a.test/p?q", { method: "PUT", body: "in" }));
  assert.equal(made.status, 201);
  const text = "PUT http://a.test/p?q 192.0.2.1 in";
  assert.equal(made.lengthBytes, text.length);
  const response = replyResponse(made, "PUT");
  assert.equal(await response.text(), text);
  assert.deepEqual(response.headers.getSetCookie(), ["a=1", "b=2"]);
});

Deno.test("fetchHandler() streams what does not end at once", async () => {
  const pulled = Promise.withResolvers<void>();
  const handler = fetchHandler(() =>
    new Response(
      new ReadableStream({
        start: (controller) => controller.enqueue(new TextEncoder().encode("first ")),
        async pull(controller) {
          await pulled.promise;
          controller.enqueue(new TextEncoder().encode("second"));
          controller.close();
        },
      }),
    )
  );
  const made = await handler(arrivalOf("http://a.test/"));
  assert.equal(made.lengthBytes, null);
  pulled.resolve();
  assert.equal(await replyResponse(made, "GET").text(), "first second");
});

Deno.test("fetchHandler() refuses methods and targets that no Request can have", async () => {
  const handler = fetchHandler(() => new Response("never"));
  const arrival = arrivalOf("http://a.test/");
  const asked = (parts: { method?: string; target?: string }) => handler({ ...membersOf(arrival), ...parts });
  assert.equal((await asked({ method: "CONNECT" })).status, 501);
  assert.equal((await asked({ method: "trace" })).status, 501);
  assert.equal((await asked({ target: "a.test:443" })).status, 400);
  assert.equal((await asked({ target: "*", method: "OPTIONS" })).status, 200);
});

function membersOf(arrival: ReturnType<typeof arrivalOf>) {
  const { method, target, minor, fields, body, connection, signal, isGone } = arrival;
  return { method, target, minor, fields, body, connection, signal, isGone, interim() {} };
}

Deno.test("fetchHandler() serves an app of Hono behind the server", async () => {
  const app = new Hono();
  app.get("/json", (context) => context.json({ query: context.req.query("q") }));
  app.post("/echo", async (context) => context.text(`${context.req.header("x-one")} ${await context.req.text()}`));
  await using running = await serving(fetchHandler((request) => app.fetch(request)));
  using client = await RawClient.to(running.address);
  await client.send("GET /json?q=1 HTTP/1.1\r\nHost: a\r\n\r\n");
  const json = await client.response();
  assert.equal(json.body, '{"query":"1"}');
  assert.equal(json.field("content-length"), "13");
  assert.match(json.field("content-type") ?? "", /json/);
  await client.send(
    "POST /echo HTTP/1.1\r\nHost: a\r\nX-One: \xe9\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
  );
  assert.equal((await client.response()).body, "\xc3\xa9 abc");
  await client.send("HEAD /json HTTP/1.1\r\nHost: a\r\n\r\nGET /none HTTP/1.1\r\nHost: a\r\n\r\n");
  assert.equal((await client.response("HEAD")).status, 200);
  assert.equal((await client.response()).status, 404);
});

Deno.test("fetchHandler() ends the stream of a client that leaves, and aborts its request", async () => {
  const ended = Promise.withResolvers<void>();
  const aborted = Promise.withResolvers<void>();
  await using running = await serving(fetchHandler(({ signal }) => {
    signal.addEventListener("abort", () => aborted.resolve());
    return new Response(
      new ReadableStream({
        async pull(controller) {
          await new Promise((resolve) => setTimeout(resolve, 1));
          controller.enqueue(new TextEncoder().encode("data: x\n\n"));
        },
        cancel: () => ended.resolve(),
      }),
      { headers: { "content-type": "text/event-stream" } },
    );
  }));
  const client = await RawClient.to(running.address);
  await client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  await client.takeUntil("data: x\n\n");
  client[Symbol.dispose]();
  await ended.promise;
  await aborted.promise;
});
