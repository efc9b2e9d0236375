import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { eventually, leakless } from "../eventually.ts";
import { RawClient } from "./raw_client.ts";
import { chunksOf, ends, readText, reply, serving, sourceOf, textReply } from "./serving.ts";
import {
  askOnce,
  AUTHORITY,
  firstMessage,
  frontOf,
  GET_ONCE,
  identity,
  restOf,
  StallingWire,
  tlsClient,
} from "./tls_serving.ts";

const tls = await frontOf();

/** Answers with what it knows of the request. */
const echo = async ({ method, target, body, connection, minor }: Parameters<Parameters<typeof serving>[0]>[0]) =>
  textReply(`${method} ${target} 1.${minor} ${connection.scheme} ${connection.peer} ${await readText(body)}`);

for (const hasEngine of [true, false]) {
  for (const maxVersion of ["TLSv1.2", "TLSv1.3"] as const) {
    const means = hasEngine ? "the engine" : "Node's streams";
    Deno.test(`TLS: one connection of ${maxVersion} serves request after request, with content both ways, by ${means}`, async () => {
      await using running = await serving(echo, { tls: await frontOf({}, hasEngine) });
      using client = RawClient.over(await tlsClient(running.address, { maxVersion }));
      for (let round = 0; round < 3; round++) {
        await client.send(`POST /${round} HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello`);
        assert.equal((await client.response()).body, `POST /${round} 1.1 https 127.0.0.1 hello`);
      }
      const large = "x".repeat(300_000);
      await client.send(`POST /large HTTP/1.1\r\nHost: a\r\nContent-Length: ${large.length}\r\n\r\n${large}`);
      assert.equal((await client.response()).body.length, "POST /large 1.1 https 127.0.0.1 ".length + large.length);
      assert.deepEqual(running.faults, []);
    });
  }
}

Deno.test("TLS: bodies of every size and kind come whole", async () => {
  await using running = await serving(({ target }) => {
    const size = Number(target.slice(1));
    if (size < 0) return reply({ body: chunksOf(...Array<string>(-size).fill("x".repeat(1_000))) });
    const shared = new Uint8Array(new SharedArrayBuffer(size)).fill(120);
    return reply({ body: shared, lengthBytes: size });
  }, { tls });
  using client = RawClient.over(await tlsClient(running.address));
  for (const size of [0, 1, 1_024, 16_384, 16_385, 100_000, 3_000_000, -50]) {
    await client.send(`GET /${size} HTTP/1.1\r\nHost: a\r\n\r\n`);
    const { body } = await client.response();
    assert.equal(body.length, size < 0 ? -size * 1_000 : size);
    assert.equal(body.replaceAll("x", ""), "");
  }
});

Deno.test("TLS: requests that come together, or in pieces, are answered in order", async () => {
  await using running = await serving(({ target }) => textReply(target), { tls });
  using client = RawClient.over(await tlsClient(running.address));
  const get = (target: string) => `GET ${target} HTTP/1.1\r\nHost: a\r\n\r\n`;
  await client.send(get("/1") + get("/2") + get("/3"));
  for (const target of ["/1", "/2", "/3"]) assert.equal((await client.response()).body, target);
  for (const letter of get("/4")) await client.send(letter);
  assert.equal((await client.response()).body, "/4");
});

Deno.test("TLS: the connection ends with a notice, so that no client takes a cut for the end (RFC 8446 §6.1)", async () => {
  await using running = await serving(() => reply({ body: chunksOf("a", "b") }), { tls });
  const text = await askOnce(running.address, {}, "GET / HTTP/1.0\r\n\r\n");
  assert.match(text, /\r\n\r\nab$/);
  await eventually("openConnections is 0", () => running.server.counts.openConnections === 0);
});

