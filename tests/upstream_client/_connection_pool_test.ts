import assert from "node:assert/strict";
import type { Transport } from "../../lib/upstream_client/transport.ts";
import { answering, RawServer } from "./_raw_server.ts";
import { eventually, exchange, failureOf, leakless, PATIENT, request, transportTo } from "./_sending.ts";

const OK = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/** A server that tells the number of the connection, and answers only while its gate is open. */
function gatedServer() {
  let opened = Promise.withResolvers<void>();
  const server = new RawServer(async (connection) => {
    while (await connection.readRequest() !== null) {
      await opened.promise;
      const text = String(connection.number);
      await connection.write(`HTTP/1.1 200 OK\r\ncontent-length: ${text.length}\r\n\r\n${text}`);
    }
  });
  return {
    server,
    open: () => opened.resolve(),
    shut: () => {
      opened = Promise.withResolvers<void>();
    },
  };
}

async function connectionNumber(transport: Transport): Promise<number> {
  return Number((await exchange(transport))[1]);
}

Deno.test(leakless("acquire() opens at most maxConnections, also under many requests at once", async () => {
  const { server, open } = gatedServer();
  await using _server = server;
  const transport = transportTo(server.url, { maxConnections: 3 });
  const answers = Array.from({ length: 50 }, () => connectionNumber(transport));
  await eventually(() => transport.stats().open === 3);
  open();
  const numbers = await Promise.all(answers);
  assert.equal(server.accepted, 3);
  assert.deepEqual([...new Set(numbers)].sort(), [1, 2, 3]);
  assert.deepEqual(transport.stats(), { open: 3, idle: 3 });
  transport.close();
}));

Deno.test(leakless("takeIdle() takes the connection used last", async () => {
  const { server, open } = gatedServer();
  await using _server = server;
  const transport = transportTo(server.url);
  const both = [connectionNumber(transport), connectionNumber(transport)];
  open();
  await Promise.all(both);
  const last = await connectionNumber(transport);
  for (let turn = 0; turn < 5; turn++) assert.equal(await connectionNumber(transport), last);
  transport.close();
}));

