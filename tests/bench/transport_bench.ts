import { systemClock } from "../../lib/clock.ts";
import { createHttp1Transport } from "../../lib/upstream_client/http1_transport.ts";
import type { Transport } from "../../lib/upstream_client/transport.ts";

/** Requests under way at a time, as behind a gateway with as many clients. */
const CONCURRENCY = 64;
const deadlines = { connectMs: 5_000, firstByteMs: 5_000, idleMs: 5_000 };

/** A server, in this process and on this core, that answers every read with the same response. */
function serve(bodyBytes: number): number {
  const fields =
    'content-type: application/json;charset=utf-8\r\ncache-control: public, max-age=3600\r\netag: W/"a"\r\n';
  const head = `HTTP/1.1 200 OK\r\n${fields}content-length: ${bodyBytes}\r\n\r\n`;
  const response = new TextEncoder().encode(head + "x".repeat(bodyBytes));
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  accept(listener, response);
  return listener.addr.port;
}

async function accept(listener: Deno.TcpListener, response: Uint8Array): Promise<void> {
  for await (const connection of listener) {
    connection.unref();
    answer(connection, response).catch(() => {});
  }
}

async function answer(connection: Deno.TcpConn, response: Uint8Array): Promise<void> {
  const request = new Uint8Array(4096);
  while (await connection.read(request) !== null) {
    for (let at = 0; at < response.length;) at += await connection.write(response.subarray(at));
  }
}

function transportTo(port: number): Transport {
  const url = new URL(`http://127.0.0.1:${port}`);
  return createHttp1Transport({
    url,
    caCerts: [],
    allowPrivate: true,
    maxConnections: CONCURRENCY,
    clock: systemClock,
  });
}

async function sendOne(transport: Transport, bodyBytes: number): Promise<void> {
  const fields: [string, string][] = [["host", "upstream.example"], ["accept", "application/json"], [
    "user-agent",
    "bench",
  ]];
  const response = await transport.send({ method: "GET", target: "/3/movie/550", fields, body: null }, { deadlines });
  await response.body.readAll(bodyBytes);
}

for (const bodyBytes of [1_024, 102_400]) {
  const port = serve(bodyBytes);
  const transport = transportTo(port);
  const group = `${CONCURRENCY} GETs of ${bodyBytes} bytes, server included`;
  Deno.bench("transport", { group, baseline: true }, async () => {
    await Promise.all(Array.from({ length: CONCURRENCY }, () => sendOne(transport, bodyBytes)));
  });
  Deno.bench("fetch", { group }, async () => {
    const one = async () => await (await fetch(`http://127.0.0.1:${port}/3/movie/550`)).bytes();
    await Promise.all(Array.from({ length: CONCURRENCY }, one));
  });
}
