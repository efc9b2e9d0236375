import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { eventually, leakless } from "../workers/eventually.ts";
import { chunksOf, ends, readText, reply, serving, sourceOf, textReply } from "./serving.ts";
import { frontOf, http2Client, StallingWire, tlsClient, tlsOver } from "./tls_serving.ts";

const tls = await frontOf();
const GET = { ":path": "/", ":authority": "one.example" };

// Those that look for leaks come first: no test before them leaves a timer.
Deno.test(leakless("HTTP/2: a connection without a request is closed when its time is over", async () => {
  await using running = await serving(() => textReply("x"), { tls, limits: { idleTimeoutMs: 100 } });
  using client = await http2Client(running.address);
  assert.equal((await client.ask(GET)).body, "x");
  await new Promise((resolve) => client.session.once("close", resolve));
  assert.equal(running.server.counts.idleTimeouts, 1);
  assert.equal(running.server.counts.openConnections, 0);
  await running.server.close(10_000);
}));

Deno.test(leakless("HTTP/2: a connection on which nothing is ever said is closed too", async () => {
  await using running = await serving(() => textReply("x"), { tls, limits: { idleTimeoutMs: 100 } });
  using client = await tlsClient(running.address, { ALPNProtocols: ["h2"] });
  const memory = new Uint8Array(1_000);
  while (await client.read(memory) !== null);
  await eventually("it is closed", () => running.server.counts.openConnections === 0);
  await running.server.close(10_000);
}));

Deno.test(
  leakless("HTTP/2: a client that takes nothing is closed, whether its socket is full or its window shut", async () => {
    const { onEnd, all } = ends();
    await using running = await serving(
      () => reply({ body: sourceOf(() => "x".repeat(100_000)), onEnd }),
      { tls, limits: { sendTimeoutMs: 200 } },
    );
    const socket = await StallingWire.to(running.address);
    using full = await http2Client(running.address, {
      createConnection: () => tlsOver(socket),
    });
    full.session.on("error", () => {});
    const first = full.session.request(GET);
    first.on("error", () => {});
    first.once("response", () => socket.isStalled = true);
    first.resume();
    using shut = await http2Client(running.address);
    shut.session.on("error", () => {});
    const second = shut.session.request(GET);
    second.on("error", () => {});
    second.pause();
    await eventually("both are closed", () => running.server.counts.sendTimeouts === 2);
    await eventually("both have ended", () => all.length === 2 && running.server.counts.openConnections === 0);
    assert.deepEqual(all.map(({ aborted }) => aborted), [true, true]);
    full.session.destroy();
    socket.destroy();
    await running.server.close(10_000);
    await running.server.close(10_000);
  }),
);

Deno.test("HTTP/2: the handler is the same: method, target as sent, authority, fields, content, peer", async () => {
  await using running = await serving(async ({ method, target, fields, body, connection, minor }) => {
    const host = fields.header("host");
    const seen = [method, target, minor, host, fields.header("x-a"), connection.scheme, connection.peer];
    return textReply(`${seen.join(" ")} ${await readText(body)}`, { lines: 'X-B: c\r\nETag: "strong"\r\n' });
  }, { tls });
  using client = await http2Client(running.address);
  const got = await client.ask({ ":path": "/a%2fb//c?q=%41", ":authority": "one.example:8443", "x-a": "b" });
  assert.equal(got.body, "GET /a%2fb//c?q=%41 2 one.example:8443 b https 127.0.0.1 ");
  assert.equal(got.fields["x-b"], "c");
  const large = new Uint8Array(300_000).fill(120);
  const posted = await client.ask({ ...GET, ":method": "POST" }, large);
  assert.equal(posted.body.length, "POST / 2 one.example  https 127.0.0.1 ".length + large.length);
  assert.equal(running.server.counts.requests, 2);
  assert.deepEqual(running.faults, []);
});

Deno.test("HTTP/2: nothing is done to a reply: no coding, no weak tag, every size and kind comes whole", async () => {
  await using running = await serving(({ target }) => {
    const size = Number(target.slice(1));
    const lines = 'Content-Type: application/json\r\nETag: "strong"\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\n';
    if (size < 0) {
      return reply({ lines, hasDate: true, body: chunksOf(...Array<string>(-size).fill("x".repeat(1_000))) });
    }
    return reply({ lines, hasDate: true, body: new Uint8Array(size).fill(120), lengthBytes: size });
  }, { tls });
  using client = await http2Client(running.address);
  await Promise.all([0, 1, 1_024, 16_384, 100_000, 3_000_000, -50].map(async (size) => {
    const { body, fields } = await client.ask({ ...GET, ":path": `/${size}`, "accept-encoding": "gzip, br" });
    assert.equal(body.length, size < 0 ? -size * 1_000 : size);
    assert.equal(fields["content-length"], size < 0 ? undefined : String(size));
    assert.equal(fields["content-encoding"], undefined);
    assert.equal(fields.etag, '"strong"');
    assert.equal(fields.date, "Thu, 01 Jan 2026 00:00:00 GMT");
    assert.equal(fields.vary, undefined);
  }));
});

