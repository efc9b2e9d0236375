import assert from "node:assert/strict";
import {
  type MonitoredPool,
  type MonitoredUpstream,
  PoolMonitor,
  type Transition,
} from "../../lib/health/pool_monitor.ts";
import { OUTLIER_DEFAULTS } from "../../lib/health/outlier_detector.ts";
import { checkSpec } from "./check_specs.ts";
import { FakeTime } from "./fake_time.ts";
import { batchOf } from "./outcome_batches.ts";
import { ScriptedTransport } from "./scripted_transport.ts";

function start(upstreams: readonly MonitoredUpstream[], over: Partial<MonitoredPool> = {}) {
  const time = new FakeTime();
  const transitions: Transition[] = [];
  const deps = {
    now: time.now,
    schedule: time.schedule,
    random: () => 0.5,
    onTransition: (transition: Transition) => void transitions.push(transition),
  };
  const monitor = new PoolMonitor("p", deps, () => monitor.survey());
  monitor.reconfigure({ name: "p", upstreams, ...over });
  monitor.survey();
  const row = (id: string) => monitor.peek(1).upstreams[id]!;
  return { time, monitor, transitions, row };
}

function upstream(id: string, transport: ScriptedTransport | null = null, weight = 1): MonitoredUpstream {
  return {
    id,
    weight,
    check: transport === null ? null : checkSpec(),
    transport: transport ?? new ScriptedTransport(),
  };
}

Deno.test("PoolMonitor tells an upstream healthy or unhealthy by its checks", async () => {
  const good = new ScriptedTransport();
  const bad = new ScriptedTransport({ failure: "connect" });
  const { time, monitor, transitions, row } = start([upstream("a", good), upstream("b", bad)]);
  assert.equal(row("a").state, "unknown");
  await time.advance(250);
  assert.deepEqual([row("a").state, row("a").reason, row("a").credential], ["healthy", "", ""]);
  assert.equal(row("b").state, "unhealthy");
  assert.equal(row("b").reason, "check: connect");
  assert.deepEqual(transitions.map(({ id, from, to }) => `${id}: ${from} ${to}`).sort(), [
    "a: unknown healthy",
    "b: unknown unhealthy",
  ]);
  monitor.close();
  assert.equal(time.pending, 0);
});

Deno.test("PoolMonitor brings an unhealthy one back after `rise` checks, with a slow start", async () => {
  const transport = new ScriptedTransport({ status: 500 });
  const { time, monitor, row } = start([upstream("a", transport), upstream("b")]);
  await time.advance(250);
  transport.answer = { status: 200 };
  await time.advance(1_000);
  assert.equal(row("a").state, "unhealthy");
  await time.advance(1_000);
  assert.equal(row("a").state, "healthy");
  assert.ok(row("a").rampFromMs > 0);
  assert.equal(row("a").rampFromMs, row("a").sinceMs);
  monitor.close();
});

Deno.test("PoolMonitor ejects on outcomes, probes, and closes with a slow start", async () => {
  const { time, monitor, transitions, row } = start([upstream("a"), upstream("b")]);
  monitor.record([batchOf("a", { unreachable: 5 }), batchOf("b", { ok: 5 })]);
  monitor.survey();
  assert.equal(row("a").state, "ejected");
  await time.advance(12_000);
  monitor.survey();
  assert.equal(row("a").state, "half_open");
  monitor.record([batchOf("a", { ok: 3 })]);
  monitor.survey();
  assert.equal(row("a").state, "healthy");
  assert.equal(row("a").rampFromMs, time.now());
  assert.deepEqual(transitions.filter(({ id }) => id === "a").map(({ to }) => to), ["ejected", "half_open", "healthy"]);
});

Deno.test("PoolMonitor checks an ejected one more often, and checks that pass close its circuit", async () => {
  const transport = new ScriptedTransport();
  const { time, monitor, row } = start([upstream("a", transport), upstream("b")]);
  await time.advance(250);
  monitor.record([batchOf("a", { failed: 5 })]);
  monitor.survey();
  await time.advance(4_000);
  assert.ok(transport.requests.length >= 4, `${transport.requests.length}`);
  assert.equal(row("a").state, "ejected", "checks that never failed must not end an ejection");
  await time.advance(12_000);
  monitor.survey();
  await time.advance(4_000);
  assert.equal(row("a").state, "healthy");
  monitor.close();
});

