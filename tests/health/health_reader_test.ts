import assert from "node:assert/strict";
import { HealthMonitor } from "../../lib/health/health_monitor.ts";
import { watchHealth } from "../../lib/health/health_reader.ts";
import { HealthWriter } from "../../lib/health/health_writer.ts";
import { KvStateStore } from "../../lib/state/kv_state_store.ts";
import { Pool, type PoolOptions } from "../../lib/pool/pool.ts";
import { ScriptedTransport } from "./scripted_transport.ts";
import { Inbox, READER_DEPS, tableOf, withState } from "./kv_kit.ts";

Deno.test("watchHealth() has all tables at once, then each change", async () => {
  await withState(async (state, other) => {
    const writer = new HealthWriter(state);
    await writer.publish([tableOf("p", 1), tableOf("q", 1)]);
    const inbox = new Inbox();
    const watch = watchHealth(other, inbox.take, READER_DEPS);
    await inbox.until(() => inbox.tables.length === 2);
    for (let version = 2; version <= 10; version++) {
      await writer.publish([tableOf("p", version)]);
      await inbox.until(() => inbox.versions("p").includes(version));
    }
    assert.deepEqual(inbox.versions("q"), [1]);
    await watch.close();
  });
});

Deno.test("watchHealth() ends with the newest table when many are written at once", async () => {
  await withState(async (state, other) => {
    const inbox = new Inbox();
    const watch = watchHealth(other, inbox.take, READER_DEPS);
    const writer = new HealthWriter(state);
    for (let version = 1; version <= 100; version++) await writer.publish([tableOf("p", version)]);
    await inbox.until(() => inbox.versions("p").at(-1) === 100);
    await watch.close();
  });
});

Deno.test("load() and watchHealth() pass over tables of a health worker that is long gone", async () => {
  await withState(async (state, other) => {
    const writer = new HealthWriter(state);
    await writer.publish([tableOf("old", 1, { atMs: Date.now() - 200_000 }), tableOf("p", 1)]);
    const stored = await writer.load(Date.now());
    assert.deepEqual(stored.tables.map(({ pool }) => pool), ["p"]);
    assert.deepEqual(stored.pools, ["old", "p"]);
    const inbox = new Inbox();
    const watch = watchHealth(other, inbox.take, READER_DEPS);
    await inbox.until(() => inbox.tables.length > 0);
    assert.deepEqual(inbox.tables.map(({ pool }) => pool), ["p"]);
    await watch.close();
  });
});

Deno.test("watchHealth() is not harmed by values that are not tables", async () => {
  await withState(async (state, other, kv) => {
    await kv.set(["health", "index"], "nonsense");
    await kv.set(["health", "table", "bad"], new Uint8Array([1, 2]));
    await kv.set(["health", "table", "worse"], 42);
    const inbox = new Inbox();
    const watch = watchHealth(other, inbox.take, READER_DEPS);
    const writer = new HealthWriter(state);
    await writer.load(Date.now());
    await writer.publish([tableOf("p", 5)]);
    await inbox.until(() => inbox.tables.length > 0);
    assert.deepEqual(inbox.tables.map(({ pool }) => pool), ["p"]);
    await watch.close();
  });
});

Deno.test("watchHealth() reports KV trouble once, tries again, and ends when it is closed", async () => {
  const folder = await Deno.makeTempDir();
  const kv = await Deno.openKv(`${folder}/kv`);
  kv.close();
  const troubles: unknown[] = [];
  const retries: (() => void)[] = [];
  const watch = watchHealth(new KvStateStore(kv), () => {}, {
    now: Date.now,
    schedule: (call) => {
      retries.push(call);
      return () => {};
    },
    onTrouble: (error) => void troubles.push(error),
  });
  while (retries.length < 3) {
    await new Promise((resolve) => setTimeout(resolve, 1));
    retries.at(-1)?.();
  }
  assert.equal(troubles.length, 1);
  await watch.close();
  await Deno.remove(folder, { recursive: true });
});

Deno.test("health: failures in one worker take the upstream out in another", async () => {
  await withState(async (state, other) => {
    const options: PoolOptions = {
      name: "p",
      strategy: "weighted-ewma",
      upstreams: ["a", "b"].map((id) => ({ id, url: `http://${id}.test`, weight: 1 })),
    };
    const [here, there] = [new Pool(options), new Pool(options)];
    const writer = new HealthWriter(state);
    const monitor = new HealthMonitor({
      ...READER_DEPS,
      random: Math.random,
      onTransition: () => {},
      publish: (tables, removed) => writer.publish(tables, removed),
    });
    const transport = new ScriptedTransport();
    monitor.reconfigure([{
      name: "p",
      upstreams: ["a", "b"].map((id) => ({ id, weight: 1, check: null, transport })),
    }]);
    const inbox = new Inbox();
    const watch = watchHealth(other, (tables) => {
      for (const one of tables) there.apply(one);
      inbox.take(tables);
    }, READER_DEPS);
    await inbox.until(() => inbox.tables.length > 0);
    const failing = here.upstreams[0]!;
    for (let i = 0; i < 5; i++) {
      failing.begin(Date.now());
      failing.end({ outcome: "unreachable", latencyMs: 1, retryAfterMs: 0 }, Date.now());
    }
    monitor.report([{ pool: "p", batches: here.drainReports() }]);
    await inbox.until(() => there.upstreams[0]!.health?.state === "ejected");
    for (let i = 0; i < 100; i++) assert.equal(there.select(null, i, Date.now())!.id, "b");
    monitor.close();
    await watch.close();
  });
});
