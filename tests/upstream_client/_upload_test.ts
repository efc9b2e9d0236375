import assert from "node:assert/strict";
import type { Fields } from "../../lib/http/fields.ts";
import { answering, latin1, RawServer } from "./_raw_server.ts";
import {
  eventually,
  exchange,
  failureOf,
  fed,
  leakless,
  PATIENT,
  request,
  sourced,
  streamed,
  transportTo,
} from "./_sending.ts";

const OK = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/** A body that gives chunks as long as it is asked. */
function endless(chunkBytes: number, lengthBytes: number | null = null) {
  return sourced(lengthBytes, () => Promise.resolve(new Uint8Array(chunkBytes)));
}

Deno.test(leakless("run() sends large bodies whole, whatever the size of the chunks", async () => {
  let received = 0;
  await using server = new RawServer(async (connection) => {
    const { head, body } = await connection.readRequest() ?? { head: "", body: "" };
    const chunked = head.includes("chunked")
      ? await connection.readUntil((text) => text.endsWith("\r\n0\r\n\r\n"))
      : null;
    received = (chunked ?? body).replace(/[0-9a-f]+\r\n(x+)\r\n/g, "$1").replace("0\r\n\r\n", "").length;
    await connection.write(OK);
  });
  for (const lengthBytes of [300_003, null]) {
    const transport = transportTo(server.url);
    const chunks = [1, 2, 100_000, 200_000].map((size) => new Uint8Array(size).fill(120));
    await exchange(transport, request("PUT", "/", streamed(chunks, lengthBytes)));
    assert.equal(received, 300_003);
    transport.close();
  }
}));

Deno.test(
  leakless(
    "run() puts each chunk with its framing into one write, however large it is, and the trailers behind",
    async () => {
      let received = "";
      await using server = new RawServer(async (connection) => {
        received = await connection.readUntil((text) => text.endsWith("\r\n\r\n") && text.includes("\r\n0\r\n")) ?? "";
        await connection.write(OK);
      });
      const transport = transportTo(server.url);
      const chunks = [latin1("a"), new Uint8Array(0), new Uint8Array(65_537).fill(120)];
      const trailers: Fields = [["x-sum", "caf\xe9"], ["content-length", "1"], ["host", "b"]];
      await exchange(transport, request("POST", "/", streamed(chunks, null, trailers)));
      const body = received.slice(received.indexOf("\r\n\r\n") + 4);
      assert.equal(
        body,
        `1\r\na\r\nfff4\r\n${"x".repeat(65_524)}\r\nd\r\n${"x".repeat(13)}\r\n0\r\nx-sum: caf\xe9\r\n\r\n`,
      );
      transport.close();
    },
  ),
);

Deno.test(
  leakless(
    "run() ends as aborted where trailers cannot be written, and leaves them out behind a stated length",
    async () => {
      await using server = new RawServer(async (connection) => {
        while (await connection.readRequest() !== null) await connection.write(OK);
      });
      const trailers: Fields = [["x", "a\r\nb: c"]];
      const transport = transportTo(server.url);
      assert.deepEqual(await exchange(transport, request("POST", "/", streamed([latin1("a")], 1, trailers))), [
        200,
        "ok",
      ]);
      const { body } = sourced(null, () => Promise.resolve(null));
      await using silent = new RawServer((connection) => connection.drain());
      const other = transportTo(silent.url);
      await failureOf(other.send(request("POST", "/", { ...body, trailers }), { deadlines: PATIENT }), "aborted");
      transport.close();
      other.close();
    },
  ),
);

Deno.test(leakless("run() takes from the source no faster than the upstream reads", async () => {
  const isRead = Promise.withResolvers<void>();
  await using server = new RawServer(async (connection) => {
    await connection.readUntil((text) => text.includes("\r\n\r\n"));
    await isRead.promise;
    await connection.drain();
  });
  const transport = transportTo(server.url);
  const { seen, body } = endless(65_536);
  const controller = new AbortController();
  const sending = transport.send(request("POST", "/", body), {
    deadlines: PATIENT,
    signal: controller.signal,
  });
  let pulled = -1;
  // Kernel buffers take a few megabytes; then the count stands still.
  await eventually(() => pulled === (pulled = seen.reads) && pulled > 4);
  assert.ok(pulled < 1_000, `${pulled} chunks taken`);
  isRead.resolve();
  await eventually(() => seen.reads > pulled + 100);
  controller.abort();
  assert.equal((await failureOf(sending, "aborted")).requestSent, true);
  assert.equal(seen.isCancelled, true);
  transport.close();
}));

