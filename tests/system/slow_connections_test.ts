import assert from "node:assert/strict";
import { join } from "node:path";
import { madeAuthority } from "../certificates/made.ts";
import { eventually } from "../eventually.ts";
import { freePort } from "../free_port.ts";
import { startScriptedOrigin } from "../origins/scripted_origin.ts";
import { SLOW_KINDS, SlowClients } from "../slow_clients.ts";
import { fetched, startGateway } from "./_gateway.ts";
import { customPool, testConfig } from "./test_config.ts";

const EACH = 50;
const LARGE = new Uint8Array(16 * 1024 * 1024);

Deno.test("hundreds of slow connections of every kind are closed by their limits, while others are served, and none stays", async () => {
  await using stack = new AsyncDisposableStack();
  const directory = await Deno.makeTempDir({ prefix: "usher-slow-" });
  stack.defer(() => Deno.remove(directory, { recursive: true }));
  const { cert, key } = await (await madeAuthority()).leaf(["127.0.0.1"]);
  const tls = { cert: join(directory, "cert.pem"), key: join(directory, "key.pem") };
  await Deno.writeTextFile(tls.cert, cert);
  await Deno.writeTextFile(tls.key, key, { mode: 0o600 });
  const origin = stack.adopt(
    await startScriptedOrigin(async (exchange) => {
      if (exchange.head.method === "POST") return await exchange.hang();
      const body = exchange.head.target === "/large" ? LARGE : "small";
      await exchange.reply({ fields: [["cache-control", "max-age=600"]], body });
    }),
    (running) => running.close(),
  );
  const tlsPort = freePort();
  const short = {
    idle_timeout: "2s",
    head_timeout: "2s",
    body_timeout: "2s",
    send_timeout: "2s",
    handshake_timeout: "2s",
  };
  const gateway = stack.adopt(
    await startGateway({
      config: (places) =>
        testConfig(places, {
          server: { workers: 1, limits: short },
          cache: { memory: "256MiB" },
          pools: { any: customPool([origin.url]) },
          listeners: [
            { name: "plain", prefix: "/", pool: "any", cache: { mode: "rfc9111" } },
            { name: "tls", listen: `127.0.0.1:${tlsPort}`, prefix: "/", pool: "any", tls },
          ],
        }),
    }),
    (running) => running.close(),
  );
  for (const path of ["/small", "/large"]) assert.equal((await fetched(gateway.url + path)).status, 200);
  const target = { port: gateway.port, tlsPort, small: "/small", large: "/large" };
  const groups = SLOW_KINDS.map((kind) => stack.use(new SlowClients(kind, target)));
  for (const group of groups) await group.connect(EACH);
  for (let n = 0; n < 20; n++) assert.match((await fetched(`${gateway.url}/small`)).cacheStatus, /hit/);

  for (const group of groups.filter(({ kind }) => kind.isDeaf !== true)) {
    await eventually(`closed: ${group.kind.what}`, () => group.open === 0);
    for (const { sinceMs, closedMs } of group.clients) {
      // A limit that was late is the machine's; one that came early is a fault.
      if (sinceMs > 0) assert.ok(closedMs! - sinceMs > 1_000, `${group.kind.what}: after ${closedMs! - sinceMs} ms`);
    }
  }
  const metrics = async () => await (await fetch(`${gateway.adminUrl}/metrics`)).text();
  await eventually("the gateway has closed all", async () => {
    const open = [...(await metrics()).matchAll(/^usher_connections\{.*\} (\d+)$/gm)];
    // The test's own client keeps one or two.
    return open.reduce((sum, [, count]) => sum + Number(count), 0) <= 2;
  });
  for (const group of groups) group.listen();
  await eventually("those that took nothing find the end", () => groups.every(({ open }) => open === 0));
  assert.match((await fetched(`${gateway.url}/small`)).cacheStatus, /hit/);
});
