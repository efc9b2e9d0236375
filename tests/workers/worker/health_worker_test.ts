import assert from "node:assert/strict";
import { join } from "node:path";
import { DiskFilter, newDiskFilterMemory } from "../../../lib/cache/disk/disk_filter.ts";
import { KvStateStore } from "../../../lib/state/kv_state_store.ts";
import { createKvTier } from "../../../lib/cache/disk/kv_tier.ts";
import { prepareKvFile } from "../../../lib/cache/disk/kv_open.ts";
import { schedule, systemClock } from "../../../lib/clock.ts";
import type { PoolReport } from "../../../lib/health/health_monitor.ts";
import { watchHealth } from "../../../lib/health/health_reader.ts";
import type { HealthState, HealthTable } from "../../../lib/pool/upstream_health.ts";
import type { WorkerHandle } from "../../../lib/workers/supervisor/worker_handle.ts";
import { sample } from "../../cache/stored_sample.ts";
import { configOf, type Mapping } from "../../gateway/config_of.ts";
import type { ScriptedHandler } from "../../origins/scripted_origin.ts";
import { eventually } from "../../eventually.ts";
import { originWith, PATIENCE_MS, readyWorker } from "../product_worker.ts";

const well: ScriptedHandler = (exchange) => exchange.reply({ body: "well" });
const ill: ScriptedHandler = (exchange) => exchange.reply({ status: 500, body: "ill" });
const QUICK = { path: "/healthz", interval: "100ms", unhealthy_interval: "100ms", timeout: "50ms", rise: 1, fall: 1 };

/** A configuration of pools by name, each with its upstreams, checked often. */
function poolsOf(pools: Readonly<Record<string, readonly string[]>>, health: Mapping | false = QUICK) {
  const entries = Object.entries(pools).map(([name, upstreams]) => [name, { type: "custom", health, upstreams }]);
  return configOf({
    logging: { level: "error" },
    pools: Object.fromEntries(entries),
    listeners: Object.keys(pools).map((pool): Mapping => ({ name: pool, prefix: `/${pool}`, pool })),
  });
}

/** States as the worker reports them, by upstream. */
async function statesOf(handle: WorkerHandle, pool: string): Promise<Record<string, HealthState>> {
  const table = (await handle.ping(PATIENCE_MS))!.health!.find((it) => it.pool === pool);
  return Object.fromEntries(Object.entries(table?.upstreams ?? {}).map(([id, { state }]) => [id, state]));
}

/** A port to the worker, and the tables that came over it. */
function introduced(handle: WorkerHandle, peer: number) {
  const { port1, port2 } = new MessageChannel();
  const tables: HealthTable[] = [];
  port2.onmessage = ({ data }: MessageEvent<HealthTable[]>) => void tables.push(...data);
  handle.post({ type: "peer", peer }, [port1]);
  return {
    tables,
    states: () => Object.values(tables.at(-1)?.upstreams ?? {}).map(({ state }) => state),
    send: (reports: PoolReport[]) => port2.postMessage(reports),
    [Symbol.dispose]: () => port2.close(),
  };
}

function failures(id: string, count: number): PoolReport {
  const counts = { ok: 0, limited: 0, failed: count, unreachable: 0, cancelled: 0 };
  return { pool: "films", batches: [{ id, counts, latenciesMs: [], retryAfterMs: 0, trailingFailures: count }] };
}

Deno.test("the health worker checks upstreams and reports their states; it serves and counts nothing", async () => {
  await using one = await originWith(well);
  await using two = await originWith(ill);
  const config = await poolsOf({ films: [one.url, two.url] });
  await using worker = await readyWorker("health", { generation: 3, config });
  await eventually("both are checked", async () => {
    const states = await statesOf(worker.handle, "films");
    return states[one.url] === "healthy" && states[two.url] === "unhealthy";
  });
  assert.match(one.heads[0]!.raw, /^GET \/healthz HTTP\/1\.1\r\n/);
  const report = (await worker.handle.ping(PATIENCE_MS))!;
  assert.deepEqual([report.generation, report.memory, report.disk, report.flights], [3, null, null, 0]);
  assert.deepEqual(Object.keys(report.counts.listeners), []);
  two.handle(well);
  await eventually("it is back", async () => (await statesOf(worker.handle, "films"))[two.url] === "healthy");
});

Deno.test("the health worker tells serving workers over their ports where there is no Deno KV", async () => {
  await using one = await originWith(well);
  await using two = await originWith(well);
  const config = await poolsOf({ films: [one.url, two.url] });
  await using worker = await readyWorker("health", { generation: 1, config });
  using first = introduced(worker.handle, 0);
  await eventually("the first is told", () => first.states().join() === "healthy,healthy");
  two.handle(ill);
  await eventually("the first is told of a change", () => first.states().join() === "healthy,unhealthy");
  using late = introduced(worker.handle, 1);
  await eventually("a late one is told at once", () => late.states().join() === "healthy,unhealthy");
});

