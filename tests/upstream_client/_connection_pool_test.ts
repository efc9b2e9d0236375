import assert from "node:assert/strict";
import { type AcquireOptions, ConnectionPool } from "../../lib/upstream_client/_connection_pool.ts";
import { Deadlines } from "../../lib/wire/deadlines.ts";
import type { Transport, UpstreamFailure } from "../../lib/upstream_client/transport.ts";
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
  assert.equal((await failureOf(tooMany, "crowded")).requestSent, false);
  assert.equal((await failureOf(tooLate, "crowded")).requestSent, false);
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

Deno.test(
  leakless("release() closes a connection that has reached maxAgeMs, and those who wait open another", async () => {
    await using server = answering(OK);
    const transport = transportTo(server.url, { maxConnections: 1, maxAgeMs: 0 });
    const both = [exchange(transport), exchange(transport)];
    assert.deepEqual(await Promise.all(both), [[200, "ok"], [200, "ok"]]);
    assert.equal(server.accepted, 2);
    assert.deepEqual(transport.stats(), { open: 0, idle: 0 });
    transport.close();
  }),
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

/** A pool over sockets to a server that says nothing; the test decides when an opening succeeds. */
async function withPool(
  maxConnections: number,
  action: (pool: ConnectionPool, openings: Opening[]) => Promise<void>,
): Promise<void> {
  await using server = new RawServer((connection) => connection.drain());
  const openings: Opening[] = [];
  const open = (signal: AbortSignal) => {
    const { promise, resolve, reject } = Promise.withResolvers<Deno.Conn>();
    const succeed = async () => resolve(await Deno.connect({ hostname: "127.0.0.1", port: server.port }));
    openings.push({ signal, succeed, reject });
    return promise;
  };
  const deadlines = new Deadlines();
  const limits = { maxConnections, maxIdle: 10, maxWaiting: 10, idleTimeoutMs: 10_000, maxAgeMs: 10_000 };
  const pool = new ConnectionPool({ open, authority: "upstream.example:80", deadlines, ...limits });
  await action(pool, openings);
  pool.close();
  assert.equal(pool.openCount, 0);
  await eventually(() => server.openCount === 0);
}

interface Opening {
  readonly signal: AbortSignal;
  readonly succeed: () => Promise<void>;
  readonly reject: (failure: UpstreamFailure) => void;
}

const NOW: AcquireOptions = { connectMs: 10_000, isFresh: false };

Deno.test(
  leakless(
    "acquire() stops the opening of one who leaves, and closes a socket that comes too late",
    () =>
      withPool(1, async (pool, openings) => {
        const controller = new AbortController();
        const leaves = pool.acquire({ ...NOW, signal: controller.signal });
        const waits = pool.acquire(NOW);
        controller.abort();
        await failureOf(leaves, "aborted");
        assert.equal(openings[0]?.signal.aborted, true);
        await openings[0]?.succeed();
        await eventually(() => openings.length === 2);
        assert.equal(pool.openCount, 0);
        await openings[1]?.succeed();
        (await waits).close();
      }),
  ),
);

Deno.test(
  leakless("acquire() opens for those who wait in the order they came", () =>
    withPool(1, async (pool, openings) => {
      const order: number[] = [];
      const all = [1, 2, 3].map((number) =>
        pool.acquire(NOW).then((connection) => {
          order.push(number);
          connection.close();
        })
      );
      for (let at = 0; at < 3; at++) {
        await eventually(() => openings.length > at);
        await openings[at]?.succeed();
      }
      await Promise.all(all);
      assert.deepEqual(order, [1, 2, 3]);
    })),
);

Deno.test(
  leakless(
    "acquire() of a fresh connection gives up the one that has lain idle longest",
    () =>
      withPool(2, async (pool, openings) => {
        const both = [pool.acquire(NOW), pool.acquire(NOW)];
        for (const opening of openings) {
          await opening.succeed();
        }
        const [older, newer] = await Promise.all(both);
        assert.ok(older && newer);
        pool.release(older, null);
        pool.release(newer, null);
        const fresh = pool.acquire({ ...NOW, isFresh: true });
        assert.deepEqual([older.isClosed, newer.isClosed, openings.length], [true, false, 3]);
        await openings[2]?.succeed();
        const connection = await fresh;
        assert.equal(connection.isReused, false);
        connection.close();
      }),
  ),
);

Deno.test(
  leakless("release() makes a connection look unused to the next request", () =>
    withPool(1, async (pool, openings) => {
      const first = pool.acquire(NOW);
      const second = pool.acquire(NOW);
      await openings[0]?.succeed();
      const connection = await first;
      await connection.writeText("GET");
      pool.release(connection, null);
      assert.equal(await second, connection);
      assert.deepEqual([connection.requestSent, connection.isReused], [false, true]);
      connection.close();
    })),
);

Deno.test("a pooled connection does not keep the process alive", async () => {
  await using server = answering(OK);
  const script = `
    import { createHttp1Transport } from ${
    JSON.stringify(import.meta.resolve("../../lib/upstream_client/http1_transport.ts"))
  };
    const transport = createHttp1Transport({
      url: new URL("${server.url}"), caCerts: [], allowPrivate: true, maxConnections: 1, clock: Date,
      idleTimeoutMs: 86_400_000,
    });
    const deadlines = { connectMs: 300_000, firstByteMs: 300_000, idleMs: 300_000 };
    const response = await transport.send({ method: "GET", target: "/", fields: [["host", "a"]], body: null }, { deadlines });
    await response.body.readAll(10);
    if (transport.stats().idle !== 1) throw new Error("not pooled");
  `;
  const { code } = await new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--no-check",
      "--allow-net",
      "--allow-read",
      `data:application/typescript,${encodeURIComponent(script)}`,
    ],
    // Long before the connection's own time is up.
    signal: AbortSignal.timeout(300_000),
  }).output();
  assert.equal(code, 0);
});
