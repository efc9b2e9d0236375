import assert from "node:assert/strict";
import { join } from "node:path";
import { eventually } from "../eventually.ts";
import { type ScriptedOrigin, startScriptedOrigin } from "../origins/scripted_origin.ts";
import { fetched, type GatewayOptions, type RunningGateway, startGateway } from "./_gateway.ts";
import { rawRequest, requestText } from "./_raw_client.ts";
import { SteadyClient } from "./_steady_client.ts";
import { customPool, testConfig } from "./test_config.ts";

async function startOrigin(stack: AsyncDisposableStack): Promise<ScriptedOrigin> {
  const origin = await startScriptedOrigin(async (exchange) => {
    const { target } = exchange.head;
    if (!target.startsWith("/slow")) {
      return void await exchange.reply({ fields: [["cache-control", "max-age=600"]], body: target });
    }
    await exchange.write(`HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\n0123456789`);
    await exchange.wait(3_000);
    await exchange.write("0123456789");
  });
  return stack.adopt(origin, (running) => running.close());
}

function start(
  stack: AsyncDisposableStack,
  origin: ScriptedOrigin,
  more: Partial<GatewayOptions> & { server?: object; listeners?: readonly object[] } = {},
) {
  const { server = {}, listeners = [], ...options } = more;
  const started = startGateway({
    config: (places) =>
      testConfig(places, {
        server: { ...server },
        pools: { any: customPool([origin.url]) },
        listeners: [
          ...listeners.map((listener) => ({ ...listener, pool: "any" })),
          { name: "any", prefix: "/", pool: "any" },
          { name: "socket", listen: { unix: join(places.dataDir, "../usher.sock") }, prefix: "/", pool: "any" },
        ],
      }),
    ...options,
  });
  return started.then((gateway) => stack.adopt(gateway, (running) => running.close()));
}

/** Asks with a host that stays the same, since it is in the key. */
async function cacheStatus(gateway: RunningGateway, path: string): Promise<string> {
  const response = await rawRequest(gateway.port, requestText(`GET ${path}`));
  assert.equal(response.status, 200);
  return response.field("cache-status") ?? "";
}

async function purge(gateway: RunningGateway, target: string) {
  const headers = { "content-type": "application/json" };
  const body = JSON.stringify({ url: target, hard: true });
  const response = await fetch(`${gateway.adminUrl}/purge`, { method: "POST", headers, body });
  assert.equal(response.status, 200);
}

Deno.test("start --take-over: an upgrade under load loses nothing, and has the disk, purges and the admin address", async () => {
  await using stack = new AsyncDisposableStack();
  const origin = await startOrigin(stack);
  const old = await start(stack, origin);
  for (const path of ["/stored", "/purged"]) await cacheStatus(old, path);
  await eventually("both are on disk", async () => {
    const { cache } = await (await fetch(`${old.adminUrl}/status`)).json();
    return cache.disk?.entries === 2;
  });
  const tcp = () => Deno.connect({ hostname: "127.0.0.1", port: old.port });
  const unix = () => Deno.connect({ transport: "unix", path: join(old.directory, "usher.sock") });
  const clients = [
    ...[1, 2, 3].map(() => new SteadyClient(tcp, false)),
    ...[1, 2, 3].map(() => new SteadyClient(tcp, true)),
    new SteadyClient(unix, false),
    new SteadyClient(unix, true),
  ];
  await eventually("the load is on", () => clients.every(({ counts }) => counts.answered > 20));
  const slow = fetched(`${old.url}/slow`);
  await eventually("the slow request is at the origin", () => origin.heads.some(({ target }) => target === "/slow"));
  await purge(old, "/purged");

  const next = await start(stack, origin, { takesOver: old });
  assert.match(next.log(), new RegExp(`Taking over from the gateway that runs pid=${old.pid}`));
  assert.match(next.log(), /The disk cache is free and in use from now on/);
  assert.doesNotMatch(next.log(), /WARN|ERROR/);
  const { pid, state } = await (await fetch(`${next.adminUrl}/status`)).json();
  assert.deepEqual([pid, state], [next.pid, "ready"]);
  const before = clients.map(({ counts }) => counts.answered);
  await eventually("the load goes on", () => clients.every(({ counts }, at) => counts.answered > before[at]! + 20));
  // A request under way ends where it began.
  assert.equal(new TextDecoder().decode((await slow).bytes), "01234567890123456789");
  assert.equal(await old.ended(), 0);
  assert.match(old.log(), /Another gateway takes over[^]*Usher has stopped, .* cut=0 /);
  assert.doesNotMatch(old.log(), /ERROR/);
  const counts = await Promise.all(clients.map((client) => client.stop()));
  const told = JSON.stringify(counts);
  assert.ok(counts.every(({ wrong }) => wrong === 0), told);
  // What waits to be accepted when a socket closes is lost, unless the kernel moves it (tcp_migrate_req): microseconds a worker.
  assert.ok(counts.flatMap(({ lost }) => lost).length <= 2, told);
  // Both counted each request once; what ended in the old one after the hand-over is not in it: `/slow`, and little more.
  const { usage } = await (await fetch(`${next.adminUrl}/api/v1/usage?days=2`)).json() as {
    usage: { listener: string; requests: number }[];
  };
  const asked = counts.reduce((sum, { answered }) => sum + answered, 0) + 3;
  const inUse = usage.reduce((sum, { requests }) => sum + requests, 0);
  assert.ok(inUse <= asked && inUse >= asked - 10, `${inUse} of ${asked} requests`);
  assert.match(await cacheStatus(next, "/stored"), /; hit/);
  assert.match(await cacheStatus(next, "/purged"), /fwd=/);
  next.signal("SIGTERM");
  assert.equal(await next.ended(), 0);
  await assert.rejects(Deno.stat(join(old.directory, "usher.sock")), Deno.errors.NotFound);
});

