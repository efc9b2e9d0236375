import assert from "node:assert/strict";
import { ConnectionGate } from "../../lib/server/connection_gate.ts";
import type { ServerCounts } from "../../lib/server/server_counts.ts";
import { WireError } from "../../lib/wire/wire_error.ts";
import { eventually } from "../eventually.ts";
import { RawClient } from "./raw_client.ts";
import { ends, readText, reply, serving, sourceOf, textReply, WIDE_LIMITS } from "./serving.ts";

const GET = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

Deno.test("a connection without a first byte is closed in silence", async () => {
  await using running = await serving(() => textReply("never"), { limits: { idleTimeoutMs: 50 } });
  using client = await RawClient.to(running.address);
  assert.equal(await client.rest(), "");
  assert.equal(running.server.counts.idleTimeouts, 1);
  assert.equal(running.server.counts.openConnections, 0);
});

Deno.test("a connection without a next request is closed in silence", async () => {
  await using running = await serving(() => textReply("once"), { limits: { idleTimeoutMs: 50 } });
  using client = await RawClient.to(running.address);
  await client.send(GET);
  assert.equal((await client.response()).body, "once");
  assert.equal(await client.rest(), "");
  assert.equal(running.server.counts.idleTimeouts, 1);
});

Deno.test("more connections than are closed at a time are all closed when their time is over", async () => {
  await using running = await serving(() => textReply("never"), { limits: { idleTimeoutMs: 100 } });
  const clients = await Promise.all(Array.from({ length: 300 }, () => RawClient.to(running.address)));
  for (const client of clients) {
    assert.equal(await client.rest(), "");
    client[Symbol.dispose]();
  }
  assert.equal(running.server.counts.idleTimeouts, 300);
  assert.equal(running.server.counts.openConnections, 0);
});

