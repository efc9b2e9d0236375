import assert from "node:assert/strict";
import type { Arrival } from "../../lib/server/arrival.ts";
import { eventually } from "../eventually.ts";
import { RawClient, textOf } from "./raw_client.ts";
import { ends, reply, serving } from "./serving.ts";

const UPGRADE = "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n";

/** A listener whose connections a test drives by hand. */
function upstreamListener(): Deno.Listener<Deno.TcpConn> & Disposable {
  return Deno.listen({ hostname: "127.0.0.1", port: 0 });
}

/** A gateway in small: every request becomes a tunnel to the listener. */
async function tunnelling(upstream: Deno.Listener<Deno.TcpConn>, idleMs = 60_000) {
  const end = ends();
  const { hostname, port } = upstream.addr as Deno.NetAddr;
  const running = await serving(async (_: Arrival) => {
    const stream = await Deno.connect({ hostname, port });
    return reply({ status: 101, lines: "x-y: z\r\n", tunnel: { protocol: "echo", stream, idleMs }, onEnd: end.onEnd });
  });
  return { running, end };
}

async function readSome(stream: Deno.Conn): Promise<string | null> {
  const bytes = new Uint8Array(65_536);
  const count = await stream.read(bytes);
  return count === null ? null : textOf(bytes.subarray(0, count));
}

Deno.test("a tunnel carries bytes both ways behind its 101", async () => {
  using listener = upstreamListener();
  const { running, end } = await tunnelling(listener);
  await using _ = running;
  using client = await RawClient.to(running.address);
  await client.send(UPGRADE);
  using upstream = await listener.accept();
  const head = await client.takeUntil("\r\n\r\n");
  assert.match(
    head,
    /^HTTP\/1\.1 101 Switching Protocols\r\nx-y: z\r\nDate: .*\r\nConnection: Upgrade\r\nUpgrade: echo$/,
  );
  assert.equal(running.server.counts.openTunnels, 1);
  await client.send("ping");
  assert.equal(await readSome(upstream), "ping");
  await upstream.write(new TextEncoder().encode("pong"));
  assert.equal(await client.take(4), "pong");
  await upstream.closeWrite();
  assert.equal(await client.rest(), "");
  await client.endSending();
  assert.equal(await readSome(upstream), null);
  assert.deepEqual(await end.first, { bytes: 4, aborted: false, error: null });
  assert.equal(running.server.counts.openTunnels, 0);
});

Deno.test("bytes that a client sent behind its request come first", async () => {
  using listener = upstreamListener();
  const { running } = await tunnelling(listener);
  await using _ = running;
  using client = await RawClient.to(running.address);
  await client.send(UPGRADE + "early");
  using upstream = await listener.accept();
  let received = await readSome(upstream);
  await client.takeUntil("\r\n\r\n");
  await client.send(" late");
  while (received !== "early late") received += await readSome(upstream) ?? assert.fail("ended");
});

Deno.test("the end of one direction is passed on, and the other goes on", async () => {
  using listener = upstreamListener();
  const { running } = await tunnelling(listener);
  await using _ = running;
  using client = await RawClient.to(running.address);
  await client.send(UPGRADE);
  using upstream = await listener.accept();
  await client.takeUntil("\r\n\r\n");
  await client.send("last");
  await client.endSending();
  assert.equal(await readSome(upstream), "last");
  assert.equal(await readSome(upstream), null);
  await upstream.write(new TextEncoder().encode("answer"));
  assert.equal(await client.take(6), "answer");
  upstream.close();
  assert.equal(await client.rest(), "");
});

Deno.test("a tunnel echoes much, with back-pressure", async () => {
  using listener = upstreamListener();
  const { running, end } = await tunnelling(listener);
  await using _ = running;
  using client = await RawClient.to(running.address);
  await client.send(UPGRADE);
  using upstream = await listener.accept();
  await client.takeUntil("\r\n\r\n");
  const echo = (async () => {
    const bytes = new Uint8Array(30_000);
    for (let count = await upstream.read(bytes); count !== null; count = await upstream.read(bytes)) {
      for (let rest = bytes.subarray(0, count); rest.length > 0;) rest = rest.subarray(await upstream.write(rest));
    }
    await upstream.closeWrite();
  })();
  const text = textOf(Uint8Array.from({ length: 8_000_003 }, (_, at) => at * 31 & 255));
  const sent = client.send(text).then(() => client.endSending());
  assert.ok(await client.rest() === text);
  await sent;
  await echo;
  assert.equal((await end.first).bytes, text.length);
});

Deno.test("a tunnel without a byte in either direction is closed on both sides", async () => {
  using listener = upstreamListener();
  const { running, end } = await tunnelling(listener, 100);
  await using _ = running;
  using client = await RawClient.to(running.address);
  await client.send(UPGRADE);
  using upstream = await listener.accept();
  await client.takeUntil("\r\n\r\n");
  for (let count = 0; count < 10; count++) {
    await client.send("x");
    await readSome(upstream);
    await new Promise((resolve) => setTimeout(resolve, 30));
  }
  assert.equal(await client.rest(), "");
  assert.equal(await readSome(upstream), null);
  assert.equal(running.server.counts.tunnelTimeouts, 1);
  assert.equal((await end.first).aborted, true);
});

Deno.test("a client that leaves ends its tunnel, and so does the upstream", async () => {
  using listener = upstreamListener();
  const { running } = await tunnelling(listener);
  await using _ = running;
  const client = await RawClient.to(running.address);
  await client.send(UPGRADE);
  using upstream = await listener.accept();
  await client.takeUntil("\r\n\r\n");
  client[Symbol.dispose]();
  assert.equal(await readSome(upstream), null);
  upstream.close();
  await eventually("the connection has ended", () => running.server.counts.openConnections === 0);
  assert.equal(running.server.counts.openTunnels, 0);
});

Deno.test("close() ends tunnels at the end of its grace", async () => {
  using listener = upstreamListener();
  const { running, end } = await tunnelling(listener);
  await using _ = running;
  using client = await RawClient.to(running.address);
  await client.send(UPGRADE);
  using upstream = await listener.accept();
  await client.takeUntil("\r\n\r\n");
  const closed = running.server.close(200);
  await client.send("still");
  assert.equal(await readSome(upstream), "still");
  await closed;
  assert.equal(await client.rest(), "");
  assert.equal(await readSome(upstream), null);
  assert.equal((await end.first).aborted, true);
});

Deno.test("a tunnel for a request that cannot have one is a fault, and its other end is closed", async () => {
  using listener = upstreamListener();
  const { running, end } = await tunnelling(listener);
  await using _ = running;
  using client = await RawClient.to(running.address);
  await client.send("GET / HTTP/1.0\r\n\r\n");
  using upstream = await listener.accept();
  assert.equal((await client.response()).status, 500);
  assert.equal(await readSome(upstream), null);
  assert.match(String((await end.first).error), /tunnel/);
});
