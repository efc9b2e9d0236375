import assert from "node:assert/strict";
import { join } from "node:path";
import { prepareKvFile } from "../../../lib/cache/disk/kv_open.ts";
import { systemClock } from "../../../lib/clock.ts";
import { KvStateStore } from "../../../lib/state/kv_state_store.ts";
import { HealthWriter } from "../../../lib/health/health_writer.ts";
import type { PoolReport } from "../../../lib/health/health_monitor.ts";
import type { HealthTable, UpstreamHealth } from "../../../lib/pool/upstream_health.ts";
import { configOf, type Mapping } from "../../gateway/config_of.ts";
import type { ScriptedHandler } from "../../origins/scripted_origin.ts";
import { eventually } from "../../eventually.ts";
import { freeAddress } from "../../free_port.ts";
import { initMessage } from "../messages.ts";
import { newWorker, originWith, PATIENCE_MS, readyWorker } from "../product_worker.ts";

/** A pool over these upstreams with a listener on each address. */
function filmsAt(addresses: readonly string[], upstreams: readonly string[]) {
  return configOf({
    logging: { level: "error", access: "off" },
    pools: { films: { type: "custom", strategy: "round-robin", health: false, upstreams } },
    listeners: addresses.map((listen, index): Mapping => ({ name: `films-${index}`, listen, pool: "films" })),
  });
}

/** Body and cache status of an answer, over a connection of its own; `null` where nobody listens. */
async function get(address: string, path = "/1"): Promise<{ text: string; cache: string } | null> {
  try {
    const response = await fetch(`http://${address}${path}`, { headers: { connection: "close" } });
    return { text: await response.text(), cache: response.headers.get("cache-status") ?? "" };
  } catch {
    return null;
  }
}

const fresh: ScriptedHandler = (exchange) =>
  exchange.reply({ fields: [["cache-control", "max-age=600"], ["content-type", "text/plain"]], body: "film" });

function healthOf(upstreams: Readonly<Record<string, UpstreamHealth["state"]>>, version: number): HealthTable {
  const rows = Object.entries(upstreams).map(([id, state]): [string, UpstreamHealth] => [id, {
    state,
    reason: "",
    sinceMs: 1,
    weightFactor: 1,
    weight: 1,
    rampFromMs: 0,
    fastMs: 1,
    slowMs: 1,
    successRate: 1,
    checks: 1,
    failedChecks: 0,
    credential: "",
  }]);
  return { pool: "films", version, atMs: Date.now(), upstreams: Object.fromEntries(rows) };
}

Deno.test("a serving worker listens as soon as it is ready, serves, and counts what it served", async () => {
  await using origin = await originWith(fresh);
  const address = freeAddress();
  await using worker = await readyWorker("serving-0", {
    generation: 7,
    config: await filmsAt([address], [origin.url]),
  });
  assert.equal((await get(address))!.text, "film");
  assert.match((await get(address))!.cache, /hit/);
  assert.equal(origin.heads.length, 1);
  const report = await worker.handle.ping(PATIENCE_MS);
  assert.equal(report!.generation, 7);
  assert.equal(report!.counts.listeners["films-0"]!.requests, 2);
  assert.equal(report!.memory!.entries, 1);
  assert.deepEqual([report!.disk, report!.health], [null, null]);
});

Deno.test("a serving worker that cannot listen says why and on what", async () => {
  const taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const address = `127.0.0.1:${(taken.addr as Deno.NetAddr).port}`;
  const worker = newWorker("serving-0");
  worker.handle.post(initMessage({ generation: 1, config: await filmsAt([address], ["http://127.0.0.1:9"]) }));
  assert.match(await worker.died, new RegExp(`Cannot listen on ${address}`));
  taken.close();
});

Deno.test("a serving worker listens on new addresses before the commit, and leaves old ones after it", async () => {
  await using origin = await originWith(fresh);
  const [kept, left, added] = [freeAddress(), freeAddress(), freeAddress()];
  await using worker = await readyWorker("serving-0", {
    generation: 1,
    config: await filmsAt([kept, left], [origin.url]),
  });
  const config = await filmsAt([kept, added], [origin.url]);
  const prepared = await worker.ask({ type: "prepare", generation: 2, config }, "prepared");
  assert.deepEqual(prepared, { type: "prepared", generation: 2, error: null });
  assert.deepEqual((await Promise.all([kept, left].map((address) => get(address)))).map((it) => it?.text), [
    "film",
    "film",
  ]);
  await worker.ask({ type: "commit", generation: 2 }, "committed");
  assert.deepEqual((await Promise.all([kept, added].map((address) => get(address)))).map((it) => it?.text), [
    "film",
    "film",
  ]);
  await eventually("the old address is left", async () => await get(left) === null);
  assert.equal((await worker.handle.ping(PATIENCE_MS))!.generation, 2);
});

Deno.test("a serving worker that cannot use a configuration goes on as if it had not been asked", async () => {
  await using origin = await originWith(fresh);
  const taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const busy = `127.0.0.1:${(taken.addr as Deno.NetAddr).port}`;
  const [kept, added] = [freeAddress(), freeAddress()];
  await using worker = await readyWorker("serving-0", { generation: 1, config: await filmsAt([kept], [origin.url]) });
  const config = await filmsAt([added, busy], [origin.url]);
  const prepared = await worker.ask({ type: "prepare", generation: 2, config }, "prepared");
  assert.match((prepared as { readonly error: string }).error, new RegExp(`Cannot listen on ${busy}`));
  worker.handle.post({ type: "abort", generation: 2 });
  assert.equal((await worker.handle.ping(PATIENCE_MS))!.generation, 1);
  assert.equal((await get(kept))!.text, "film");
  await eventually("what was opened for it is closed", async () => await get(added) === null);
  taken.close();
});