Deno.test(leakless("run() fails as idle_timeout when the upstream reads no more", async () => {
  const isOver = Promise.withResolvers<void>();
  await using server = new RawServer(() => isOver.promise);
  const transport = transportTo(server.url);
  const { seen, body } = endless(1 << 20);
  const deadlines = { ...PATIENT, idleMs: 50 };
  const failure = await failureOf(
    transport.send(request("POST", "/", body), { deadlines }),
    "idle_timeout",
  );
  assert.equal(failure.requestSent, true);
  assert.equal(seen.isCancelled, true);
  isOver.resolve();
  transport.close();
}));

Deno.test(
  leakless(
    "run() ends as aborted, which blames nobody, when the source stalls, fails or disagrees with its length",
    async () => {
      await using server = new RawServer((connection) => connection.drain());
      const transport = transportTo(server.url);
      const bodies = [
        sourced(null, () => Promise.reject(new Error("left"))).body,
        sourced(4, () => new Promise(() => {})).body,
        streamed([latin1("abc")], 4),
        streamed([latin1("abc"), latin1("de")], 4),
      ];
      for (const body of bodies) {
        const sending = transport.send(request("POST", "/", body), { deadlines: { ...PATIENT, idleMs: 50 } });
        assert.equal((await failureOf(sending, "aborted")).requestSent, true);
        assert.equal(transport.stats().open, 0);
      }
      transport.close();
    },
  ),
);

Deno.test(leakless("run() never writes more than the announced length", async () => {
  let received = "";
  await using server = new RawServer(async (connection) => {
    for (let text = await connection.readSome(); text !== null; text = await connection.readSome()) received += text;
  });
  const transport = transportTo(server.url);
  const body = streamed([latin1("abc"), latin1("dGET / HTTP/1.1\r\n\r\n")], 4);
  await failureOf(transport.send(request("POST", "/", body), { deadlines: PATIENT }), "aborted");
  transport.close();
  await eventually(() => server.openCount === 0);
  assert.ok(received === "" || received.endsWith("\r\n\r\nabc") || received.endsWith("\r\n\r\n"), received);
}));

for (const [status, extra] of [[413, ""], [401, ""], [200, "connection: close\r\n"]] as const) {
  Deno.test(leakless(`run() stops for an early ${status} that ends the exchange`, async () => {
    await using server = new RawServer(async (connection) => {
      await connection.readUntil((text) => text.includes("\r\n\r\n"));
      await connection.write(`HTTP/1.1 ${status} Early\r\n${extra}content-length: 2\r\n\r\nno`);
      await connection.drain();
    });
    const transport = transportTo(server.url);
    const { seen, body, feed } = fed(null);
    feed(new Uint8Array(1024));
    const response = await transport.send(request("POST", "/", body), { deadlines: PATIENT });
    assert.equal(response.status, status);
    assert.equal(new TextDecoder().decode(await response.body.readAll(10)), "no");
    await eventually(() => seen.isCancelled);
    assert.deepEqual(transport.stats(), { open: 0, idle: 0 });
    transport.close();
  }));
}

Deno.test(leakless("run() goes on beside a response that has begun, so that an upstream may echo", async () => {
  await using server = new RawServer(async (connection) => {
    await connection.readUntil((text) => text.includes("\r\n\r\n"));
    await connection.write("HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\n");
    for (let got = ""; got.length < 6;) {
      const more = await connection.readSome() ?? "......";
      got += more;
      await connection.write(more);
    }
  });
  const transport = transportTo(server.url);
  const { body, feed } = fed(6);
  const response = await transport.send(request("POST", "/", body), { deadlines: PATIENT });
  const decoder = new TextDecoder();
  for (const part of ["abc", "def"]) {
    feed(latin1(part));
    assert.equal(decoder.decode(await response.body.read() ?? undefined), part);
  }
  feed(null);
  assert.equal(await response.body.read(), null);
  transport.close();
}));

