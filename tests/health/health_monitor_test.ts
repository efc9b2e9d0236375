import assert from "node:assert/strict";
import { HealthMonitor, type HealthMonitorDeps } from "../../lib/health/health_monitor.ts";
import type { HealthTable } from "../../lib/health/health_table.ts";
import type { MonitoredUpstream, Transition } from "../../lib/health/pool_monitor.ts";
import { healthRow, healthTable } from "../pool/health_rows.ts";
import { checkSpec } from "./check_specs.ts";
import { FakeTime } from "./fake_time.ts";
import { batchOf } from "./outcome_batches.ts";
import { ScriptedTransport } from "./scripted_transport.ts";

interface Published {
  readonly atMs: number;
  readonly tables: readonly HealthTable[];
  readonly removed: readonly string[];
}

function start(publish?: HealthMonitorDeps["publish"], onTrouble?: HealthMonitorDeps["onTrouble"]) {
  const time = new FakeTime();
  const published: Published[] = [];
  const transitions: Transition[] = [];
  const monitor = new HealthMonitor({
    now: time.now,
    schedule: time.schedule,
    random: () => 0.5,
    onTrouble,
    onTransition: (transition) => transitions.push(transition),
    publish: publish ?? ((tables, removed) => {
      published.push({ atMs: time.now(), tables, removed });
      return Promise.resolve();
    }),
  });
  return { time, monitor, published, transitions };
}

function upstream(id: string, transport: ScriptedTransport | null = null): MonitoredUpstream {
  return { id, weight: 1, check: transport && checkSpec(), transport: transport ?? new ScriptedTransport() };
}

const POOL = { name: "p", upstreams: [upstream("a"), upstream("b")] };

Deno.test("HealthMonitor publishes every pool at once and then only what has changed", async () => {
  const { time, monitor, published } = start();
  monitor.reconfigure([POOL, { name: "q", upstreams: [upstream("c")] }]);
  await time.advance(10);
  assert.deepEqual(published.map(({ tables }) => tables.map(({ pool }) => pool)), [["p", "q"]]);
  await time.advance(5_000);
  assert.equal(published.length, 1);
  monitor.report([{ pool: "q", batches: [batchOf("c", { ok: 1 })] }]);
  await time.advance(50);
  assert.deepEqual(published[1]!.tables.map(({ pool }) => pool), ["q"]);
  monitor.close();
});

Deno.test("HealthMonitor publishes an ejection within 20 ms of the report", async () => {
  const { time, monitor, published, transitions } = start();
  monitor.reconfigure([POOL]);
  await time.advance(1_000);
  const sentMs = time.now();
  monitor.report([{ pool: "p", batches: [batchOf("a", { unreachable: 5 })] }]);
  await time.advance(100);
  const told = published.find(({ tables }) => tables[0]?.upstreams.a?.state === "ejected");
  assert.ok(told !== undefined && told.atMs - sentMs <= 20, `${told?.atMs}`);
  assert.equal(transitions.at(-1)!.to, "ejected");
  monitor.close();
});

Deno.test("HealthMonitor wakes by itself when an ejection runs out", async () => {
  const { time, monitor, published } = start();
  monitor.reconfigure([POOL]);
  monitor.report([{ pool: "p", batches: [batchOf("a", { unreachable: 5 })] }]);
  await time.advance(15_000);
  assert.ok(published.some(({ tables }) => tables[0]?.upstreams.a?.state === "half_open"));
  monitor.close();
});

Deno.test("HealthMonitor publishes weights four times a second at most, and nothing when they stand still", async () => {
  const { time, monitor, published } = start();
  monitor.reconfigure([POOL]);
  await time.advance(1_000);
  monitor.report([{ pool: "p", batches: [batchOf("a", { ok: 1 }), batchOf("b", { ok: 1 })] }]);
  await time.advance(1_000);
  const before = published.length;
  for (let i = 0; i < 100; i++) {
    monitor.report([{ pool: "p", batches: [batchOf("a", { ok: 3, latencyMs: 10 + i * 10 })] }]);
    await time.advance(50);
  }
  const changing = published.length - before;
  assert.ok(changing >= 10 && changing <= 21, `${changing}`);
  // The mix of recent and long term moves on for a while.
  for (let i = 0; i < 600; i++) {
    monitor.report([{ pool: "p", batches: [batchOf("b", { ok: 3, latencyMs: 10 })] }]);
    await time.advance(50);
  }
  const settled = published.length;
  for (let i = 0; i < 100; i++) {
    monitor.report([{ pool: "p", batches: [batchOf("b", { ok: 3, latencyMs: 10 })] }]);
    await time.advance(50);
  }
  assert.ok(published.length - settled <= 1, `${published.length - settled}`);
  monitor.close();
});

Deno.test("HealthMonitor's versions grow, and grow across a restart", async () => {
  const first = start();
  first.monitor.reconfigure([POOL]);
  for (let i = 1; i <= 5; i++) {
    first.monitor.report([{ pool: "p", batches: [batchOf(i % 2 === 0 ? "a" : "b", { unreachable: 5 * i })] }]);
    await first.time.advance(300);
  }
  const versions = first.published.map(({ tables }) => tables[0]!.version);
  assert.ok(versions.length >= 2);
  assert.deepEqual(versions, [...new Set(versions)].sort((a, b) => a - b));
  first.monitor.close();
  const second = start();
  const ahead = second.time.now() + 1e9;
  second.monitor.reconfigure([POOL]);
  second.monitor.restore({ version: ahead, tables: [], pools: [] });
  await second.time.advance(10);
  assert.equal(second.published[0]!.tables[0]!.version, ahead + 1);
  second.monitor.close();
});

