import assert from "node:assert/strict";
import { eventually } from "../eventually.ts";
import { RawClient } from "./raw_client.ts";
import { ends, reply, serving, sourceOf, textReply } from "./serving.ts";

const GET = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

async function isRefused(address: string): Promise<boolean> {
  try {
    (await RawClient.to(address))[Symbol.dispose]();
    return false;
  } catch (error) {
    // One that is in the queue of a socket when that is closed is reset instead.
    return error instanceof Deno.errors.ConnectionRefused;
  }
}

/** A handler that says when it is `asked`, and replies when `answer` is resolved. */
function heldHandler() {
  const answer = Promise.withResolvers<void>();
  const asked = Promise.withResolvers<void>();
  const handler = async () => {
    asked.resolve();
    await answer.promise;
    return textReply("served");
  };
  return { asked, answer, handler };
}

Deno.test("close() ends idle connections, and takes no new ones", async () => {
  await using running = await serving(() => textReply("served"));
  using idle = await RawClient.to(running.address);
  await idle.send(GET);
  assert.equal((await idle.response()).body, "served");
  await running.server.close(10_000);
  assert.equal(await idle.rest(), "");
  await assert.rejects(RawClient.to(running.address), Deno.errors.ConnectionRefused);
  assert.deepEqual(running.server.addresses, []);
  assert.equal(running.server.counts.openConnections, 0);
});

Deno.test("close() lets what is under way end, and says that the connection ends with it", async () => {
  const { asked, answer, handler } = heldHandler();
  await using running = await serving(handler);
  using client = await RawClient.to(running.address);
  await client.send(GET);
  await asked.promise;
  const closed = running.server.close(10_000);
  await eventually("the address is closed", () => isRefused(running.address));
  answer.resolve();
  const response = await client.response();
  assert.equal(response.body, "served");
  assert.equal(response.field("connection"), "close");
  assert.equal(await client.rest(), "");
  await client.endSending();
  await closed;
});

Deno.test("close() lets a streamed reply end whose head had gone out before", async () => {
  const turns = [Promise.resolve("one"), Promise.withResolvers<string | null>(), Promise.resolve(null)];
  const second = turns[1] as PromiseWithResolvers<string | null>;
  turns[1] = second.promise as Promise<string>;
  const body = sourceOf(() => turns.shift() as Promise<string | null>);
  await using running = await serving(() => reply({ body }));
  using client = await RawClient.to(running.address);
  await client.send(GET);
  await client.takeUntil("one\r\n");
  const closed = running.server.close(10_000);
  second.resolve("two");
  assert.match(await client.rest(), /two\r\n0\r\n\r\n$/);
  await client.endSending();
  await closed;
});

Deno.test("close() serves connections that were accepted and requests that were sent before", async () => {
  for (let round = 0; round < 5; round++) {
    await using running = await serving(() => textReply("served"));
    const clients = await Promise.all(Array.from({ length: 20 }, () => RawClient.to(running.address)));
    const sent = clients.map((client) => client.send(GET));
    const closed = running.server.close(10_000);
    await Promise.all(sent);
    for (const client of clients) {
      assert.equal((await client.response()).body, "served");
      await client.rest();
      client[Symbol.dispose]();
    }
    await closed;
  }
});

Deno.test("close() tells those who come while it waits that their connection ends", async () => {
  await using running = await serving(() => textReply("served"));
  const dial = async () => {
    const client = await RawClient.to(running.address);
    await client.send(GET);
    return client;
  };
  // The kernel has them; the server sees them only once it is closing.
  const dialled = Array.from({ length: 5 }, dial);
  const closed = running.server.close(10_000);
  for (const dialling of dialled) {
    using client = await dialling;
    const response = await client.response();
    assert.deepEqual([response.body, response.field("connection")], ["served", "close"]);
  }
  await closed;
});

Deno.test("close() ends at its deadline what has not ended", async () => {
  const end = ends();
  const arrived = Promise.withResolvers<AbortSignal>();
  await using running = await serving(({ target, signal }) => {
    if (target === "/stream") return reply({ body: sourceOf(() => new Promise(() => {})), onEnd: end.onEnd });
    arrived.resolve(signal);
    return new Promise(() => {});
  });
  using waiting = await RawClient.to(running.address);
  await waiting.send(GET);
  using streaming = await RawClient.to(running.address);
  await streaming.send("GET /stream HTTP/1.1\r\nHost: a\r\n\r\n");
  await streaming.takeUntil("\r\n\r\n");
  const signal = await arrived.promise;
  await running.server.close(100);
  assert.equal(signal.aborted, true);
  assert.equal((await end.first).aborted, true);
  assert.equal(await waiting.rest(), "");
  assert.equal(await streaming.rest(), "");
  assert.equal(running.server.counts.openConnections, 0);
});

Deno.test("stopListening() ends one address, and its connections alone", async () => {
  await using running = await serving(() => textReply("first"));
  const second = await running.server.listen({ hostname: "127.0.0.1", port: 0 }, () => textReply("second"));
  assert.deepEqual(running.server.addresses, [running.address, second]);
  using one = await RawClient.to(running.address);
  using two = await RawClient.to(second);
  await one.send(GET);
  assert.equal((await one.response()).body, "first");
  await two.send(GET);
  assert.equal((await two.response()).body, "second");
  await running.server.stopListening(second);
  assert.equal(await two.rest(), "");
  await assert.rejects(RawClient.to(second), Deno.errors.ConnectionRefused);
  await one.send(GET);
  assert.equal((await one.response()).body, "first");
  await running.server.stopListening("127.0.0.1:1");
  assert.deepEqual(running.server.addresses, [running.address]);
});

Deno.test("a client that sends on behind the last reply reads that, not a reset", async () => {
  const { asked, answer, handler } = heldHandler();
  await using running = await serving(handler);
  using client = await RawClient.to(running.address);
  await client.send(GET);
  await asked.promise;
  const closed = running.server.close(10_000);
  await eventually("the address is closed", () => running.server.addresses.length === 0);
  answer.resolve();
  for (let count = 0; count < 50; count++) await client.send(GET);
  assert.equal((await client.response()).body, "served");
  assert.equal(await client.rest(), "");
  await client.endSending();
  await closed;
});
