import assert from "node:assert/strict";
import { demoApiKey, startTmdbOrigin } from "../origins/tmdb_origin.ts";
import { eventually } from "../eventually.ts";
import { fetched, type RunningGateway, startGateway } from "./_gateway.ts";
import { startLoad } from "./_load.ts";
import { customPool, testConfig } from "./test_config.ts";

async function start(stack: AsyncDisposableStack, server: Readonly<Record<string, unknown>> = {}) {
  const origin = stack.adopt(await startTmdbOrigin({ latencyMs: 10 }), (running) => running.close());
  const gateway = stack.adopt(
    await startGateway({
      config: (places) =>
        testConfig(places, {
          server,
          pools: { films: customPool([origin.url]) },
          listeners: [{ name: "films", prefix: "/3", pool: "films", cache: { mode: "off" } }],
        }),
    }),
    (running) => running.close(),
  );
  return { origin, gateway, url: (n: number) => `${gateway.url}/3/genre/movie/list?api_key=${demoApiKey}&n=${n}` };
}

async function breakWorker(gateway: RunningGateway, worker: number, fault: "throw" | "hang"): Promise<void> {
  const { status } = await fetched(`${gateway.adminUrl}/test/fault/${worker}/${fault}`, { method: "POST" });
  assert.equal(status, 204);
}

async function replaced(gateway: RunningGateway, worker: number, restarts: number): Promise<void> {
  await eventually(`worker ${worker} is replaced`, async () => {
    const slot = (await gateway.status()).workers[worker];
    return slot?.state === "up" && slot.restarts >= restarts;
  });
}

Deno.test("a worker that dies loses what it had in flight and nothing else, and is replaced", async () => {
  await using stack = new AsyncDisposableStack();
  const { gateway, url } = await start(stack);
  const load = startLoad({ url });
  await load.more(100);
  for (let round = 1; round <= 3; round++) {
    await breakWorker(gateway, 0, "throw");
    await replaced(gateway, 0, round);
    await load.more(50);
  }
  const { failures, answered } = await load.stop();
  assert.ok(answered > 200);
  // Eight connections had at most eight requests in flight when it died; all of them can have been with that worker.
  assert.ok(failures.length <= 3 * 8, failures.join("\n"));
  // What it had is lost with its connection; nobody is answered with an error.
  for (const failure of failures) assert.match(failure, /TypeError|connection|reset|closed/i);
  const { workers } = await gateway.status();
  assert.deepEqual(workers.map(({ restarts }) => restarts), [3, 0, 0]);
  assert.match(gateway.log(), /A worker has stopped.*worker=serving-0/);
});

Deno.test("a worker that hangs is replaced while the other serves", async () => {
  await using stack = new AsyncDisposableStack();
  const { gateway, url } = await start(stack, { worker_timeout: "2s" });
  await breakWorker(gateway, 0, "hang");
  // New connections go to either worker; those that the other one takes are answered while this one hangs.
  const ask = async (n: number) => {
    const options = { headers: { connection: "close" }, signal: AbortSignal.timeout(5_000) };
    return await fetch(url(n), options).then(async ({ ok, body }) => (await body?.cancel(), ok), () => false);
  };
  await eventually("the other worker serves", async () => {
    const answers = await Promise.all(Array.from({ length: 20 }, (_, n) => ask(n)));
    return answers.includes(true);
  });
  await replaced(gateway, 0, 1);
  // Deno cannot end a thread in an endless loop, and the kernel goes on giving it a share of the connections: so it may take some.
  await eventually("both workers serve", async () => {
    await Promise.all(Array.from({ length: 10 }, (_, n) => ask(100 + n)));
    return (await gateway.status()).workers.slice(0, 2).every(({ requests }) => requests > 0);
  });
  assert.match(gateway.log(), /silent for \d+ ms/);
});

Deno.test("the health worker is replaced when it dies, and requests go on meanwhile", async () => {
  await using stack = new AsyncDisposableStack();
  const { gateway, url } = await start(stack);
  const load = startLoad({ url });
  await load.more(20);
  await breakWorker(gateway, 2, "throw");
  await replaced(gateway, 2, 1);
  await load.more(20);
  const { failures } = await load.stop();
  assert.deepEqual(failures, []);
});

Deno.test("workers that die again and again end the process with status 1, not before", async () => {
  await using stack = new AsyncDisposableStack();
  const { gateway, url } = await start(stack);
  await breakWorker(gateway, 0, "throw");
  await replaced(gateway, 0, 1);
  assert.equal((await fetched(url(1))).status, 200);
  const ended = gateway.ended();
  let code: number | null = null;
  ended.then((status) => code = status);
  await eventually("the process gives up", async () => {
    for (const worker of [0, 1]) {
      await fetched(`${gateway.adminUrl}/test/fault/${worker}/throw`, { method: "POST" }).catch(() => {});
    }
    return code !== null;
  });
  assert.equal(code, 1);
  assert.match(gateway.log(), /A worker stops again and again/);
});

Deno.test("where ports are not shared one worker serves, another when it dies, and the log says so once", async () => {
  await using stack = new AsyncDisposableStack();
  const { gateway, url } = await start(stack, { reuse_port: false });
  const said = () => gateway.log().split("\n").filter((line) => line.includes("Workers do not share ports")).length;
  assert.equal(said(), 1);
  for (const [worker, restarts] of [[0, 1], [1, 1]] as const) {
    await breakWorker(gateway, worker, "throw");
    await eventually("another worker serves", () => fetched(url(1)).then(({ status }) => status === 200, () => false));
    await replaced(gateway, worker, restarts);
    assert.equal((await fetched(url(2))).status, 200);
  }
  assert.equal(said(), 1);
});
