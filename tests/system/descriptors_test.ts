import assert from "node:assert/strict";
import { eventually } from "../eventually.ts";
import { startScriptedOrigin } from "../origins/scripted_origin.ts";
import { type GatewayPlaces, startGateway } from "./_gateway.ts";
import { customPool, testConfig } from "./test_config.ts";

/** Sets the limit that the runtime cannot set for itself. */
const PYTHON = "/usr/bin/python3";
const LIMIT = 256;
const CODE = `
import os, resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (${LIMIT}, ${LIMIT}))
os.execv(sys.argv[1], sys.argv[1:])
`;

function isThere(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

/** Connections that say nothing; they are closed at the end. */
async function idleConnections(port: number, count: number): Promise<Deno.Conn[]> {
  return await Promise.all(Array.from({ length: count }, () => Deno.connect({ hostname: "127.0.0.1", port })));
}

/** A connection that is kept, and what the gateway answers on it. */
async function keptConnection(port: number) {
  const connection = await Deno.connect({ hostname: "127.0.0.1", port });
  const buffer = new Uint8Array(256 * 1024);
  const ask = async (path: string): Promise<string> => {
    await connection.write(new TextEncoder().encode(`GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n\r\n`));
    let text = "";
    for (;;) {
      const read = await connection.read(buffer);
      if (read === null) return text;
      text += new TextDecoder().decode(buffer.subarray(0, read));
      const headEnd = text.indexOf("\r\n\r\n");
      const length = /^content-length: (\d+)/im.exec(text)?.[1];
      if (headEnd >= 0 && length !== undefined && text.length - headEnd - 4 >= Number(length)) return text;
      if (headEnd >= 0 && text.endsWith("\r\n0\r\n\r\n")) return text;
    }
  };
  return { ask, [Symbol.dispose]: () => connection.close() };
}

Deno.test({
  name: "a gateway that runs out of descriptors says so, goes on serving who is connected, and recovers by itself",
  ignore: !isThere(PYTHON),
  async fn() {
    await using stack = new AsyncDisposableStack();
    const origin = stack.adopt(
      await startScriptedOrigin((exchange) =>
        exchange.reply({ fields: [["cache-control", "max-age=600"]], body: exchange.head.target })
      ),
      (running) => running.close(),
    );
    const config = (places: GatewayPlaces, maxConnections: unknown) =>
      testConfig(places, {
        server: { limits: { max_connections: maxConnections, idle_timeout: "5m" } },
        pools: { any: customPool([origin.url]) },
        listeners: [{ name: "any", prefix: "/", pool: "any" }],
      });
    let given: GatewayPlaces | null = null;
    const gateway = stack.adopt(
      await startGateway({
        program: [PYTHON, "-c", CODE, Deno.execPath()],
        config: (places) => config(given = places, "auto"),
      }),
      (running) => running.close(),
    );
    const places = given! as GatewayPlaces;
    using kept = await keptConnection(gateway.port);
    using admin = await keptConnection(places.adminPort);
    assert.match(await kept.ask("/a"), /^HTTP\/1.1 200 /);

    // By default clients leave descriptors to the gateway itself.
    const many = await idleConnections(gateway.port, LIMIT + 50);
    await eventually(
      "they are counted",
      async () => /_refused_total\{.*reason="full"\} [1-9]/.test(await admin.ask("/metrics")),
    );
    assert.match(await kept.ask("/b"), /^HTTP\/1.1 200 /, "an upstream is reached still");
    assert.match(await admin.ask("/ready"), /^HTTP\/1.1 200 /);
    for (const connection of many) connection.close();
    await eventually("it serves others", async () => (await fetch(`${gateway.url}/a`)).status === 200);

    // Where the operator allows more than there are.
    await gateway.writeConfig(config(places, 10_000));
    gateway.signal("SIGHUP");
    await gateway.logged("Configuration reloaded");
    const more = await idleConnections(gateway.port, LIMIT + 50);
    await eventually(
      "it says that nobody can come in",
      async () => (await admin.ask("/ready")).startsWith("HTTP/1.1 503 "),
    );
    assert.match(await admin.ask("/ready"), /\{"status":"an address is not served"\}/);
    assert.match(await admin.ask("/status"), /"state":"degraded","reasons":\["2 of 2 workers cannot accept on 127/);
    assert.match(await admin.ask("/metrics"), /usher_accept_errors_total\{.*\} [1-9]/);
    assert.match(await kept.ask("/a"), /^HTTP\/1.1 200 .*cache-status: usher; hit/is);
    for (const connection of more) connection.close();
    await eventually("it serves again", async () => {
      const response = await fetch(`${gateway.url}/fresh`);
      return await response.text() === "/fresh" && response.status === 200;
    });
    await eventually("it is ready", async () => (await admin.ask("/ready")).startsWith("HTTP/1.1 200 "));
    const { state, workers } = await (await fetch(`${gateway.adminUrl}/status`)).json();
    assert.equal(state, "ready");
    assert.ok(workers.every(({ restarts }: { restarts: number }) => restarts === 0));
    gateway.signal("SIGTERM");
    assert.equal(await gateway.ended(), 0);
  },
});
