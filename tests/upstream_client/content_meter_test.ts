import assert from "node:assert/strict";
import type { ContentMeter, UpstreamBody } from "../../lib/upstream_client/transport.ts";
import { fetchServer } from "./_fetch_server.ts";
import { RawServer } from "./_raw_server.ts";
import { leakless, PATIENT, request, transportTo } from "./_sending.ts";

const LONG = "0123456789".repeat(40_000);

/** Ways to read a body to its end. */
const READINGS: Readonly<Record<string, (body: UpstreamBody) => Promise<unknown>>> = {
  "in one piece": (body) => body.readAll(1 << 24),
  "chunk by chunk": async (body) => {
    while (await body.read() !== null);
  },
  "by loan": async (body) => {
    const next = () => body.lend === undefined ? body.read() : body.lend();
    while (await next() !== null);
  },
};

/** Answers as they come over the wire, and their content. */
const ANSWERS: readonly (readonly [name: string, wire: string, contentBytes: number])[] = [
  ["that came with the field section", "content-length: 5\r\n\r\nhello", 5],
  ["that is long", `content-length: ${LONG.length}\r\n\r\n${LONG}`, LONG.length],
  ["in chunks, with trailers", "transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n3;x=y\r\nyou\r\n0\r\na: b\r\n\r\n", 8],
  ["that the close ends", "\r\nhello you", 9],
  ["that breaks off", "content-length: 100\r\n\r\nhello", 5],
  ["of an empty answer", "content-length: 0\r\n\r\n", 0],
];

for (const [reading, read] of Object.entries(READINGS)) {
  Deno.test(leakless(`the meter counts content and nothing else, read ${reading}`, async () => {
    for (const [name, wire, contentBytes] of ANSWERS) {
      const meter: ContentMeter = { receivedBytes: 1_000 };
      await using server = new RawServer(async (connection) => {
        await connection.readRequest();
        await connection.write(`HTTP/1.1 200 OK\r\n${wire}`);
      });
      const transport = transportTo(server.url);
      const { body } = await transport.send(request(), { deadlines: PATIENT, meter });
      await read(body).catch(() => {});
      assert.equal(meter.receivedBytes, 1_000 + contentBytes, `content ${name}`);
      transport.close();
    }
  }));
}

Deno.test("the meter counts content over HTTP/2 too", async () => {
  await using server = fetchServer(() => new Response(LONG));
  const meter: ContentMeter = { receivedBytes: 0 };
  const { body } = await server.transport.send(server.request("GET", "/"), { deadlines: PATIENT, meter });
  await body.readAll(1 << 24);
  assert.equal(meter.receivedBytes, LONG.length);
});