for (const hasEngine of [true, false]) {
  Deno.test(`TLS: a reply that breaks off ends without a notice, by ${hasEngine ? "the engine" : "Node's streams"}`, async () => {
    const broken = { lengthBytes: null, cancel() {} };
    await using running = await serving(({ target }) => {
      const parts = target === "/whole" ? ["a"] : ["a", null];
      const read = () => {
        const part = parts.shift();
        return part === null
          ? Promise.reject(new Error("It broke"))
          : Promise.resolve(part && Buffer.from(part) || null);
      };
      return reply({ body: { ...broken, read } });
    }, { tls: await frontOf({}, hasEngine) });
    const port = Number(running.address.split(":").at(-1));
    for (const target of ["/whole", "/broken"]) {
      using client = await Deno.connectTls({ hostname: "localhost", port, caCerts: [AUTHORITY.ca] });
      await client.write(Buffer.from(`GET ${target} HTTP/1.0\r\n\r\n`));
      const all = new Response(client.readable).text();
      if (target === "/whole") assert.match(await all, /\r\n\r\na$/);
      else await assert.rejects(all, /close_notify/);
    }
  });
}

Deno.test("TLS: a client that ends its direction is answered", async () => {
  await using running = await serving(async () => {
    await new Promise((resolve) => setTimeout(resolve, 20));
    return textReply("late");
  }, { tls });
  using client = await tlsClient(running.address, { allowHalfOpen: true } as never);
  await client.write(Buffer.from(GET_ONCE));
  void client.closeWrite();
  assert.match(await restOf(client), /late$/);
});

Deno.test("TLS: the name decides: exact, then wildcard, then the first", async () => {
  const front = await frontOf({
    identities: [
      await identity("first.example"),
      await identity("*.wild.example", "wild.example"),
      await identity("exact.wild.example"),
    ],
  });
  await using running = await serving(() => textReply("x"), { tls: front });
  const shown = async (servername: string) => {
    using client = await tlsClient(running.address, { servername, checkServerIdentity: () => undefined });
    return client.shown;
  };
  assert.equal(await shown("first.example"), "DNS:first.example");
  assert.equal(await shown("a.wild.example"), "DNS:*.wild.example, DNS:wild.example");
  assert.equal(await shown("WILD.example"), "DNS:*.wild.example, DNS:wild.example");
  assert.equal(await shown("exact.wild.example"), "DNS:exact.wild.example");
  assert.equal(await shown("a.b.wild.example"), "DNS:first.example");
  assert.equal(await shown("unknown.example"), "DNS:first.example");
  assert.equal(await shown(""), "DNS:first.example");
});

Deno.test("TLS: old versions, unknown protocols and what is no TLS are refused and counted", async () => {
  await using running = await serving(() => textReply("x"), { tls: await frontOf({ minVersion: "1.3" }) });
  const { counts } = running.server;
  await assert.rejects(tlsClient(running.address, { maxVersion: "TLSv1.2" }));
  await eventually("handshakeFailures is 1", () => counts.handshakeFailures === 1);
  await assert.rejects(tlsClient(running.address, { ALPNProtocols: ["spdy/3"] }));
  await eventually("handshakeFailures is 2", () => counts.handshakeFailures === 2);
  using garbage = await RawClient.to(running.address);
  await garbage.send("\x16\x03\x01\x00\x05garbage");
  assert.equal(await garbage.rest().catch(() => ""), "");
  using plain = await RawClient.to(running.address);
  await plain.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  const { status, body } = await plain.response();
  assert.equal(status, 400);
  assert.match(body, /HTTPS/);
  await eventually("handshakeFailures is 4", () => counts.handshakeFailures === 4);
  assert.equal(counts.requests, 0);
  await eventually("openConnections is 0", () => counts.openConnections === 0);
});

Deno.test("TLS: a PROXY header comes before the handshake, whole or in pieces, and names the client", async () => {
  await using running = await serving(({ connection }) => textReply(connection.peer), {
    tls,
    hasProxyHeader: true,
    isTrusted: (address) => address === "127.0.0.1",
    limits: { perAddress: 1 },
  });
  const before = new TextEncoder().encode("PROXY TCP4 192.0.2.1 198.51.100.1 50000 443\r\n");
  assert.match(await askOnce(running.address, { before }), /192\.0\.2\.1$/);
  using client = await tlsClient(running.address, { before });
  await assert.rejects(tlsClient(running.address, { before }));
  assert.equal(running.server.counts.refusedAddress, 1);
  client.close();
  await eventually("openConnections is 0", () => running.server.counts.openConnections === 0);
  using bare = await RawClient.to(running.address);
  await bare.send("\x16\x03\x01\x00\x05hello");
  assert.equal(await bare.rest().catch(() => ""), "");
  assert.equal(running.server.counts.refusedProxyHeader, 1);
});

