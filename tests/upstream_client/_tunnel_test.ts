import assert from "node:assert/strict";
import type { ByteStream } from "../../lib/wire/byte_stream.ts";
import { answering, latin1, latin1Text, type RawConnection, RawServer } from "./_raw_server.ts";
import { eventually, exchange, failureOf, fed, leakless, PATIENT, request, transportTo } from "./_sending.ts";
import { caCert, serverTls } from "./egress_servers.ts";

const OK = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
const upgrade = { deadlines: PATIENT, upgrade: "websocket" };

/** Agrees to the upgrade, with what comes right behind, then passes the connection to `then`. */
function switching(
  behind: string,
  then: (connection: RawConnection) => Promise<void>,
  tls?: typeof serverTls,
): RawServer {
  return new RawServer(async (connection) => {
    const asked = await connection.readRequest();
    if (asked === null) return;
    assert.match(asked.head, /\r\nupgrade: websocket\r\nconnection: upgrade$/);
    await connection.write(
      `HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\nconnection: Upgrade\r\nx-a: 1\r\n\r\n${behind}`,
    );
    await then(connection);
  }, tls);
}

async function readText(stream: ByteStream, lengthBytes: number, roomBytes = 4): Promise<string> {
  let text = "";
  const target = new Uint8Array(roomBytes);
  while (text.length < lengthBytes) {
    const count = await stream.read(target);
    if (count === null) break;
    text += latin1Text(target.subarray(0, count));
  }
  return text;
}

async function echo(connection: RawConnection): Promise<void> {
  for (let text = await connection.readSome(); text !== null; text = await connection.readSome()) {
    await connection.write(text);
  }
}

for (const [name, tls] of [["TCP", undefined], ["TLS", serverTls]] as const) {
  Deno.test(leakless(`Tunnel gives what came behind the field section, then both directions: ${name}`, async () => {
    await using server = switching("first words", echo, tls);
    const url = new URL(tls === undefined ? server.url : `https://localhost:${server.port}`);
    const transport = transportTo(url, { caCerts: [caCert] });
    const { status, fields, tunnel, body } = await transport.send(request(), upgrade);
    assert.deepEqual([status, fields[2], body.lengthBytes], [101, ["x-a", "1"], 0]);
    assert.equal(await readText(tunnel!, 11), "first words");
    for (const word of ["ping", "x".repeat(50_000)]) {
      const writing = (async () => {
        for (let at = 0; at < word.length;) at += await tunnel!.write(latin1(word.slice(at)));
      })();
      assert.equal(await readText(tunnel!, word.length, 65_536), word);
      await writing;
    }
    tunnel!.close();
    await eventually(() => server.openCount === 0);
    transport.close();
  }));
}

Deno.test(leakless("Tunnel counts as open until it is closed, and has no deadline and no signal any more", async () => {
  await using server = switching("", (connection) => connection.drain());
  const transport = transportTo(server.url, { maxConnections: 1, idleTimeoutMs: 10 });
  const controller = new AbortController();
  const deadlines = { connectMs: 10_000, firstByteMs: 500, idleMs: 20 };
  const { tunnel } = await transport.send(request(), { deadlines, upgrade: "websocket", signal: controller.signal });
  assert.deepEqual(transport.stats(), { open: 1, idle: 0 });
  const late = transport.send(request(), { deadlines: { ...PATIENT, connectMs: 600 } });
  await failureOf(late, "crowded"); // longer than each of the deadlines
  controller.abort();
  assert.equal(await tunnel!.write(latin1("x")), 1);
  const reading = tunnel!.read(new Uint8Array(1));
  tunnel!.close();
  tunnel!.close();
  await assert.rejects(reading);
  await assert.rejects(tunnel!.read(new Uint8Array(1)));
  await assert.rejects(tunnel!.write(new Uint8Array(1)));
  assert.deepEqual(transport.stats(), { open: 0, idle: 0 });
  transport.close();
}));

Deno.test(leakless("Tunnel ends its own direction and goes on reading", async () => {
  await using server = switching("", async (connection) => {
    const heard: string[] = [];
    for (let text = await connection.readSome(); text !== null; text = await connection.readSome()) heard.push(text);
    await connection.write(`heard ${heard.join("")}`);
  });
  const transport = transportTo(server.url);
  const { tunnel } = await transport.send(request(), upgrade);
  await tunnel!.write(latin1("all"));
  await tunnel!.closeWrite();
  assert.equal(await readText(tunnel!, 100), "heard all");
  tunnel!.close();
  transport.close();
}));

Deno.test(leakless("Tunnel is given up with the body of its response, unread bytes and all", async () => {
  await using server = switching("unread", (connection) => connection.drain());
  const transport = transportTo(server.url);
  const { tunnel, body } = await transport.send(request(), upgrade);
  assert.equal(await body.read(), null);
  body.cancel();
  await assert.rejects(tunnel!.read(new Uint8Array(9)));
  await eventually(() => server.openCount === 0);
  transport.close();
}));

const NOT_AGREED = [
  "HTTP/1.1 101 Switching Protocols\r\n\r\n",
  "HTTP/1.1 101 Switching Protocols\r\nupgrade: h2c\r\n\r\n",
  "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket, h2c\r\n\r\n",
  "HTTP/1.0 101 Switching Protocols\r\nupgrade: websocket\r\n\r\n",
];

for (const response of NOT_AGREED) {
  Deno.test(
    leakless(
      `send() fails as protocol where the upstream switches otherwise: ${JSON.stringify(response)}`,
      async () => {
        await using server = answering(response);
        const transport = transportTo(server.url);
        await failureOf(transport.send(request(), upgrade), "protocol");
        assert.equal(transport.stats().open, 0);
        transport.close();
      },
    ),
  );
}

Deno.test(leakless("send() takes any other status for an ordinary response and keeps the connection", async () => {
  await using server = answering("HTTP/1.1 426 Upgrade Required\r\nupgrade: websocket\r\ncontent-length: 2\r\n\r\nno");
  const transport = transportTo(server.url);
  const response = await transport.send(request(), upgrade);
  assert.deepEqual([response.status, response.tunnel], [426, undefined]);
  assert.equal((await response.body.readAll(2)).length, 2);
  assert.deepEqual(await exchange(transport), [426, "no"]);
  assert.equal(server.accepted, 1);
  transport.close();
}));

Deno.test(leakless("send() asks for an upgrade on a connection of its own, once, and never with a body", async () => {
  const seen: number[] = [];
  await using server = new RawServer(async (connection) => {
    for (let got = await connection.readRequest(); got !== null; got = await connection.readRequest()) {
      if (got.head.includes("upgrade")) return void seen.push(connection.number);
      await connection.write(OK);
    }
  });
  const transport = transportTo(server.url);
  await exchange(transport);
  await failureOf(transport.send(request(), upgrade), "reset");
  assert.deepEqual([seen, server.accepted, transport.stats().idle], [[2], 2, 1]);
  const { body, seen: source } = fed(null);
  await failureOf(transport.send(request("GET", "/", body), upgrade), "unsendable");
  assert.equal(source.reads, 0);
  transport.close();
}));