Deno.test("a serving worker serves nothing that was purged, once it has answered", async () => {
  await using origin = await originWith(fresh);
  const address = freeAddress();
  await using worker = await readyWorker("serving-0", {
    generation: 1,
    config: await filmsAt([address], [origin.url]),
  });
  await get(address, "/1");
  await get(address, "/2");
  const scope = { kind: "url", listener: "films-0", target: "/1" } as const;
  const rules = [{ id: "a", scope, soft: false, timeMs: Date.now() }];
  assert.deepEqual(await worker.ask({ type: "purge", id: 3, rules, counts: false }, "purged"), {
    type: "purged",
    id: 3,
    named: null,
  });
  assert.doesNotMatch((await get(address, "/1"))!.cache, /hit/);
  assert.match((await get(address, "/2"))!.cache, /hit/);
  assert.equal(origin.heads.length, 3);
});

Deno.test("a serving worker tells the health worker what became of tries, and goes by what it is told", async () => {
  await using one = await originWith((exchange) => exchange.reply({ body: "one" }));
  await using two = await originWith((exchange) => exchange.reply({ body: "two" }));
  const address = freeAddress();
  await using worker = await readyWorker("serving-0", {
    generation: 1,
    config: await filmsAt([address], [one.url, two.url]),
  });
  const { port1, port2 } = new MessageChannel();
  const reports: PoolReport[] = [];
  port2.onmessage = ({ data }: MessageEvent<PoolReport[]>) => void reports.push(...data);
  worker.handle.post({ type: "peer", peer: "health" }, [port1]);
  const bodies = new Set<string>();
  for (let n = 0; n < 8; n++) bodies.add((await get(address, `/${n}`))!.text);
  assert.deepEqual(bodies, new Set(["one", "two"]));
  const told = () => reports.flatMap(({ batches }) => batches).length;
  await eventually("it reports", () => told() > 0);
  assert.ok(reports.every(({ pool }) => pool === "films"));
  port2.postMessage([healthOf({ [one.url]: "unhealthy", [two.url]: "healthy" }, 1)]);
  // A message to the worker and back: the table came before it.
  await worker.handle.ping(PATIENCE_MS);
  await eventually("only the healthy one is asked", async () => {
    const asked = await Promise.all(Array.from({ length: 8 }, (_, n) => get(address, `/x${n}`)));
    return asked.every((it) => it?.text === "two");
  });
  port2.close();
});

Deno.test("a serving worker keeps responses and reads health in Deno KV", async () => {
  const directory = await Deno.makeTempDir();
  const kvFile = await prepareKvFile(join(directory, "usher.kv"), { clock: systemClock, log: { warn: assert.fail } });
  await using one = await originWith((exchange) => exchange.reply({ body: "one" }));
  await using two = await originWith(fresh);
  const address = freeAddress();
  const init = { generation: 1, config: await filmsAt([address], [one.url, two.url]), kvPath: kvFile.path };
  {
    using kv = await Deno.openKv(kvFile.path!);
    await new HealthWriter(new KvStateStore(kv)).publish([
      healthOf({ [one.url]: "unhealthy", [two.url]: "healthy" }, 1),
    ], []);
    await using worker = await readyWorker("serving-0", init);
    await eventually("only the healthy one is asked", async () => {
      const asked = await Promise.all(
        Array.from({ length: 8 }, (_, n) => get(address, `/x${crypto.randomUUID()}${n}`)),
      );
      return asked.every((it) => it?.text === "film");
    });
    await get(address, "/kept");
    assert.ok(worker.handle.alive);
  }
  const asked = two.heads.length;
  {
    await using _again = await readyWorker("serving-0", init);
    const found = await get(address, "/kept");
    assert.deepEqual([found!.text, two.heads.length], ["film", asked]);
    assert.match(found!.cache, /hit/);
  }
  await Deno.remove(directory, { recursive: true });
});

Deno.test("a serving worker finishes what is under way before it stops", async () => {
  const arrived = Promise.withResolvers<void>();
  const go = Promise.withResolvers<void>();
  await using origin = await originWith(async (exchange) => {
    arrived.resolve();
    await go.promise;
    await exchange.reply({ body: "late" });
  });
  const address = freeAddress();
  const worker = await readyWorker("serving-0", { generation: 1, config: await filmsAt([address], [origin.url]) });
  const asking = get(address);
  await arrived.promise;
  const stopping = worker.ask({ type: "stop", graceMs: 10_000 }, "stopped");
  await eventually("it takes no more", async () => !(await isOpen(address)));
  go.resolve();
  assert.equal((await asking)!.text, "late");
  await stopping;
  worker.handle.terminate();
});

/** Whether a connection is taken. */
async function isOpen(address: string): Promise<boolean> {
  const [hostname, port] = address.split(":");
  try {
    (await Deno.connect({ hostname, port: Number(port) })).close();
    return true;
  } catch {
    return false;
  }
}
