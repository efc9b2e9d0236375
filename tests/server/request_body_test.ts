import assert from "node:assert/strict";
import type { Arrival } from "../../lib/server/arrival.ts";
import { latin1, RawClient, textOf } from "./raw_client.ts";
import { readText, reply, serving, textReply } from "./serving.ts";

const GET = "GET /next HTTP/1.1\r\nHost: a\r\n\r\n";

function post(fields: string, content = ""): string {
  return `POST / HTTP/1.1\r\nHost: a\r\n${fields}\r\n${content}`;
}

function chunked(...chunks: string[]): string {
  return chunks.map((chunk) => `${chunk.length.toString(16)}\r\n${chunk}\r\n`).join("");
}

async function echo({ target, body }: Arrival) {
  return textReply(`${target} ${body?.lengthBytes} ${await readText(body)}`);
}

Deno.test("content of a stated length and in chunks is read, and the connection goes on", async () => {
  await using running = await serving(echo);
  using client = await RawClient.to(running.address);
  await client.send(post("Content-Length: 5\r\n", "hello") + GET);
  assert.equal((await client.response()).body, "/ 5 hello");
  assert.equal((await client.response()).body, "/next undefined ");
  await client.send(post("Transfer-Encoding: chunked\r\n", chunked("he", "llo") + "0\r\n\r\n") + GET);
  assert.equal((await client.response()).body, "/ null hello");
  assert.equal((await client.response()).body, "/next undefined ");
  await client.send(post("Content-Length: 0\r\n") + GET);
  assert.equal((await client.response()).body, "/ undefined ");
  assert.equal((await client.response()).body, "/next undefined ");
});

Deno.test("large content arrives whole, in lent chunks of up to 64 KiB, and the next request behind it", async () => {
  const content = Uint8Array.from({ length: 3_000_017 }, (_, at) => at * 31 & 255);
  const text = textOf(content);
  let largest = 0;
  await using running = await serving(async ({ body }) => {
    let received = "";
    for (let chunk = await body?.read(); chunk; chunk = await body?.read()) {
      largest = Math.max(largest, chunk.length);
      received += textOf(chunk);
      // A reader that is slower than its client, so that it reads ahead.
      if (received.length < 600_000) await new Promise((resolve) => setTimeout(resolve, 1));
    }
    return textReply(received === text || body === null ? "same" : `differs: ${received.length}`);
  });
  using client = await RawClient.to(running.address);
  const pieces = Array.from({ length: 60 }, (_, at) => text.slice(at * 50_001, (at + 1) * 50_001));
  for (
    const message of [
      post(`Content-Length: ${content.length}\r\n`, text),
      post("Transfer-Encoding: chunked\r\n", `${chunked(...pieces.filter((piece) => piece !== ""))}0\r\n\r\n`),
    ]
  ) {
    const sent = client.send(message + GET);
    assert.equal((await client.response()).body, "same");
    assert.equal((await client.response()).body, "same");
    await sent;
  }
  assert.ok(largest > 16_384 && largest <= 65_600, String(largest));
});

Deno.test("100 Continue is sent when the content is read, once, and before the reply", async () => {
  const wanted = Promise.withResolvers<void>();
  await using running = await serving(async ({ body }) => {
    await wanted.promise;
    return textReply(await readText(body));
  });
  using client = await RawClient.to(running.address);
  await client.send(post("Expect: 100-continue\r\nContent-Length: 10\r\n"));
  wanted.resolve();
  assert.equal(await client.takeUntil("\r\n\r\n"), "HTTP/1.1 100 Continue");
  await client.send("hello");
  await client.send("world");
  assert.equal((await client.response()).body, "helloworld");
  await client.send(GET);
  assert.equal((await client.response()).body, "");
});

Deno.test("100 Continue is not sent where the content comes by itself", async () => {
  await using running = await serving(echo);
  using client = await RawClient.to(running.address);
  await client.send(post("Expect: 100-continue\r\nContent-Length: 5\r\n", "hello"));
  assert.equal((await client.response()).body, "/ 5 hello");
});

Deno.test("100 Continue is not sent where the content is refused, and the connection ends", async () => {
  await using running = await serving(() => textReply("no", { status: 403 }));
  using client = await RawClient.to(running.address);
  await client.send(post("Expect: 100-continue\r\nContent-Length: 5\r\n"));
  const response = await client.response();
  assert.equal(response.status, 403);
  assert.equal(response.field("connection"), "close");
  assert.equal(await client.rest(), "");
});

