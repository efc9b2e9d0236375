import assert from "node:assert/strict";
import tls from "node:tls";
import { madeAuthority } from "../certificates/made.ts";
import { secure, TlsPeer } from "../../lib/upstream_client/_secure.ts";
import { caCert, httpProxy, serverTls } from "./egress_servers.ts";
import { latin1, latin1Text, RawServer } from "./_raw_server.ts";
import { eventually, leakless } from "./_sending.ts";

const peer = (name = "upstream.example", caCerts = [caCert]) => new TlsPeer(name, caCerts);
const { signal } = new AbortController();

function dial(port: number): Promise<Deno.TcpConn> {
  return Deno.connect({ hostname: "127.0.0.1", port });
}

function echoServer(): RawServer {
  return new RawServer(async (connection) => {
    for (let text = await connection.readSome(); text !== null; text = await connection.readSome()) {
      await connection.write(text);
    }
  }, serverTls);
}

Deno.test(leakless("secure() checks name and issuer, and closes what it was given when they are wrong", async () => {
  await using server = echoServer();
  const socket = await secure(await dial(server.port), peer(), signal);
  await socket.write(latin1("hello"));
  const buffer = new Uint8Array(100);
  assert.equal(latin1Text(buffer.subarray(0, await socket.read(buffer) ?? 0)), "hello");
  socket.close();
  await assert.rejects(dial(server.port).then((tcp) => secure(tcp, peer("wrong.example"), signal)));
  await assert.rejects(dial(server.port).then((tcp) => secure(tcp, peer("upstream.example", []), signal)));
  await eventually(() => server.openCount === 0);
}));

Deno.test(leakless("secure() speaks TLS inside TLS and closes every layer", async () => {
  await using server = echoServer();
  await using proxy = httpProxy({ isSecure: true });
  const outer = await secure(await dial(proxy.port), peer(), signal);
  await outer.write(latin1(`CONNECT 127.0.0.1:${server.port} HTTP/1.1\r\n\r\n`));
  const buffer = new Uint8Array(100_000);
  await outer.read(buffer);
  const socket = await secure(outer, peer(), signal);
  const sent = latin1("x".repeat(50_000));
  await Promise.all([
    socket.write(sent),
    (async () => {
      for (let received = 0; received < 50_000;) received += await socket.read(buffer) ?? assert.fail("closed");
    })(),
  ]);
  socket.close();
  await eventually(() => server.openCount === 0 && proxy.openCount === 0);
}));

Deno.test("secure() leaves one socket at most behind handshakes that hang, and frees it when the other side leaves", async () => {
  await using server = new RawServer((connection) => connection.drain());
  const hung = peer();
  for (let turn = 0; turn < 5; turn++) {
    const limit = new AbortController();
    const shaking = secure(await dial(server.port), hung, limit.signal);
    await eventually(() => server.accepted === turn + 1);
    setTimeout(() => limit.abort(), 20);
    await assert.rejects(shaking);
  }
  assert.ok(hung.relayUntilMs > performance.now());
  // However long that takes, nothing goes past the relay before a handshake has ended well.
  hung.relayUntilMs = -Infinity;
  assert.ok(hung.isSilent);
  await eventually(() => server.openCount <= 1);
  server.closeConnections();
  await eventually(() => server.openCount === 0);
});

Deno.test(
  leakless(
    "secure() goes through a relay for a while after a handshake that hung, then straight again",
    async () => {
      await using server = echoServer();
      for (const isRelayed of [true, false]) {
        const known = peer();
        known.relayUntilMs = performance.now() + (isRelayed ? 60_000 : -1);
        const socket = await secure(await dial(server.port), known, signal);
        assert.equal("handshake" in socket, !isRelayed);
        await socket.write(latin1("hello"));
        const buffer = new Uint8Array(100);
        assert.equal(latin1Text(buffer.subarray(0, await socket.read(buffer) ?? 0)), "hello");
        await socket.closeWrite();
        assert.equal(await socket.read(buffer), null);
        socket.close();
        await eventually(() => server.openCount === 0);
      }
    },
  ),
);

Deno.test(
  leakless(
    "secure() leaves nothing behind a handshake that hangs once one has hung, however many there are",
    async () => {
      await using server = new RawServer((connection) => connection.drain());
      const hung = peer();
      hung.relayUntilMs = performance.now() + 60_000;
      const limit = new AbortController();
      const shaking = Array.from({ length: 20 }, async () => secure(await dial(server.port), hung, limit.signal));
      await eventually(() => server.accepted === 20);
      limit.abort();
      for (const one of shaking) await assert.rejects(one);
      await eventually(() => server.openCount === 0);
    },
  ),
);

Deno.test("secure() begins few handshakes that could not be ended with a peer that has not answered yet", async () => {
  await using server = new RawServer((connection) => connection.drain());
  const hung = peer();
  const limit = new AbortController();
  const shaking = Array.from({ length: 20 }, async () => secure(await dial(server.port), hung, limit.signal));
  await eventually(() => server.accepted === 20);
  limit.abort();
  for (const { status } of await Promise.allSettled(shaking)) assert.equal(status, "rejected");
  await eventually(() => server.openCount <= 2);
});

Deno.test("secure() shows the certificate of its own where it is asked for one, and is refused without", async () => {
  const authority = await madeAuthority();
  const { cert, key } = await authority.leaf(["upstream.example"]);
  const own = await authority.leaf(["usher.example"], { use: "client" });
  const server = tls.createServer(
    { cert, key, ca: authority.ca, requestCert: true, rejectUnauthorized: true },
    (socket) => {
      socket.on("error", () => {});
      socket.end(socket.getPeerCertificate().subjectaltname ?? "none");
    },
  );
  server.on("tlsClientError", () => {});
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  const read = async (shown: TlsPeer) => {
    const socket = await secure(await dial(port), shown, signal);
    try {
      const buffer = new Uint8Array(1_000);
      return latin1Text(buffer.subarray(0, await socket.read(buffer) ?? 0));
    } finally {
      socket.close();
    }
  };
  assert.equal(await read(new TlsPeer("upstream.example", [authority.ca], own)), "DNS:usher.example");
  const bare = new TlsPeer("upstream.example", [authority.ca]);
  assert.equal(await read(bare).catch(() => ""), "");
  // A certificate that the upstream does not take is refused behind the handshake, and ends nothing but the connection.
  const strange = await (await madeAuthority()).leaf(["usher.example"], { use: "client" });
  for (let turn = 0; turn < 5; turn++) {
    assert.equal(await read(new TlsPeer("upstream.example", [authority.ca], strange)).catch(() => ""), "");
  }
  await assert.rejects(read(new TlsPeer("other.example", [authority.ca], own)));
  await new Promise((resolve) => server.close(resolve));
});
