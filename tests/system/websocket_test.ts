import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { fieldValue } from "../../lib/http/fields.ts";
import type { ScriptedExchange, ScriptedHandler } from "../origins/scripted_origin.ts";
import { eventually } from "../eventually.ts";
import { type GatewayPlaces, type RunningGateway, startGateway } from "./_gateway.ts";
import { parseHead, rawRequest, requestText, textOf } from "./_raw_client.ts";
import { openRaw, type RawConnection } from "../raw_connection.ts";
import { type ScriptedGateway, startScriptedGateway } from "./_scripted_gateway.ts";
import { sharedByTests } from "./_shared.ts";
import { customPool, testConfig } from "./test_config.ts";
import { startWebSocketOrigin } from "./_websocket_origin.ts";

const MIB = 1024 * 1024;
/** The example of RFC 6455 section 1.3. */
const KEY = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
const HANDSHAKE = requestOf("GET /chat?room=1", [["upgrade", "websocket"]]);
const AGREEMENT = "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n" +
  `sec-websocket-accept: ${ACCEPT}\r\n\r\n`;

function requestOf(first: string, fields: readonly (readonly [string, string])[], body = ""): string {
  const lines = fields.map(([name, value]) => `${name}: ${value}\r\n`).join("");
  return `${first} HTTP/1.1\r\nhost: gateway.test\r\nconnection: Upgrade\r\n${lines}` +
    `sec-websocket-key: ${KEY}\r\nsec-websocket-version: 13\r\n\r\n${body}`;
}

/** A short text frame (RFC 6455 section 5.2); a client masks what it sends. */
function frame(text: string, mask?: readonly number[]): Uint8Array {
  const payload = new TextEncoder().encode(text);
  if (mask === undefined) return Uint8Array.of(0x81, payload.length, ...payload);
  return Uint8Array.of(0x81, 0x80 | payload.length, ...mask, ...payload.map((byte, n) => byte ^ mask[n % 4]!));
}

/** Takes a head off what has arrived. */
async function headOf(client: RawConnection) {
  return parseHead((await client.inbox.takeThrough("\r\n\r\n")).slice(0, -4));
}

const shared = sharedByTests((stack) => startScriptedGateway(stack, () => {}));

/** The gateway of several tests, and an upstream that does as one of them says. */
async function scripted(handler: ScriptedHandler): Promise<ScriptedGateway> {
  const pair = await shared();
  pair.origin.handle(handler);
  return pair;
}

/** An upstream that agrees and then does as a test says; without more it keeps the connection. */
function startTunnelled(
  stack: AsyncDisposableStack,
  after: (exchange: ScriptedExchange) => void | Promise<void>,
  more: Readonly<Record<string, unknown>> = {},
  server: Readonly<Record<string, unknown>> = {},
): Promise<ScriptedGateway> {
  return startScriptedGateway(stack, async (exchange) => {
    await exchange.write(AGREEMENT);
    await after(exchange);
    await exchange.left;
  }, (url) => ({ server: { workers: 1, ...server }, pools: { any: customPool([url], more) } }));
}

async function openTunnel(gateway: RunningGateway): Promise<RawConnection> {
  const client = await openRaw(gateway.port);
  client.send(HANDSHAKE);
  assert.equal((await headOf(client)).status, 101);
  return client;
}

/** Messages of a WebSocket, awaited one after the other. */
class Messages {
  readonly socket: WebSocket;
  readonly closed: Promise<CloseEvent>;
  readonly #arrived: (string | ArrayBuffer)[] = [];
  #wake = () => {};

  constructor(url: string, protocols: string[] = []) {
    this.socket = new WebSocket(url, protocols);
    this.socket.binaryType = "arraybuffer";
    this.socket.onmessage = ({ data }) => {
      this.#arrived.push(data);
      this.#wake();
    };
    this.closed = new Promise((resolve) => {
      this.socket.onclose = (event) => {
        resolve(event);
        this.#wake();
      };
    });
  }

  opened(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.socket.onopen = () => resolve();
      this.socket.onerror = (event) => reject(new Error(event instanceof ErrorEvent ? event.message : "not opened"));
    });
  }

  async next(): Promise<string | ArrayBuffer> {
    while (this.#arrived.length === 0) {
      assert.ok(this.socket.readyState <= WebSocket.OPEN, "the connection is closed");
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
    return this.#arrived.shift()!;
  }
}