Deno.test("100 Continue is not for HTTP/1.0", async () => {
  await using running = await serving(echo);
  using client = await RawClient.to(running.address);
  await client.send("POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
  await client.send("hello");
  assert.equal((await client.response()).body, "/ 5 hello");
});

Deno.test("a little content that nobody read is taken off the connection", async () => {
  await using running = await serving(({ target }) => textReply(target));
  using client = await RawClient.to(running.address);
  await client.send(post("Content-Length: 100000\r\n"));
  assert.equal((await client.response()).body, "/");
  await client.send("x".repeat(100_000) + GET);
  assert.equal((await client.response()).body, "/next");
  await client.send(post("Transfer-Encoding: chunked\r\n", chunked("y".repeat(50_000)) + "0\r\n\r\n") + GET);
  assert.equal((await client.response()).body, "/");
  assert.equal((await client.response()).body, "/next");
});

Deno.test("content is taken off the connection where a part of it was read, and where it was given up", async () => {
  await using running = await serving(async ({ target, body }) => {
    const chunk = await body?.read();
    const first = chunk && textOf(chunk.subarray(0, 3));
    body?.cancel();
    body?.cancel();
    if (body) await assert.rejects(body.read(), /given up/);
    return textReply(`${target} ${first}`);
  });
  using client = await RawClient.to(running.address);
  await client.send(post("Content-Length: 70000\r\n", "abc".padEnd(40_000, "x")));
  assert.equal((await client.response()).body, "/ abc");
  await client.send("x".repeat(30_000) + GET);
  assert.equal((await client.response()).body, "/next undefined");
});

Deno.test("a client that sends more than is wanted reads the reply that says so", async () => {
  await using running = await serving(() => textReply("too large", { status: 413 }));
  for (let round = 0; round < 5; round++) {
    using client = await RawClient.to(running.address);
    // It reads nothing before all has been sent, as many clients do.
    await client.send(post("Content-Length: 3000000\r\n"));
    await client.send("x".repeat(3_000_000));
    const response = await client.response();
    assert.equal(response.status, 413);
    assert.equal(response.field("connection"), "close");
    assert.equal(response.body, "too large");
    assert.equal(await client.rest(), "");
  }
});

Deno.test("chunks without end that nobody reads end the connection", async () => {
  await using running = await serving(() => textReply("no", { status: 403 }));
  using client = await RawClient.to(running.address);
  await client.send(post("Transfer-Encoding: chunked\r\n"));
  assert.equal((await client.response()).body, "no");
  const chunk = chunked("x".repeat(60_000));
  await assert.rejects(async () => {
    for (let count = 0; count < 1_000; count++) await client.send(chunk);
  });
});

Deno.test("malformed chunks are refused by the reader, which may pass that on", async () => {
  await using running = await serving(echo);
  using client = await RawClient.to(running.address);
  await client.send(post("Transfer-Encoding: chunked\r\n", "5\r\nhelloX"));
  const response = await client.response();
  assert.equal(response.status, 400);
  assert.equal(response.field("connection"), "close");
  assert.equal(await client.rest(), "");
  assert.equal(running.faults.length, 0);
});

Deno.test("malformed chunks that nobody read end the connection before what follows", async () => {
  await using running = await serving(({ target }) => textReply(target));
  using client = await RawClient.to(running.address);
  await client.send(post("Transfer-Encoding: chunked\r\n", `zz\r\n${GET}`));
  assert.equal((await client.response()).body, "/");
  assert.equal(await client.rest(), "");
  assert.equal(running.server.counts.requests, 1);
});

Deno.test("content that stops before its end is an error of the reader", async () => {
  const read = Promise.withResolvers<unknown>();
  await using running = await serving(async ({ body }) => {
    try {
      await readText(body);
    } catch (error) {
      read.resolve(error);
    }
    return textReply("partly");
  });
  using client = await RawClient.to(running.address);
  await client.send(post("Content-Length: 10\r\n", "hello"));
  await client.endSending();
  assert.match(String(await read.promise), /stops before its end/);
  assert.equal((await client.response()).body, "partly");
  assert.equal(await client.rest(), "");
});

Deno.test("content and reply can flow at the same time", async () => {
  await using running = await serving(({ body }) => reply({ body }));
  using client = await RawClient.to(running.address);
  await client.send(post("Transfer-Encoding: chunked\r\n"));
  assert.match(await client.takeUntil("\r\n\r\n"), /chunked/);
  for (const text of ["one", "two", "three"]) {
    await client.send(chunked(text));
    assert.equal(await client.take(chunked(text).length), chunked(text));
  }
  await client.send("0\r\n\r\n");
  assert.equal(await client.take(5), "0\r\n\r\n");
  await client.send(GET);
  assert.equal((await client.response()).body, "");
});

Deno.test("content lent to a handler is not written over by what comes behind its reply", async () => {
  let lent: Uint8Array | null | undefined;
  const seen: string[] = [];
  await using running = await serving(async ({ target, body }) => {
    if (lent !== undefined) seen.push(textOf(lent!));
    if (target !== "/next") lent = await body?.read();
    return textReply(target);
  });
  for (const size of [1_000, 60_000]) {
    lent = undefined;
    using client = await RawClient.to(running.address);
    await client.send(latin1(post("Content-Length: 100000\r\n", "x".repeat(size))));
    assert.equal((await client.response()).body, "/");
    await client.send("z".repeat(100_000 - size) + GET.repeat(20));
    for (let count = 0; count < 20; count++) assert.equal((await client.response()).body, "/next");
    assert.deepEqual([...new Set(seen.splice(0).join(""))], ["x"]);
  }
});
