import assert from "node:assert/strict";
import type { Arrival } from "../../lib/server/arrival.ts";
import { RawClient, resettingClient } from "./raw_client.ts";
import { chunksOf, ends, readText, reply, serving, sourceOf, textReply } from "./serving.ts";

const GET = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/** Settles when a signal aborts. */
function abortOf(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}

/** A handler that waits for its client's end, and what it saw. */
function waitingHandler() {
  const arrived = Promise.withResolvers<Arrival>();
  const end = ends();
  return {
    arrived: arrived.promise,
    end,
    handler: async (arrival: Arrival) => {
      arrived.resolve(arrival);
      await abortOf(arrival.signal);
      return textReply("late", { onEnd: end.onEnd });
    },
  };
}

Deno.test("a client that ends its direction still gets its answers", async () => {
  await using running = await serving(({ target }) => textReply(target));
  using client = await RawClient.to(running.address);
  await client.send(GET + "GET /2 HTTP/1.1\r\nHost: a\r\n\r\nGET /unfinished HTT");
  await client.endSending();
  assert.equal((await client.response()).body, "/");
  assert.equal((await client.response()).body, "/2");
  assert.equal(await client.rest(), "");
});

Deno.test("a client that ends its direction gets a slow answer", async () => {
  const answer = Promise.withResolvers<void>();
  const seen = Promise.withResolvers<Arrival>();
  await using running = await serving(async (arrival) => {
    seen.resolve(arrival);
    await answer.promise;
    return textReply(`gone: ${arrival.isGone}`);
  });
  using client = await RawClient.to(running.address);
  await client.send(GET);
  const arrival = await seen.promise;
  await client.endSending();
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.equal(arrival.signal.aborted, false);
  answer.resolve();
  assert.equal((await client.response()).body, "gone: false");
  assert.equal(await client.rest(), "");
});

Deno.test("a client that ended its direction counts as gone after a while, and gets the answer all the same", async () => {
  const { handler, arrived, end } = waitingHandler();
  await using running = await serving(handler);
  using client = await RawClient.to(running.address);
  await client.send(GET);
  const arrival = await arrived;
  const endedAtMs = performance.now();
  await client.endSending();
  await abortOf(arrival.signal);
  assert.ok(performance.now() - endedAtMs >= 990);
  assert.equal(arrival.isGone, true);
  assert.equal((await client.response()).body, "late");
  assert.equal((await end.first).aborted, false);
});

Deno.test("a reset aborts the signal at once, and the reply is not sent", async () => {
  const { handler, arrived, end } = waitingHandler();
  await using running = await serving(handler);
  const reset = await resettingClient(running.address, GET);
  const arrival = await arrived;
  assert.equal(arrival.isGone, false);
  assert.equal(arrival.signal.aborted, false);
  reset();
  await abortOf(arrival.signal);
  assert.equal(arrival.isGone, true);
  assert.equal(arrival.connection.peer, "127.0.0.1", "its address was read when the connection was taken");
  assert.deepEqual(await end.first, { bytes: 0, aborted: true, error: null });
  assert.equal(running.server.counts.openConnections, 0);
  assert.equal(running.server.counts.abortedRequests, 1);
  assert.equal(running.faults.length, 0);
});

Deno.test("a reset behind pipelined requests is seen too", async () => {
  const { handler, arrived } = waitingHandler();
  await using running = await serving(handler);
  const reset = await resettingClient(running.address, GET + GET + GET);
  const arrival = await arrived;
  reset();
  await abortOf(arrival.signal);
});

Deno.test("a signal that is asked for after the client's end is aborted", async () => {
  const told = Promise.withResolvers<boolean>();
  await using running = await serving(async (arrival) => {
    while (!arrival.isGone) await new Promise((resolve) => setTimeout(resolve, 5));
    told.resolve(arrival.signal.aborted);
    return textReply("late");
  });
  const reset = await resettingClient(running.address, GET);
  reset();
  assert.equal(await told.promise, true);
});

Deno.test("a handler that rejects since its client has left is no fault", async () => {
  const arrived = Promise.withResolvers<Arrival>();
  await using running = await serving((arrival) => {
    arrived.resolve(arrival);
    return new Promise((_, reject) => arrival.signal.addEventListener("abort", () => reject(arrival.signal.reason)));
  });
  const reset = await resettingClient(running.address, GET);
  const arrival = await arrived.promise;
  reset();
  await abortOf(arrival.signal);
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal(running.faults.length, 0);
});

Deno.test("a client that leaves amid a streamed reply ends its source", async () => {
  const end = ends();
  const body = sourceOf(() => new Promise<string>((resolve) => setTimeout(() => resolve("x".repeat(1_000)), 1)));
  await using running = await serving(() => reply({ body, onEnd: end.onEnd }));
  const client = await RawClient.to(running.address);
  await client.send(GET);
  await client.takeUntil("\r\n\r\n");
  client[Symbol.dispose]();
  const { aborted, error } = await end.first;
  assert.deepEqual({ aborted, error }, { aborted: true, error: null });
  assert.equal(body.isCancelled, true);
  assert.equal(end.all.length, 1);
});

Deno.test("a reset ends a source that gives nothing", async () => {
  const end = ends();
  const body = sourceOf(() => new Promise(() => {}));
  const asked = Promise.withResolvers<void>();
  await using running = await serving(() => {
    asked.resolve();
    return reply({ body, onEnd: end.onEnd });
  });
  const reset = await resettingClient(running.address, GET);
  await asked.promise;
  reset();
  assert.equal((await end.first).aborted, true);
  assert.equal(body.isCancelled, true);
});

Deno.test("a client that ended its direction is not waited for without end where the source gives nothing", async () => {
  const end = ends();
  const body = sourceOf(() => new Promise(() => {}));
  await using running = await serving(() => reply({ body, onEnd: end.onEnd }), { limits: { sendTimeoutMs: 100 } });
  using client = await RawClient.to(running.address);
  await client.send(GET);
  await client.takeUntil("\r\n\r\n");
  await client.endSending();
  assert.equal((await end.first).aborted, true);
  assert.equal(await client.rest(), "");
});

Deno.test("a client that ended its direction gets a streamed reply to its end", async () => {
  await using running = await serving(async ({ body }) => {
    await readText(body);
    return reply({ body: chunksOf("one", "two") });
  });
  using client = await RawClient.to(running.address);
  await client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab");
  await client.endSending();
  assert.equal((await client.response()).body, "onetwo");
  assert.equal(await client.rest(), "");
});

Deno.test("a reset while content is awaited rejects its read and aborts the signal", async () => {
  const read = Promise.withResolvers<unknown>();
  const arrived = Promise.withResolvers<Arrival>();
  await using running = await serving(async (arrival) => {
    const { signal } = arrival;
    arrived.resolve(arrival);
    await arrival.body?.read().catch((error) => read.resolve([error instanceof Error, signal.aborted]));
    return textReply("late");
  });
  const reset = await resettingClient(running.address, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n");
  await arrived.promise;
  reset();
  assert.deepEqual(await read.promise, [true, true]);
});

Deno.test("the signal is not aborted by what a client does behind its reply", async () => {
  let signal: AbortSignal | undefined;
  await using running = await serving((arrival) => {
    signal = arrival.signal;
    return textReply("done");
  });
  const client = await RawClient.to(running.address);
  await client.send(GET);
  await client.response();
  client[Symbol.dispose]();
  while (running.server.counts.openConnections > 0) await new Promise((resolve) => setTimeout(resolve, 5));
  assert.equal(signal?.aborted, false);
});
