/**
 * A process of a test in which a thousand TLS handshakes hang, towards clients and towards upstreams. Prints what is left of them once
 * their time is over, while the other side still holds on, as JSON.
 */
import { systemClock } from "../../lib/clock.ts";
import { createHttp1Transport, type Http1TransportOptions } from "../../lib/upstream_client/http1_transport.ts";
import { probeWay } from "../../lib/upstream_client/probe.ts";
import { serving, textReply } from "../server/serving.ts";
import { AUTHORITY, firstMessage, frontOf } from "../server/tls_serving.ts";
import { eventually } from "../eventually.ts";

const ALL = 1_000;
const TOGETHER = 250;
const LIMIT_MS = 300;
/** Handshakes with an upstream that has never answered which may be past a relay. */
const UNPROVEN = 2;
const PAUSE_MS = 100;
const MAX_TRIES = 300;

/** Descriptors of this process. */
function descriptors(): number {
  return [...Deno.readDirSync("/proc/self/fd")].length;
}

/** What is left, once that is no more than `most`, or in vain. */
async function settled(left: () => number, most: number): Promise<number> {
  for (let tries = 0; left() > most && tries < MAX_TRIES; tries++) {
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
  return left();
}

/** Clients that fall silent at once, within their first message, or behind it. */
async function ofClients(count: number): Promise<number> {
  await using running = await serving(() => textReply("x"), {
    tls: await frontOf(),
    limits: { handshakeTimeoutMs: 500 },
  });
  const hello = await firstMessage();
  const before = descriptors();
  const clients: Deno.TcpConn[] = [];
  const port = Number(running.address.split(":").at(-1));
  for (let index = 0; index < count; index++) {
    const client = await Deno.connect({ hostname: "127.0.0.1", port });
    if (index % 3 > 0) await client.write(index % 3 === 1 ? hello.subarray(0, 100) : hello);
    clients.push(client);
  }
  await eventually("all have timed out", () => running.server.counts.handshakeTimeouts === count);
  const left = await settled(() => descriptors() - before - clients.length, 0);
  for (const client of clients) client.close();
  return left;
}

/** A server that accepts and never says anything: how many connections it still has. */
function silentServer() {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const counts = { accepted: 0, open: 0 };
  const hold = async (connection: Deno.Conn) => {
    counts.accepted++;
    counts.open++;
    const memory = new Uint8Array(4_096);
    try {
      while (await connection.read(memory) !== null);
    } catch {
      // It was reset.
    }
    connection.close();
    counts.open--;
  };
  (async () => {
    for await (const connection of listener) void hold(connection);
  })();
  return { counts, port: listener.addr.port };
}

/** Handshakes with upstreams that fall silent; how many connections are left of them, where no more than `most` may be. */
async function ofUpstreams(attempt: (port: number) => () => Promise<unknown>, most = 0): Promise<number> {
  const { counts, port } = silentServer();
  const one = attempt(port);
  // On a busy machine some give up before they are connected.
  while (counts.accepted < ALL) await Promise.allSettled(Array.from({ length: TOGETHER }, one));
  return await settled(() => counts.open, most);
}

function options(port: number, more: Partial<Http1TransportOptions> = {}): Http1TransportOptions {
  const url = new URL(`https://127.0.0.1:${port}`);
  return { url, caCerts: [AUTHORITY.ca], allowPrivate: true, maxConnections: TOGETHER, clock: systemClock, ...more };
}

function sending(more: (port: number) => Partial<Http1TransportOptions> = () => ({})) {
  return (port: number) => {
    const transport = createHttp1Transport(options(port, more(port)));
    const deadlines = { connectMs: LIMIT_MS, firstByteMs: LIMIT_MS, idleMs: LIMIT_MS };
    const request = { method: "GET", target: "/", fields: [["host", "a"]] as [string, string][], body: null };
    return () => transport.send(request, { deadlines });
  };
}

const own = await AUTHORITY.leaf(["usher.example"], { use: "client" });
// The runtime opens some descriptors at first use.
await ofClients(3);
const left = {
  clients: await ofClients(ALL),
  upstreams: await ofUpstreams(sending(), UNPROVEN),
  proxies: await ofUpstreams(sending((port) => ({ proxy: new URL(`https://127.0.0.1:${port}`) })), UNPROVEN),
  withCertificate: await ofUpstreams(sending(() => ({ clientCertificate: own }))),
  probes: await ofUpstreams((port) => () => probeWay(options(port), { timeoutMs: LIMIT_MS })),
};
Deno.stdout.writeSync(new TextEncoder().encode(`${JSON.stringify(left)}\n`));
Deno.exit(0);