Deno.test("the health worker ejects an upstream by what serving workers say of it, checked or not", async () => {
  const [one, two] = ["http://127.0.0.1:9", "http://127.0.0.1:19"];
  const config = await poolsOf({ films: [one, two] }, false);
  await using worker = await readyWorker("health", { generation: 1, config });
  using serving = introduced(worker.handle, 0);
  serving.send([failures(one, 50)]);
  await eventually("it is told", () => serving.states()[0] === "ejected");
  assert.notEqual(serving.states()[1], "ejected");
});

Deno.test("the health worker writes health down, so that it outlives the worker, and ports stay silent", async () => {
  const directory = await Deno.makeTempDir();
  const kvFile = await prepareKvFile(join(directory, "usher.kv"), { clock: systemClock, log: { warn: assert.fail } });
  await using one = await originWith(well);
  await using two = await originWith(ill);
  const upstreams = { films: [one.url, two.url] };
  const config = await poolsOf(upstreams);
  const init = { generation: 1, config, kvPath: kvFile.path };
  const seen: HealthTable[] = [];
  const isTold = () => seen.at(-1)?.upstreams[two.url]?.state === "unhealthy";
  {
    using kv = await Deno.openKv(kvFile.path!);
    const watch = watchHealth(new KvStateStore(kv), (tables) => void seen.push(...tables), {
      now: Date.now,
      schedule,
      onTrouble: (error) => assert.fail(String(error)),
    });
    await using worker = await readyWorker("health", init);
    using serving = introduced(worker.handle, 0);
    await eventually("it is written", isTold);
    assert.deepEqual(serving.tables, []);
    await watch.close();
  }
  const before = seen.at(-1)!;
  {
    // Its checks are not answered for as long as the test looks: what it knows it knows from before.
    one.handle(() => {});
    two.handle(() => {});
    const slow = { ...QUICK, interval: "60s", unhealthy_interval: "60s", timeout: "20s" };
    await using again = await readyWorker("health", { ...init, config: await poolsOf(upstreams, slow) });
    assert.equal((await statesOf(again.handle, "films"))[two.url], "unhealthy");
    const [table] = (await again.handle.ping(PATIENCE_MS))!.health!;
    assert.ok(table!.version >= before.version, "readers ignore a table that is older than the last");
  }
  await Deno.remove(directory, { recursive: true });
});

Deno.test("the health worker builds the filter of what the disk holds", async () => {
  const directory = await Deno.makeTempDir();
  const log = { warn: assert.fail };
  const { path } = await prepareKvFile(join(directory, "usher.kv"), { clock: systemClock, log });
  const kv = await Deno.openKv(path!);
  const tier = createKvTier({ kv, clock: systemClock, log, limitBytes: 64 << 20 });
  tier.put(sample("films\0\0/1", 100, { requestTimeMs: Date.now(), responseTimeMs: Date.now() }));
  await tier.flush();
  const diskFilter = newDiskFilterMemory(64 << 20);
  const filter = new DiskFilter(diskFilter, 0);
  {
    const config = await poolsOf({ films: ["http://127.0.0.1:9"] }, false);
    await using _worker = await readyWorker("health", { generation: 1, config, kvPath: path, diskFilter });
    await eventually("it is complete", () => !filter.mayHold("films\0\0/2"));
  }
  assert.ok(filter.mayHold("films\0\0/1"));
  kv.close();
  await Deno.remove(directory, { recursive: true });
});

Deno.test("the health worker looks after the pools of a configuration from its commit on", async () => {
  await using one = await originWith(well);
  await using two = await originWith(well);
  await using worker = await readyWorker("health", { generation: 1, config: await poolsOf({ films: [one.url] }) });
  await eventually("it is checked", () => one.heads.length > 0);
  const next = await poolsOf({ films: [one.url], stars: [two.url] });
  await worker.ask({ type: "prepare", generation: 2, config: next }, "prepared");
  worker.handle.post({ type: "abort", generation: 2 });
  assert.equal((await worker.handle.ping(PATIENCE_MS))!.generation, 1);
  assert.equal(two.heads.length, 0);
  await worker.ask({ type: "prepare", generation: 2, config: next }, "prepared");
  await worker.ask({ type: "commit", generation: 2 }, "committed");
  await eventually(
    "the new one is checked",
    async () => (await statesOf(worker.handle, "stars"))[two.url] === "healthy",
  );
  const last = await poolsOf({ stars: [two.url] });
  await worker.ask({ type: "prepare", generation: 3, config: last }, "prepared");
  await worker.ask({ type: "commit", generation: 3 }, "committed");
  const report = (await worker.handle.ping(PATIENCE_MS))!;
  assert.deepEqual([report.generation, report.health!.map(({ pool }) => pool)], [3, ["stars"]]);
  const checks = one.heads.length;
  const others = two.heads.length;
  await eventually("the other is checked on", () => two.heads.length > others + 2);
  assert.ok(one.heads.length <= checks + 1, "one that was under way at most");
});