Deno.test("a WebSocket client talks with an upstream through the gateway", async (t) => {
  await using stack = new AsyncDisposableStack();
  const origin = stack.adopt(await startWebSocketOrigin(), (running) => running.close());
  const gateway = stack.adopt(
    await startGateway({
      config: (places) =>
        testConfig(places, {
          pools: { any: customPool([origin.url]) },
          listeners: [{ name: "any", prefix: "/", pool: "any" }],
        }),
    }),
    (running) => running.close(),
  );
  const base = gateway.url.replace("http:", "ws:");
  await t.step("text and binary messages, small and large, in order", async () => {
    const messages = new Messages(`${base}/echo?room=a%20b`, ["chat.v2", "chat.v1"]);
    await messages.opened();
    assert.equal(messages.socket.protocol, "chat.v2");
    assert.equal(new URL(origin.requests[0]!.url).pathname, "/echo");
    assert.equal(new URL(origin.requests[0]!.url).search, "?room=a%20b");
    for (let n = 0; n < 200; n++) messages.socket.send(`message ${n}`);
    for (let n = 0; n < 200; n++) assert.equal(await messages.next(), `message ${n}`);
    const large = new Uint8Array(4 * MIB);
    for (let at = 0; at < large.length; at += 65_536) crypto.getRandomValues(large.subarray(at, at + 65_536));
    messages.socket.send(large);
    const echo = new Uint8Array(await messages.next() as ArrayBuffer);
    const sum = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");
    assert.equal(sum(echo), sum(large));
    messages.socket.close(4000, "done");
    assert.equal((await messages.closed).code, 4000);
    await eventually("the upstream hears of it", () => origin.closes.length === 1);
    assert.deepEqual(origin.closes, [{ code: 4000, reason: "done" }]);
  });
  await t.step("the upstream's end, with its code", async () => {
    const messages = new Messages(`${base}/echo`);
    await messages.opened();
    messages.socket.send("end");
    const { code, reason } = await messages.closed;
    assert.deepEqual([code, reason], [4001, "as was asked"]);
  });
});

Deno.test("the handshake's fields and every byte behind it pass as they are", async () => {
  const masked = frame("from the client", [1, 2, 3, 4]);
  let arrived = "";
  const { origin, gateway } = await scripted(async (exchange) => {
    // Its first frame comes in one piece with the head.
    await exchange.write(Uint8Array.of(...new TextEncoder().encode(AGREEMENT), ...frame("from the upstream")));
    arrived = String(await exchange.take(masked.length));
    await exchange.left;
  });
  using client = await openRaw(gateway.port);
  client.send(HANDSHAKE);
  const head = await headOf(client);
  assert.equal(head.status, 101);
  assert.equal(fieldValue(head.fields, "upgrade"), "websocket");
  assert.match(fieldValue(head.fields, "connection") ?? "", /^upgrade$/i);
  assert.equal(fieldValue(head.fields, "sec-websocket-accept"), ACCEPT);
  assert.deepEqual(await client.inbox.take(19), frame("from the upstream"));
  client.send(masked);
  await eventually("the frame arrives", () => arrived === String(masked));
  const sent = origin.heads.at(-1);
  assert.equal(sent!.target, "/chat?room=1");
  assert.equal(fieldValue(sent!.fields, "upgrade"), "websocket");
  assert.match(fieldValue(sent!.fields, "connection") ?? "", /^upgrade$/i);
  assert.equal(fieldValue(sent!.fields, "sec-websocket-key"), KEY);
  assert.equal(fieldValue(sent!.fields, "sec-websocket-version"), "13");
  assert.deepEqual(origin.failures, []);
});

Deno.test("the end of one side is the end of the other", async () => {
  await using stack = new AsyncDisposableStack();
  const { origin, gateway } = await startTunnelled(stack, async (exchange) => {
    if (exchange.connection === 2) exchange.end();
    await exchange.left;
  });
  const leaving = await openTunnel(gateway);
  await eventually("the upstream is connected", () => origin.open === 1);
  leaving.close();
  await eventually("the upstream's connection ends", () => origin.open === 0);
  using left = await openTunnel(gateway);
  await left.ended;
});

Deno.test("an upstream that does not agree answers as it answers any request", async () => {
  const { origin, gateway } = await scripted((exchange) =>
    exchange.reply({ status: 403, fields: [["cache-control", "no-store"]], body: "not you" })
  );
  using client = await openRaw(gateway.port);
  client.send(HANDSHAKE);
  assert.equal((await headOf(client)).status, 403);
  assert.equal(textOf(await client.inbox.take(7)), "not you");
  // One that switches to what nobody asked for is not believed.
  origin.handle(async (exchange) => {
    await exchange.write(AGREEMENT.replace("websocket", "h2c"));
    await exchange.left;
  });
  using misled = await openRaw(gateway.port);
  misled.send(HANDSHAKE);
  assert.equal((await headOf(misled)).status, 502);
});