Deno.test(leakless("run() takes the answer of an upstream that stopped reading", async () => {
  await using server = new RawServer(async (connection) => {
    await connection.readUntil((text) => text.includes("\r\n\r\n"));
    await connection.write("HTTP/1.1 503 Busy\r\ncontent-length: 4\r\n\r\nbusy");
    await (connection.socket as Deno.TcpConn).closeWrite();
    await connection.drain();
  });
  const transport = transportTo(server.url);
  const { body } = endless(64, 1 << 30);
  const response = await transport.send(request("PUT", "/", body), { deadlines: PATIENT });
  assert.equal(response.status, 503);
  assert.equal(new TextDecoder().decode(await response.body.readAll(10)), "busy");
  transport.close();
}));

Deno.test(leakless("stop() lets go of a source that says nothing when the request is aborted", async () => {
  await using server = new RawServer((connection) => connection.drain());
  const transport = transportTo(server.url);
  const { body, seen } = fed(4);
  const controller = new AbortController();
  const sending = transport.send(request("POST", "/", body), { deadlines: PATIENT, signal: controller.signal });
  await eventually(() => transport.stats().open === 1);
  await new Promise((resolve) => setTimeout(resolve, 5));
  controller.abort();
  await failureOf(sending, "aborted");
  await eventually(() => seen.isCancelled);
  transport.close();
}));

Deno.test(leakless("stop() comes with an early refusal, before its body has been read", async () => {
  await using server = new RawServer(async (connection) => {
    await connection.readUntil((text) => text.includes("\r\n\r\n"));
    await connection.write("HTTP/1.1 413 Large\r\ncontent-length: 9\r\n\r\npart");
    await connection.drain();
  });
  const transport = transportTo(server.url);
  const { body, seen } = fed(1000);
  const response = await transport.send(request("POST", "/", body), { deadlines: PATIENT });
  await eventually(() => seen.isCancelled);
  response.body.cancel();
  transport.close();
}));

Deno.test(leakless("run() sets no deadline beside a response that has begun", async () => {
  await using server = new RawServer(async (connection) => {
    await connection.readUntil((text) => text.includes("\r\n\r\n"));
    await connection.write("HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nabc");
    await connection.readUntil((text) => text.includes("last"));
    await connection.write("def");
    await connection.drain();
  });
  const transport = transportTo(server.url);
  const { body, feed } = fed(10);
  const deadlines = { ...PATIENT, idleMs: 1_000 };
  const response = await transport.send(request("POST", "/", body), { deadlines });
  feed(latin1("first,"));
  await new Promise((resolve) => setTimeout(resolve, 2_100)); // more than twice idleMs
  feed(latin1("last"));
  feed(null);
  assert.equal(new TextDecoder().decode(await response.body.readAll(6)), "abcdef");
  assert.equal(transport.stats().idle, 1);
  transport.close();
}));

Deno.test(
  leakless("run() waits by firstByteMs once the request is complete, whether its source has ended or not", async () => {
    await using server = new RawServer((connection) => connection.drain());
    const transport = transportTo(server.url);
    const deadlines = { connectMs: 10_000, firstByteMs: 30, idleMs: 10_000 };
    const unended = fed(3);
    unended.feed(latin1("abc"));
    for (const body of [unended.body, streamed([latin1("abc")], null), streamed([latin1("abc")], 3), streamed([], 0)]) {
      await failureOf(transport.send(request("POST", "/", body), { deadlines }), "first_byte_timeout");
    }
    unended.feed(null);
    transport.close();
  }),
);

Deno.test(leakless("run() does no harm to the next request on its connection when its source fails late", async () => {
  await using server = answering(OK);
  const transport = transportTo(server.url);
  for (const late of [new Error("left"), latin1("too much")]) {
    const { body, feed, seen } = fed(3);
    feed(latin1("abc"));
    assert.deepEqual(await exchange(transport, request("POST", "/", body)), [200, "ok"]);
    assert.deepEqual(transport.stats(), { open: 1, idle: 1 });
    feed(late);
    if (!(late instanceof Error)) await eventually(() => seen.isCancelled);
    assert.deepEqual(await exchange(transport), [200, "ok"]);
  }
  assert.equal(server.accepted, 1);
  transport.close();
}));