Deno.test(leakless("TLS: handshakes that hang are gone with their descriptors when their time is over", async () => {
  await using running = await serving(() => textReply("x"), { tls, limits: { handshakeTimeoutMs: 200 } });
  const { counts } = running.server;
  const clients = await Promise.all(Array.from({ length: 60 }, () => RawClient.to(running.address)));
  // A third says nothing, a third a part of the first message, a third all of it and nothing more.
  const hello = await firstMessage();
  for (const [index, client] of clients.entries()) {
    if (index % 3 > 0) await client.send(index % 3 === 1 ? hello.subarray(0, 100) : hello);
  }
  await eventually("handshakeTimeouts is 60", () => counts.handshakeTimeouts === 60);
  assert.equal(counts.openConnections, 0);
  // Each client sees the end: its socket here is closed.
  for (const client of clients) {
    await client.rest().catch(() => {});
    client[Symbol.dispose]();
  }
  await running.server.close(10_000);
}));

Deno.test(leakless("TLS: a client that takes nothing is closed when its time is over", async () => {
  const { onEnd, first } = ends();
  await using running = await serving(
    () => reply({ body: sourceOf(() => "x".repeat(200_000)), onEnd }),
    { tls, limits: { sendTimeoutMs: 200 } },
  );
  const socket = await StallingWire.to(running.address);
  using client = await tlsClient(running.address, { socket });
  socket.isStalled = true;
  await client.write(Buffer.from(GET_ONCE));
  assert.equal((await first).aborted, true);
  assert.equal(running.server.counts.sendTimeouts, 1);
  await eventually("openConnections is 0", () => running.server.counts.openConnections === 0);
  await running.server.close(10_000);
}));

Deno.test("TLS: connections count towards max_connections from their first byte on", async () => {
  await using running = await serving(() => textReply("x"), { tls, limits: { maxConnections: 1 } });
  using held = await RawClient.to(running.address);
  await eventually("openConnections is 1", () => running.server.counts.openConnections === 1);
  await assert.rejects(tlsClient(running.address));
  assert.equal(running.server.counts.refusedFull, 1);
  held[Symbol.dispose]();
  await eventually("openConnections is 0", () => running.server.counts.openConnections === 0);
  assert.match(await askOnce(running.address), /x$/);
});

Deno.test("adjust(): a hundred times the next handshake takes the new certificate, and no request is lost", async () => {
  await using running = await serving(() => textReply("x"), { tls });
  using kept = RawClient.over(await tlsClient(running.address));
  let stops = false;
  let answered = 0;
  const load = Promise.all(Array.from({ length: 4 }, async () => {
    while (!stops) {
      assert.match(await askOnce(running.address), /x$/);
      answered++;
    }
  }));
  for (let round = 0; round < 100; round++) {
    const next = await frontOf({ identities: [await identity("localhost", `n${round}.example`)] });
    running.server.adjust(running.address, { tls: next });
    using client = await tlsClient(running.address);
    assert.equal(client.shown, `DNS:localhost, DNS:n${round}.example`);
    await kept.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert.equal((await kept.response()).body, "x");
  }
  stops = true;
  await load;
  assert.ok(answered > 0);
});

Deno.test("stopListening() ends handshakes that have not begun, and lets requests finish", async () => {
  const begun = Promise.withResolvers<void>();
  const goOn = Promise.withResolvers<void>();
  await using running = await serving(async () => {
    begun.resolve();
    await goOn.promise;
    return textReply("done");
  }, { tls });
  using silent = await RawClient.to(running.address);
  using client = RawClient.over(await tlsClient(running.address));
  await client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  await begun.promise;
  const stopped = running.server.stopListening(running.address);
  assert.equal(await silent.rest(), "");
  goOn.resolve();
  const response = await client.response();
  assert.equal(response.body, "done");
  assert.equal(response.field("connection"), "close");
  await stopped;
  assert.equal(running.server.counts.openConnections, 0);
});
