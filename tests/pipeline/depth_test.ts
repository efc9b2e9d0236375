import assert from "node:assert/strict";
import { handle, refuse } from "../../lib/pipeline/pipeline.ts";
import { refusedMessage } from "../../lib/request/client_error.ts";
import { HttpServer } from "../../lib/server/http_server.ts";
import { SERVER_LIMIT_DEFAULTS } from "../../lib/server/server_limits.ts";
import type { ByteStream } from "../../lib/wire/byte_stream.ts";
import { type InProcessGateway, withOrigin } from "./in_process_gateway.ts";

/** Functions of the product on the way from the socket to a write, as the stack shows them there, awaited ones included. */
function functionsOn(stack: string): string[] {
  return stack.split("\n").filter((line) => line.includes("/lib/")).map((line) => line.trim());
}

/** Asks over a real connection, and answers the functions on the stack at the write of each response. */
async function stacksAtWrite(gateway: InProcessGateway, targets: readonly string[]): Promise<string[][]> {
  const { services } = gateway.gateway;
  const server = new HttpServer({
    limits: { ...SERVER_LIMIT_DEFAULTS, maxConnections: 10 },
    refuse: (error) => refuse(services, refusedMessage(error)),
    isTrusted: () => false,
  });
  const stacks: string[][] = [];
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const accepted = listener.accept();
  using client = await Deno.connect({ hostname: "127.0.0.1", port: (listener.addr as Deno.NetAddr).port });
  const connection = await accepted;
  const seen: ByteStream = {
    read: (target) => connection.read(target),
    write(bytes) {
      stacks.push(functionsOn(new Error().stack ?? ""));
      return connection.write(bytes);
    },
    closeWrite: () => connection.closeWrite(),
    close: () => connection.close(),
  };
  server.take(seen, { peer: "192.0.2.9", scheme: "http" }, (arrival) => handle(gateway.entrance(), arrival));
  const buffer = new Uint8Array(16_384);
  for (const target of targets) {
    await client.write(new TextEncoder().encode(`GET ${target} HTTP/1.1\r\nhost: gateway.test\r\n\r\n`));
    assert.match(new TextDecoder().decode(buffer.subarray(0, await client.read(buffer) ?? 0)), /^HTTP\/1\.1 200 /);
  }
  await server.close(1_000);
  return stacks;
}

Deno.test("a hit and a miss pass few functions between socket and socket", async () => {
  const { stackTraceLimit } = Error as unknown as { stackTraceLimit: number };
  Object.assign(Error, { stackTraceLimit: 100 });
  try {
    await withOrigin(
      (exchange) => exchange.reply({ fields: [["cache-control", "max-age=60"]], body: "body" }),
      async (gateway) => {
        const [miss, hit] = await stacksAtWrite(gateway, ["/a", "/a"]);
        assert.deepEqual(gateway.results(), { miss: 1, hit_memory: 1 });
        assert.ok(hit!.length <= 5, `a hit: ${hit!.join("\n")}`);
        assert.ok(miss!.length <= 10, `a miss: ${miss!.join("\n")}`);
      },
    );
  } finally {
    Object.assign(Error, { stackTraceLimit });
  }
});