Deno.test("HealthMonitor.restore() goes on with response times and takes away pools that are gone", async () => {
  const { time, monitor, published } = start();
  const donor = start();
  donor.monitor.reconfigure([POOL]);
  donor.monitor.report([{ pool: "p", batches: [batchOf("a", { ok: 5, latencyMs: 123 })] }]);
  await donor.time.advance(100);
  donor.monitor.close();
  const tables = donor.monitor.tables();
  monitor.reconfigure([POOL]);
  monitor.restore({ version: 1, tables, pools: ["p", "gone"] });
  await time.advance(10);
  assert.equal(published[0]!.tables[0]!.upstreams.a!.fastMs, 123);
  assert.deepEqual(published[0]!.removed, ["gone"]);
  monitor.close();
});

Deno.test("HealthMonitor.reconfigure() drops removed pools, keeps the others, and stops their checks", async () => {
  const { time, monitor, published } = start();
  const transport = new ScriptedTransport();
  monitor.reconfigure([POOL, { name: "q", upstreams: [upstream("c", transport)] }]);
  monitor.report([{ pool: "p", batches: [batchOf("a", { unreachable: 5 })] }]);
  await time.advance(1_000);
  monitor.reconfigure([POOL]);
  const checked = transport.requests.length;
  await time.advance(40_000);
  assert.equal(transport.requests.length, checked);
  assert.deepEqual(published.flatMap(({ removed }) => removed), ["q"]);
  assert.equal(monitor.tables().length, 1);
  assert.notEqual(monitor.tables()[0]!.upstreams.a!.state, "unknown");
  monitor.close();
});

Deno.test("HealthMonitor goes on after a publication failed, and tells again what was lost", async () => {
  let failures = 3;
  const troubles: unknown[] = [];
  const told: string[] = [];
  const { time, monitor } = start((tables) => {
    if (failures-- > 0) return Promise.reject(new Error("locked"));
    told.push(...tables.map((table) => table.upstreams.a!.state));
    return Promise.resolve();
  }, (error) => troubles.push(error));
  monitor.reconfigure([POOL]);
  monitor.report([{ pool: "p", batches: [batchOf("a", { unreachable: 5 })] }]);
  await time.advance(5_000);
  assert.equal(troubles.length, 1);
  assert.deepEqual(told.slice(0, 1), ["ejected"]);
  monitor.close();
});

Deno.test("HealthMonitor never has two publications under way", async () => {
  let running = 0;
  let most = 0;
  const time = new FakeTime();
  const monitor = new HealthMonitor({
    ...time,
    random: () => 0.5,
    onTransition: () => {},
    publish: () => {
      most = Math.max(most, ++running);
      return new Promise((resolve) =>
        time.schedule(() => {
          running--;
          resolve();
        }, 300)
      );
    },
  });
  monitor.reconfigure([POOL]);
  for (let i = 0; i < 50; i++) {
    monitor.report([{ pool: "p", batches: [batchOf("a", { ok: 1, latencyMs: i * 50 })] }]);
    await time.advance(30);
  }
  assert.equal(most, 1);
  monitor.close();
});

Deno.test("HealthMonitor tells every table at least twice a minute", async () => {
  const { time, monitor, published } = start();
  monitor.reconfigure([POOL]);
  await time.advance(95_000);
  assert.equal(published.length, 4);
  monitor.close();
  assert.equal(time.pending, 0);
});

Deno.test("HealthMonitor.restore() lets nobody back in who was out, until checks or probes have seen to it", async () => {
  const table = healthTable(1, {
    a: healthRow("unhealthy", { reason: "check: connect" }),
    b: healthRow("ejected", { reason: "5 failures in a row" }),
    c: healthRow("healthy"),
  });
  const transport = new ScriptedTransport("never");
  const { time, monitor } = start();
  monitor.reconfigure([{ name: "p", upstreams: [upstream("a", transport), upstream("b"), upstream("c")] }]);
  monitor.restore({ version: 1, tables: [table], pools: ["p"] });
  await time.advance(10);
  const states = () => Object.values(monitor.tables()[0]!.upstreams).map(({ state }) => state);
  assert.deepEqual(states(), ["unhealthy", "half_open", "unknown"]);
  assert.equal(monitor.tables()[0]!.upstreams.a!.reason, "check: connect");
  await time.advance(1_000);
  transport.answer = { status: 200 };
  await time.advance(5_000);
  assert.equal(states()[0], "healthy");
  monitor.close();
});

Deno.test("HealthMonitor goes on when the clock is set back", async () => {
  const { time, monitor, published } = start();
  monitor.reconfigure([POOL]);
  await time.advance(5_000);
  monitor.report([{ pool: "p", batches: [batchOf("a", { unreachable: 5 })] }]);
  await time.advance(100);
  time.set(time.now() - 3_600_000);
  const before = published.length;
  monitor.report([{ pool: "p", batches: [batchOf("b", { ok: 5 })] }]);
  await time.advance(2_000);
  assert.ok(published.length > before);
  assert.equal(published.at(-1)!.tables[0]!.upstreams.a!.state, "half_open");
  monitor.close();
});
