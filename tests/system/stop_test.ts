import assert from "node:assert/strict";
import type { ScriptedHandler } from "../origins/scripted_origin.ts";
import { eventually } from "../eventually.ts";
import { fetched } from "./_gateway.ts";
import { startScriptedGateway } from "./_scripted_gateway.ts";

const BODY = "0123456789".repeat(50_000);
const slowly: ScriptedHandler = async (exchange) => {
  await exchange.write(`HTTP/1.1 200 OK\r\ncontent-length: ${BODY.length}\r\n\r\n${BODY.slice(0, 100_000)}`);
  await exchange.wait(1_500);
  await exchange.write(BODY.slice(100_000));
};

for (const signal of ["SIGTERM", "SIGINT"] as const) {
  Deno.test(`${signal} lets a slow response end, takes no new request, and ends with 0`, async () => {
    await using stack = new AsyncDisposableStack();
    const { origin, gateway } = await startScriptedGateway(
      stack,
      slowly,
      () => ({ server: { shutdown_grace: "1h" } }),
    );
    const idle = await Deno.connect({ hostname: "127.0.0.1", port: gateway.port });
    const slow = [1, 2, 3, 4].map((n) => fetched(`${gateway.url}/slow${n}`));
    await eventually("the origin has begun", () => origin.heads.length === 4);
    gateway.signal(signal);
    await gateway.logged("Usher is stopping");
    for (const { bytes } of await Promise.all(slow)) assert.equal(new TextDecoder().decode(bytes), BODY);
    // Long before the grace is over: an idle connection holds nothing up.
    assert.equal(await gateway.ended(), 0);
    // D5: the last line says what became of them.
    assert.match(gateway.log(), /Usher has stopped, 4 requests finished cut=0 since_start=4\n$/);
    idle.close();
    await assert.rejects(Deno.connect({ hostname: "127.0.0.1", port: gateway.port }));
  });
}

Deno.test("SIGTERM ends the process within the grace time where a response hangs", async () => {
  await using stack = new AsyncDisposableStack();
  const { origin, gateway } = await startScriptedGateway(stack, async (exchange) => {
    await exchange.write("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n123");
    await exchange.hang();
  }, () => ({ server: { shutdown_grace: "1s" } }));
  const hanging = fetched(`${gateway.url}/hang`).then(() => "whole", () => "cut");
  await eventually("the origin has begun", () => origin.heads.length === 1);
  gateway.signal("SIGTERM");
  assert.equal(await gateway.ended(), 0);
  assert.equal(await hanging, "cut");
  assert.match(gateway.log(), /Usher has stopped, 0 requests finished cut=1 since_start=\d+\n$/);
});

Deno.test("signals in a row do not confuse it: reloads during a stop, and a second stop", async () => {
  await using stack = new AsyncDisposableStack();
  const { origin, gateway } = await startScriptedGateway(stack, slowly, () => ({ server: { shutdown_grace: "5m" } }));
  const slow = fetched(`${gateway.url}/slow`);
  await eventually("the origin has begun", () => origin.heads.length === 1);
  for (const signal of ["SIGHUP", "SIGTERM", "SIGHUP", "SIGTERM", "SIGHUP"] as const) gateway.signal(signal);
  assert.equal((await slow).bytes.length, BODY.length);
  assert.equal(await gateway.ended(), 0);
  assert.match(gateway.log(), /Usher has stopped, 1 request finished cut=0 since_start=1\n$/);
});

Deno.test("server.shutdown_delay: all is served while /ready says 503, until a second signal or its end", async () => {
  await using stack = new AsyncDisposableStack();
  const { gateway } = await startScriptedGateway(
    stack,
    (exchange) => exchange.reply({ body: "a" }),
    () => ({ server: { shutdown_delay: "1h" } }),
  );
  const ready = async () => {
    const response = await fetch(`${gateway.adminUrl}/ready`);
    return [response.status, (await response.json()).status];
  };
  assert.deepEqual(await ready(), [200, "ready"]);
  assert.equal((await (await fetch(`${gateway.adminUrl}/status`)).json()).state, "ready");
  const stopping = await fetch(`${gateway.adminUrl}/stop`, { method: "POST" });
  assert.equal((await stopping.json()).delay_ms, 3_600_000);
  await gateway.logged("Usher is about to stop");
  assert.deepEqual(await ready(), [503, "stopping"]);
  assert.equal((await (await fetch(`${gateway.adminUrl}/status`)).json()).state, "stopping");
  const served = await fetched(`${gateway.url}/a`);
  assert.deepEqual([served.status, served.headers.get("connection")], [200, null]);
  assert.equal((await fetched(`${gateway.url}/b`)).status, 200);
  // The first signal is the second request.
  gateway.signal("SIGTERM");
  await gateway.logged("Usher is stopping");
  assert.equal(await gateway.ended(), 0);
  assert.match(gateway.log(), /Usher has stopped, 0 requests finished cut=0 since_start=2\n$/);
});