Deno.test("a request that does not come in time is refused with 408, however many bytes come", async () => {
  await using running = await serving(() => textReply("never"), { limits: { headTimeoutMs: 100 } });
  using client = await RawClient.to(running.address);
  await client.send("GET / HTTP/1.1\r\n");
  const trickle = (async () => {
    for (;;) {
      await client.send("x: y\r\n");
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  })().catch(() => {});
  const response = await client.response();
  assert.equal(response.status, 408);
  assert.equal(response.field("connection"), "close");
  await client.rest().catch(() => {});
  assert.equal(running.server.counts.headTimeouts, 1);
  client[Symbol.dispose]();
  await trickle;
});

Deno.test("content that does not come in time rejects its read with 408", async () => {
  const read = Promise.withResolvers<unknown>();
  await using running = await serving(async ({ body }) => {
    await body?.read();
    await body?.read().catch(read.resolve);
    return textReply("stalled", { status: 408 });
  }, { limits: { bodyTimeoutMs: 50 } });
  using client = await RawClient.to(running.address);
  await client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 50\r\n\r\nhello");
  const error = await read.promise;
  assert.ok(error instanceof WireError);
  assert.equal(error.status, 408);
  const response = await client.response();
  assert.equal(response.body, "stalled");
  assert.equal(response.field("connection"), "close");
  assert.equal(running.server.counts.bodyTimeouts, 1);
  await client.endSending();
  assert.equal(await client.rest(), "");
});

Deno.test("content that comes slower than its rate is refused with 408, though every read is quick", async () => {
  await using running = await serving(async ({ body }) => textReply(await readText(body)), {
    limits: { bodyTimeoutMs: 200, bodyBytesPerSecond: 1_000_000 },
  });
  using client = await RawClient.to(running.address);
  await client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n");
  const trickle = (async () => {
    for (;;) {
      await client.send("x");
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  })().catch(() => {});
  assert.equal((await client.response()).status, 408);
  client[Symbol.dispose]();
  await trickle;
});

Deno.test("content at its rate takes as long as it takes", async () => {
  await using running = await serving(async ({ body }) => textReply(String((await readText(body)).length)), {
    limits: { bodyTimeoutMs: 300, bodyBytesPerSecond: 100 },
  });
  using client = await RawClient.to(running.address);
  await client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n");
  for (let count = 0; count < 20; count++) {
    await client.send("x".repeat(50));
    await new Promise((resolve) => setTimeout(resolve, 30));
  }
  assert.equal((await client.response()).body, "1000");
});

Deno.test("time that a handler takes between reads is not its client's", async () => {
  const first = Promise.withResolvers<void>();
  await using running = await serving(async ({ body }) => {
    await body?.read();
    first.resolve();
    await new Promise((resolve) => setTimeout(resolve, 400));
    return textReply(await readText(body));
  }, { limits: { bodyTimeoutMs: 100, bodyBytesPerSecond: 1_000_000 } });
  using client = await RawClient.to(running.address);
  await client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello");
  await first.promise;
  await client.send("world");
  assert.equal((await client.response()).body, "world");
});

Deno.test("a client that takes nothing is closed, and its reply ends as aborted", async () => {
  for (const kind of ["memory", "source"]) {
    const end = ends();
    const content = new Uint8Array(64 * 1024 * 1024);
    const text = "x".repeat(65_536);
    const body = kind === "memory" ? content : sourceOf(() => text);
    await using running = await serving(() => reply({ body, onEnd: end.onEnd }), { limits: { sendTimeoutMs: 100 } });
    using client = await RawClient.to(running.address);
    await client.send(GET);
    const { aborted, bytes } = await end.first;
    assert.equal(aborted, true);
    assert.ok(bytes > 0 && bytes < content.length, `${bytes} bytes`);
    assert.equal(running.server.counts.sendTimeouts, 1);
    assert.equal(running.server.counts.openConnections, 0);
  }
});

Deno.test("a client that takes slowly is served", async () => {
  const content = new Uint8Array(24 * 1024 * 1024);
  await using running = await serving(() => reply({ body: content }), { limits: { sendTimeoutMs: 500 } });
  using client = await RawClient.to(running.address);
  await client.send(GET);
  await client.takeUntil("\r\n\r\n");
  let receivedBytes = client.drop();
  for (let reads = 0; receivedBytes < content.length; reads++) {
    if (reads % 64 === 0) await new Promise((resolve) => setTimeout(resolve, 50));
    await client.receive();
    receivedBytes += client.drop();
  }
  assert.equal(receivedBytes, content.length);
});

const OVERSIZE: [message: string, status: number, counter: keyof ServerCounts][] = [
  [`GET /${"x".repeat(200)} HTTP/1.1\r\nHost: a\r\n\r\n`, 414, "targetsTooLong"],
  [`GET / HTTP/1.1\r\nHost: a\r\nx: ${"y".repeat(20_000)}\r\n\r\n`, 431, "fieldsTooLarge"],
  [`GET / HTTP/1.1\r\nHost: a\r\n${"x: y\r\n".repeat(10)}\r\n`, 431, "fieldsTooLarge"],
  ["GET / HTTP/1.1\r\n\r\n", 400, "malformed"],
  ["PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, "malformed"],
  ["\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400, "malformed"],
];

for (const [message, status, counter] of OVERSIZE) {
  Deno.test(`${JSON.stringify(message.slice(0, 40))} is refused with ${status}, counted, and ends the connection`, async () => {
    await using running = await serving(() => textReply("never"), {
      limits: { targetBytes: 100, fieldsBytes: 10_000, maxFields: 10 },
    });
    using client = await RawClient.to(running.address);
    await client.send(message);
    const response = await client.response();
    assert.equal(response.status, status);
    assert.equal(response.field("connection"), "close");
    assert.equal(await client.rest(), "");
    assert.equal(running.server.counts[counter], 1);
    assert.equal(running.server.counts.requests, 0);
  });
}

Deno.test("limits hold for the next request once they are set", async () => {
  await using running = await serving(({ target }) => textReply(target));
  using client = await RawClient.to(running.address);
  await client.send("GET /four HTTP/1.1\r\nHost: a\r\n\r\n");
  assert.equal((await client.response()).body, "/four");
  running.server.setLimits({ ...WIDE_LIMITS, targetBytes: 4 });
  await client.send("GET /four HTTP/1.1\r\nHost: a\r\n\r\n");
  assert.equal((await client.response()).status, 414);
});

Deno.test("a connection too many is closed, and one that ends makes room", async () => {
  const memory = ConnectionGate.memory(2);
  const limits = { ...WIDE_LIMITS, maxConnections: 3 };
  await using one = await serving(({ target }) => textReply(target), {
    gate: new ConnectionGate(memory, 0, limits),
    limits,
  });
  await using two = await serving(({ target }) => textReply(target), {
    gate: new ConnectionGate(memory, 1, limits),
    limits,
  });
  using first = await RawClient.to(one.address);
  using second = await RawClient.to(two.address);
  using third = await RawClient.to(two.address);
  for (const client of [first, second, third]) {
    await client.send(GET);
    assert.equal((await client.response()).body, "/");
  }
  using refused = await RawClient.to(one.address);
  assert.equal(await refused.rest(), "");
  assert.equal(one.server.counts.refusedFull, 1);
  second[Symbol.dispose]();
  await eventually("the connection has ended", () => two.server.counts.openConnections === 1);
  using admitted = await RawClient.to(one.address);
  await admitted.send(GET);
  assert.equal((await admitted.response()).body, "/");
});

Deno.test("loopback, trusted proxies and unix sockets count for no address", async () => {
  await using running = await serving(({ target }) => textReply(target), { limits: { perAddress: 1 } });
  using first = await RawClient.to(running.address);
  using second = await RawClient.to(running.address);
  for (const client of [first, second]) {
    await client.send(GET);
    assert.equal((await client.response()).body, "/");
  }
  assert.equal(running.server.counts.refusedAddress, 0);
});