Deno.test(leakless("acquire() serves those who wait in the order they came", async () => {
  const { server, open } = gatedServer();
  await using _server = server;
  const transport = transportTo(server.url, { maxConnections: 1 });
  const order: number[] = [];
  const all = Array.from({ length: 10 }, (_, at) => exchange(transport).then(() => order.push(at)));
  open();
  await Promise.all(all);
  assert.deepEqual(order, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  assert.equal(server.accepted, 1);
  transport.close();
}));

Deno.test(leakless("acquire() bounds the queue, in length and in time, and lets go of those who leave", async () => {
  const { server, open } = gatedServer();
  await using _server = server;
  const transport = transportTo(server.url, { maxConnections: 1, maxWaiting: 3 });
  const first = connectionNumber(transport);
  const second = connectionNumber(transport);
  const controller = new AbortController();
  const leaves = transport.send(request(), { deadlines: PATIENT, signal: controller.signal });
  const tooLate = transport.send(request(), { deadlines: { ...PATIENT, connectMs: 20 } });
  const tooMany = transport.send(request(), { deadlines: PATIENT });
  assert.equal((await failureOf(tooMany, "connect")).requestSent, false);
  assert.equal((await failureOf(tooLate, "connect_timeout")).requestSent, false);
  controller.abort();
  assert.equal((await failureOf(leaves, "aborted")).requestSent, false);
  const last = connectionNumber(transport);
  open();
  assert.deepEqual(await Promise.all([first, second, last]), [1, 1, 1]);
  transport.close();
}));

Deno.test(leakless("acquire() opens another connection for those who wait when one is closed", async () => {
  let requests = 0;
  await using server = new RawServer(async (connection) => {
    await connection.readRequest();
    requests++;
    await connection.write("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok");
  });
  const transport = transportTo(server.url, { maxConnections: 2 });
  await Promise.all(Array.from({ length: 9 }, () => exchange(transport)));
  assert.deepEqual([requests, server.accepted], [9, 9]);
  assert.deepEqual(transport.stats(), { open: 0, idle: 0 });
  transport.close();
}));

Deno.test(leakless("acquire() fails all who wait when nothing can be opened", async () => {
  const transport = transportTo(new URL("http://upstream.example"), {
    maxConnections: 1,
    lookup: () => Promise.reject(new Error("NXDOMAIN")),
  });
  const all = Array.from({ length: 5 }, () => transport.send(request(), { deadlines: PATIENT }));
  await Promise.all(all.map((one) => failureOf(one, "resolve")));
  transport.close();
}));

Deno.test(leakless("release() keeps no more than maxIdle", async () => {
  const { server, open } = gatedServer();
  await using _server = server;
  const transport = transportTo(server.url, { maxIdle: 2 });
  const all = Array.from({ length: 5 }, () => exchange(transport));
  open();
  await Promise.all(all);
  assert.deepEqual(transport.stats(), { open: 2, idle: 2 });
  transport.close();
}));

Deno.test(
  leakless(
    "release() lets idle connections go after idleTimeoutMs, or earlier where the upstream says so",
    async () => {
      await using server = answering(OK);
      const brief = transportTo(server.url, { idleTimeoutMs: 20 });
      await exchange(brief);
      assert.equal(brief.stats().idle, 1);
      await eventually(() => brief.stats().open === 0);
      brief.close();
      await using impatient = answering("HTTP/1.1 200 OK\r\nkeep-alive: timeout=0\r\ncontent-length: 2\r\n\r\nok");
      const transport = transportTo(impatient.url);
      await exchange(transport);
      assert.deepEqual(transport.stats(), { open: 0, idle: 0 });
      transport.close();
    },
  ),
);

Deno.test(leakless("release() drops a connection on which bytes come that nobody asked for", async () => {
  let later: (() => Promise<void>) | undefined;
  await using server = new RawServer(async (connection) => {
    while (await connection.readRequest() !== null) {
      await connection.write(OK);
      later = () => connection.write("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil");
    }
  });
  const transport = transportTo(server.url);
  await exchange(transport);
  await later?.();
  await eventually(() => transport.stats().open === 0);
  assert.deepEqual(await exchange(transport), [200, "ok"]);
  transport.close();
}));

Deno.test(
  leakless("close() ends idle connections now, the others when they are done, and refuses new requests", async () => {
    const { server, open } = gatedServer();
    await using _server = server;
    const transport = transportTo(server.url, { maxConnections: 1 });
    const running = connectionNumber(transport);
    const waiting = connectionNumber(transport);
    transport.close();
    await failureOf(transport.send(request(), { deadlines: PATIENT }), "aborted");
    open();
    assert.deepEqual(await Promise.all([running, waiting]), [1, 1]);
    assert.deepEqual(transport.stats(), { open: 0, idle: 0 });
  }),
);

Deno.test("a pooled connection does not keep the process alive", async () => {
  await using server = answering(OK);
  const script = `
    import { createHttp1Transport } from ${
    JSON.stringify(import.meta.resolve("../../lib/upstream_client/http1_transport.ts"))
  };
    const transport = createHttp1Transport({
      url: new URL("${server.url}"), caCerts: [], allowPrivate: true, maxConnections: 1, clock: Date,
    });
    const deadlines = { connectMs: 5000, firstByteMs: 5000, idleMs: 5000 };
    const response = await transport.send({ method: "GET", target: "/", fields: [["host", "a"]], body: null }, { deadlines });
    await response.body.readAll(10);
    if (transport.stats().idle !== 1) throw new Error("not pooled");
  `;
  const startMs = performance.now();
  const { code } = await new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--no-check",
      "--allow-net",
      "--allow-read",
      `data:application/typescript,${encodeURIComponent(script)}`,
    ],
    signal: AbortSignal.timeout(20_000),
  }).output();
  assert.equal(code, 0);
  assert.ok(performance.now() - startMs < 15_000);
});