Deno.test("start --take-over: one that cannot take over says why and leaves the gateway that runs as it was", async () => {
  await using stack = new AsyncDisposableStack();
  const origin = await startOrigin(stack);
  const old = await start(stack, origin);
  await cacheStatus(old, "/a");
  const attempts: [Parameters<typeof start>[2], RegExp][] = [];
  attempts.push([{ server: { workers: "many" } }, /server\.workers: found "many"/]);
  attempts.push([
    { server: { reuse_port: false } },
    new RegExp(
      `Cannot take over: server\\.reuse_port is false, so "?127[^ ]+ stays with process ${old.pid}\\. Stop it`,
    ),
  ]);
  using busy = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const taken = { name: "taken", listen: `127.0.0.1:${busy.addr.port}`, prefix: "/taken" };
  attempts.push([{ listeners: [taken] }, /a free port: another process listens on it/]);
  // The workers are up by then.
  const forbidden = { name: "forbidden", listen: { unix: "/tmp/usher-forbidden.sock" }, prefix: "/f" };
  attempts.push([{ listeners: [forbidden] }, /Usher cannot start reason="Cannot listen on unix:.*may not write/]);
  for (const [more, said] of attempts) {
    await assert.rejects(start(stack, origin, { takesOver: old, ...more }), said);
    assert.match(await cacheStatus(old, "/a"), /; hit/);
    const unix = await Deno.connect({ transport: "unix", path: join(old.directory, "usher.sock") });
    unix.close();
    assert.equal((await fetched(`${old.adminUrl}/ready`)).status, 200);
  }
  const lock = await Deno.open(join(old.directory, "data/take-over.lock"), { write: true });
  await lock.lock(true);
  await assert.rejects(
    start(stack, origin, { takesOver: old }),
    /Cannot take over: another process is doing so right now/,
  );
  lock.close();
  assert.doesNotMatch(old.log(), /take|ERROR/);
  old.signal("SIGTERM");
  assert.equal(await old.ended(), 0);
  // Where none runs it is a start like every other.
  const next = await start(stack, origin, { takesOver: old });
  assert.match(await cacheStatus(next, "/a"), /; hit; .*detail=kv/);
  // One that dies while it hands over has its place taken all the same.
  const starting = start(stack, origin, { takesOver: next });
  await next.logged("Another gateway takes over");
  next.signal("SIGKILL");
  const last = await starting;
  assert.match(last.log(), /WARN {2}That gateway has ended, or does not answer/);
  assert.match(await cacheStatus(last, "/a"), /; hit; .*detail=kv/);
});