Deno.test("HTTP/2: HEAD, statuses without content, handlers that throw", async () => {
  await using running = await serving(({ target }) => {
    if (target === "/throw") throw new Error("a bug");
    return target === "/304" ? reply({ status: 304 }) : textReply("content");
  }, { tls });
  using client = await http2Client(running.address);
  const head = await client.ask({ ...GET, ":method": "HEAD" });
  assert.deepEqual([head.status, head.body, head.fields["content-length"]], [200, "", "7"]);
  assert.equal((await client.ask({ ...GET, ":path": "/304" })).status, 304);
  assert.equal((await client.ask({ ...GET, ":path": "/throw" })).status, 500);
  assert.equal(running.faults.length, 1);
});

Deno.test("HTTP/2: the limits of a request's head are those of HTTP/1.1", async () => {
  await using running = await serving(() => textReply("x"), {
    tls,
    limits: { targetBytes: 100, maxFields: 10, fieldsBytes: 500 },
  });
  using client = await http2Client(running.address);
  assert.equal((await client.ask({ ...GET, ":path": `/${"a".repeat(100)}` })).status, 414);
  const many = Object.fromEntries(Array.from({ length: 12 }, (_, index) => [`x-${index}`, "a"]));
  assert.equal((await client.ask({ ...GET, ...many })).status, 431);
  assert.equal((await client.ask({ ...GET, "x-a": "a".repeat(600) })).status, 431);
  assert.equal((await client.ask(GET)).status, 200);
  const { targetsTooLong, fieldsTooLarge } = running.server.counts;
  assert.deepEqual([targetsTooLong, fieldsTooLarge], [1, 2]);
});

Deno.test("HTTP/2: a client that cancels a request is seen by its handler, others go on", async () => {
  const gone = Promise.withResolvers<void>();
  const begun = Promise.withResolvers<void>();
  await using running = await serving(({ target, signal }) => {
    if (target !== "/slow") return textReply("x");
    signal.addEventListener("abort", () => gone.resolve());
    begun.resolve();
    return new Promise(() => {});
  }, { tls });
  using client = await http2Client(running.address);
  const stream = client.session.request({ ...GET, ":path": "/slow" });
  stream.on("error", () => {});
  await begun.promise;
  stream.close(8);
  await gone.promise;
  assert.equal((await client.ask(GET)).body, "x");
});

Deno.test("HTTP/2: a request that takes longer than a connection may idle is served", async () => {
  await using running = await serving(async () => {
    await new Promise((resolve) => setTimeout(resolve, 300));
    return textReply("late");
  }, { tls, limits: { idleTimeoutMs: 50, sendTimeoutMs: 50 } });
  using client = await http2Client(running.address);
  assert.equal((await client.ask(GET)).body, "late");
});

Deno.test("HTTP/2: content that does not come in time ends the connection", async () => {
  await using running = await serving(async ({ body }) => textReply(await readText(body)), {
    tls,
    limits: { bodyTimeoutMs: 100 },
  });
  using client = await http2Client(running.address);
  const stream = client.session.request({ ...GET, ":method": "POST" }, { endStream: false });
  stream.on("error", () => {});
  stream.write(Buffer.from("a part"));
  await new Promise((resolve) => client.session.once("close", resolve));
  assert.equal(running.server.counts.bodyTimeouts, 1);
});

Deno.test("stopListening() lets HTTP/2 requests finish and ends the connection", async () => {
  const begun = Promise.withResolvers<void>();
  const goOn = Promise.withResolvers<void>();
  await using running = await serving(async () => {
    begun.resolve();
    await goOn.promise;
    return textReply("done");
  }, { tls });
  using client = await http2Client(running.address);
  const asked = client.ask(GET);
  await begun.promise;
  const stopped = running.server.stopListening(running.address);
  goOn.resolve();
  assert.equal((await asked).body, "done");
  await stopped;
  assert.equal(running.server.counts.openConnections, 0);
});

Deno.test("HTTP/2 is not offered where it is switched off", async () => {
  await using running = await serving(() => textReply("x"), { tls: await frontOf({ http2: false }) });
  using client = await tlsClient(running.address, { ALPNProtocols: ["h2", "http/1.1"] });
  assert.equal(client.socket.alpnProtocol, "http/1.1");
});
