import assert from "node:assert/strict";
import { startScriptedOrigin } from "../origins/scripted_origin.ts";
import { readExposition } from "../metrics/exposition_text.ts";
import { eventually } from "../eventually.ts";
import type { RunningGateway } from "./_gateway.ts";
import { startPoolGateway } from "./pool_gateway.ts";

/** A port that nobody listens on: RFC 863's, which needs a privilege. */
const DEAD = "http://127.0.0.1:9";

async function sample(gateway: RunningGateway, name: string, labels: Readonly<Record<string, string>>) {
  const { samples } = readExposition(await (await fetch(`${gateway.adminUrl}/metrics`)).text());
  return samples.find((one) =>
    one.name === name && Object.entries(labels).every(([label, value]) => one.labels[label] === value)
  )?.value;
}

async function ask(gateway: RunningGateway, target: string): Promise<number> {
  const response = await fetch(`${gateway.url}${target}`);
  await response.body?.cancel();
  return response.status;
}

Deno.test("/metrics and the log tell of a dead upstream: retries made, the worker's breaker, then everybody's circuit", async () => {
  await using stack = new AsyncDisposableStack();
  const origin = stack.adopt(
    await startScriptedOrigin((exchange) => exchange.reply({ body: "x" })),
    (running) => running.close(),
  );
  const gateway = stack.adopt(
    await startPoolGateway(
      { strategy: "round-robin", health: { enabled: false, max_failures: 3 }, upstreams: [DEAD, origin.url] },
      {
        logging: { access: "off", level: "info", format: "json" },
        server: { workers: 1 },
        listener: { cache: { mode: "off" } },
      },
    ),
    (running) => running.close(),
  );
  for (let turn = 0; turn < 20; turn++) assert.equal(await ask(gateway, `/${turn}`), 200);
  const dead = { pool: "p", upstream: DEAD };
  await eventually(
    "the circuit is open for all",
    async () => await sample(gateway, "usher_upstream_circuit", { ...dead, state: "open" }) === 1,
  );
  assert.equal(await sample(gateway, "usher_upstream_circuit", { ...dead, state: "closed" }), 0);
  assert.equal(await sample(gateway, "usher_upstream_breakers_open", dead), 1);
  assert.equal(await sample(gateway, "usher_upstream_breakers_open", { pool: "p", upstream: origin.url }), 0);
  assert.ok((await sample(gateway, "usher_retries_total", { pool: "p", result: "made" }))! >= 3);
  await gateway.logged('"to":"ejected"');
  const lines = gateway.log().split("\n").filter((line) => line.includes(DEAD)).map((line) => JSON.parse(line));
  const timeOf = (message: string, to: string) =>
    Date.parse(lines.find((line) => line.message === message && line.to === to)?.time);
  const ownMs = timeOf("This worker's breaker changed its state", "open");
  const allMs = timeOf("An upstream changed its state", "ejected");
  assert.ok(Number.isFinite(ownMs) && Number.isFinite(allMs), "both are told, with their times");
});

Deno.test("/metrics tell how many requests a listener refused, for its queue and for its clients' rates", async () => {
  const refused = Promise.withResolvers<void>();
  await using stack = new AsyncDisposableStack();
  const origin = stack.adopt(
    await startScriptedOrigin(async (exchange) => {
      await refused.promise;
      await exchange.reply({ body: "x" });
    }),
    (running) => running.close(),
  );
  const gateway = stack.adopt(
    await startPoolGateway({ health: false, upstreams: [origin.url] }, {
      server: { workers: 2 },
      listener: {
        cache: { mode: "off" },
        max_in_flight: 1,
        queue: { size: 1, timeout: "10m" },
        rate_limit: { requests: 8, per: "1h" },
      },
    }),
    (running) => running.close(),
  );
  const statuses = await Promise.all(Array.from({ length: 12 }, async (_, turn) => {
    const status = await ask(gateway, `/${turn}`);
    if (status === 503) refused.resolve();
    return status;
  }));
  const count = (status: number) => statuses.filter((one) => one === status).length;
  assert.ok(count(503) > 0 && count(429) === 4, `${statuses}`);
  const listener = { listener: "l" };
  assert.equal(await sample(gateway, "usher_rate_limited_total", listener), 4);
  assert.equal(await sample(gateway, "usher_listener_queue_total", { ...listener, result: "refused" }), count(503));
  const waited = await sample(gateway, "usher_listener_queue_total", { ...listener, result: "waited" });
  assert.ok(waited! > 0 && waited! <= count(200), `${waited} waited, ${count(200)} were served`);
  assert.equal(await sample(gateway, "usher_listener_waiting", listener), 0);
});