Deno.test("PoolMonitor never ejects more than the share, but always may eject one", () => {
  const { monitor, row } = start(["a", "b", "c", "d"].map((id) => upstream(id)));
  for (const id of ["a", "b", "c", "d"]) monitor.record([batchOf(id, { unreachable: 9 })]);
  monitor.survey();
  assert.deepEqual(["a", "b", "c", "d"].map((id) => row(id).state), ["ejected", "ejected", "healthy", "healthy"]);
  const two = start([upstream("a"), upstream("b")], { outliers: { ...OUTLIER_DEFAULTS, maxEjected: 0.1 } });
  for (const id of ["a", "b"]) two.monitor.record([batchOf(id, { unreachable: 9 })]);
  two.monitor.survey();
  assert.deepEqual(["a", "b"].map((id) => two.row(id).state), ["ejected", "healthy"]);
});

Deno.test("PoolMonitor counts those that checks have taken out against the share", async () => {
  const bad = new ScriptedTransport({ status: 500 });
  const { time, monitor, row } = start([upstream("a", bad), upstream("b")]);
  await time.advance(250);
  monitor.record([batchOf("b", { unreachable: 9 })]);
  monitor.survey();
  assert.equal(row("b").state, "healthy");
  monitor.close();
});

Deno.test("PoolMonitor changes no state in a storm of 404s", () => {
  const { monitor, transitions } = start([upstream("a"), upstream("b")]);
  monitor.record([batchOf("a", { ok: 10_000 }), batchOf("b", { ok: 10_000 })]);
  monitor.survey();
  assert.deepEqual(transitions.map(({ to }) => to), ["healthy", "healthy"]);
});

Deno.test("PoolMonitor reports a refused credential and leaves the host in", async () => {
  const transport = new ScriptedTransport({ status: 401 });
  const spec = checkSpec({ judge: () => "credential" });
  const { time, monitor, row } = start([{ id: "a", weight: 1, check: spec, transport }]);
  await time.advance(20_000);
  assert.equal(row("a").state, "healthy");
  assert.equal(row("a").credential, "status 401");
  monitor.close();
});

Deno.test("PoolMonitor weighs by configuration and response time; an unknown one gets the mean", () => {
  const { monitor, row } = start([upstream("fast", null, 2), upstream("slow"), upstream("new")]);
  for (let i = 0; i < 50; i++) {
    monitor.record([batchOf("fast", { ok: 5, latencyMs: 9 }), batchOf("slow", { ok: 5, latencyMs: 99 })]);
  }
  monitor.survey();
  assert.ok(Math.abs(row("fast").weight / row("slow").weight - 20) < 0.5);
  assert.ok(Math.abs(row("new").weight - (100 + 10) / 2) < 1, `${row("new").weight}`);
});

Deno.test("PoolMonitor.reconfigure() keeps the unchanged, ramps the new and forgets the removed", () => {
  const { time, monitor, row } = start([upstream("a"), upstream("b"), upstream("c")]);
  monitor.record([batchOf("a", { unreachable: 9 }), batchOf("b", { ok: 9, latencyMs: 77 })]);
  monitor.survey();
  monitor.reconfigure({ name: "p", upstreams: [upstream("a"), upstream("b", null, 5), upstream("d")] });
  monitor.survey();
  assert.equal(row("a").state, "ejected");
  assert.equal(row("b").fastMs, 77);
  assert.equal(row("b").rampFromMs, 0);
  assert.equal(row("c"), undefined);
  assert.equal(row("d").rampFromMs, time.now());
  monitor.record([batchOf("c", { ok: 1 })]);
});

Deno.test("PoolMonitor.reconfigure() stops checks that are turned off", async () => {
  const transport = new ScriptedTransport({ status: 500 });
  const { time, monitor, row } = start([upstream("a", transport)]);
  await time.advance(250);
  assert.equal(row("a").state, "unhealthy");
  monitor.reconfigure({ name: "p", upstreams: [upstream("a")] });
  monitor.survey();
  assert.equal(row("a").state, "unknown");
  assert.equal(time.pending, 0);
});

Deno.test("PoolMonitor.take() counts as told what has changed", () => {
  const { monitor } = start([upstream("a")]);
  assert.deepEqual([monitor.stateChanged, monitor.weightChanged], [true, true]);
  monitor.take(1);
  assert.equal(monitor.stateChanged || monitor.weightChanged, false);
  monitor.record([batchOf("a", { ok: 5, latencyMs: 300 })]);
  monitor.survey();
  assert.equal(monitor.stateChanged, true);
  assert.equal(monitor.weightChanged, true);
  const table = monitor.take(2);
  assert.equal(table.version, 2);
  assert.equal(table.upstreams.a!.fastMs, 300);
});