Deno.test("other protocols are never sent on: the request is served as if it named none", async (t) => {
  const { origin, gateway } = await scripted((exchange) =>
    exchange.reply({ fields: [["cache-control", "no-store"]], body: "plain" })
  );
  for (const protocol of ["h2c", "HTTP/2.0", "TLS/1.3"]) {
    await t.step(protocol, async () => {
      const fields: [string, string][] = [["connection", "upgrade"], ["upgrade", protocol], [
        "http2-settings",
        "AAMAAABk",
      ]];
      const response = await rawRequest(gateway.port, requestText("GET /", fields));
      assert.equal(response.status, 200);
      assert.equal(textOf(response.body), "plain");
      assert.equal(fieldValue(origin.heads.at(-1)!.fields, "upgrade"), null);
    });
  }
});

Deno.test("a pool without upgrades refuses a WebSocket and says so", async () => {
  await using stack = new AsyncDisposableStack();
  const { origin, gateway } = await startTunnelled(stack, () => {}, { upgrade: [] });
  using client = await openRaw(gateway.port);
  client.send(HANDSHAKE);
  const head = await headOf(client);
  assert.ok(head.status >= 400 && head.status !== 502, `${head.status}`);
  const length = Number(fieldValue(head.fields, "content-length"));
  assert.match(textOf(await client.inbox.take(length)), /WebSocket|upgrade/i);
  assert.equal(origin.heads.length, 0);
});

Deno.test("tunnels are counted and end when nothing comes", async () => {
  await using stack = new AsyncDisposableStack();
  const { origin, gateway } = await startTunnelled(stack, () => {}, { tunnels: { idle: "5s", max: 1 } });
  using only = await openTunnel(gateway);
  using second = await openRaw(gateway.port);
  second.send(HANDSHAKE);
  assert.equal((await headOf(second)).status, 503);
  await only.ended;
  await eventually("the upstream's connection ends", () => origin.open === 0);
  using next = await openTunnel(gateway);
  next.close();
});

Deno.test("handshakes at once do not pass by tunnels.max, nor does a reload forget the tunnels that are open", async () => {
  await using stack = new AsyncDisposableStack();
  const agree = Promise.withResolvers<void>();
  const configured = (idle: string) => (url: string) => ({
    server: { workers: 1 },
    pools: { any: customPool([url], { tunnels: { max: 3, idle } }) },
  });
  let places: GatewayPlaces | undefined;
  const { origin, gateway } = await startScriptedGateway(stack, async (exchange) => {
    await agree.promise;
    await exchange.write(AGREEMENT);
    await exchange.left;
  }, (url, given) => {
    places = given;
    return configured("1m")(url);
  });
  const clients = await Promise.all(Array.from({ length: 8 }, () => openRaw(gateway.port)));
  for (const client of clients) client.send(HANDSHAKE);
  await eventually("three reach the upstream", () => origin.heads.length === 3);
  let answered = 0;
  const answers = clients.map(async (client) => {
    const { status } = await headOf(client);
    answered++;
    return status;
  });
  await eventually("the others are answered", () => answered === 5);
  agree.resolve();
  const statuses = await Promise.all(answers);
  assert.deepEqual(statuses.toSorted(), [101, 101, 101, 503, 503, 503, 503, 503]);
  const listeners = [{ name: "any", prefix: "/", pool: "any" }];
  await gateway.writeConfig(testConfig(places!, { ...configured("2m")(origin.url), listeners }));
  gateway.signal("SIGHUP");
  await gateway.logged("Configuration reloaded");
  using late = await openRaw(gateway.port);
  late.send(HANDSHAKE);
  assert.equal((await headOf(late)).status, 503);
  for (const client of clients) client.close();
  await eventually("a tunnel can be opened again", async () => {
    using next = await openRaw(gateway.port);
    next.send(HANDSHAKE);
    return (await headOf(next)).status === 101;
  });
});

Deno.test("tunnels end with the grace of a stop", async () => {
  await using stack = new AsyncDisposableStack();
  const { gateway } = await startTunnelled(stack, () => {}, {}, { shutdown_grace: "1s" });
  using client = await openTunnel(gateway);
  gateway.signal("SIGTERM");
  assert.equal(await gateway.ended(), 0);
  await client.ended;
});
