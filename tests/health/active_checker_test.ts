import assert from "node:assert/strict";
import { ActiveChecker, type CheckedState } from "../../lib/health/active_checker.ts";
import type { CheckSpec } from "../../lib/health/check.ts";
import { checkSpec } from "./check_specs.ts";
import { FakeTime } from "./fake_time.ts";
import { type Answer, ScriptedTransport } from "./scripted_transport.ts";

/** A checker without jitter (random 0.5 is the middle) and what it reported. */
function start(answer: Answer, spec: Partial<CheckSpec> = {}) {
  const time = new FakeTime();
  const transport = new ScriptedTransport(answer);
  const states: CheckedState[] = [];
  const checker = new ActiveChecker(checkSpec(spec), transport, {
    now: time.now,
    schedule: time.schedule,
    random: () => 0.5,
    onResult: (_, state) => states.push(state),
  });
  return { time, transport, states, checker };
}

Deno.test("ActiveChecker checks soon after it begins and lets that check decide", async () => {
  for (const [answer, state] of [[{ status: 200 }, "up"], [{ status: 500 }, "down"]] as const) {
    const { time, checker } = start(answer);
    assert.equal(checker.state, "unknown");
    await time.advance(250);
    assert.equal(checker.state, state);
    checker.close();
  }
});

Deno.test("ActiveChecker goes down after `fall` failures in a row, at the shorter interval", async () => {
  const { time, transport, states, checker } = start({ status: 200 });
  await time.advance(250);
  transport.answer = { failure: "connect" };
  await time.advance(10_000);
  assert.deepEqual(states, ["up", "up"]);
  await time.advance(1_000);
  assert.deepEqual(states, ["up", "up", "up"]);
  await time.advance(1_000);
  assert.deepEqual(states, ["up", "up", "up", "down"]);
  checker.close();
});

Deno.test("ActiveChecker comes up after `rise` good checks in a row, not after fewer", async () => {
  const { time, transport, checker } = start({ status: 500 }, { rise: 3 });
  await time.advance(250);
  transport.answer = { status: 200 };
  await time.advance(2_000);
  transport.answer = { status: 500 };
  await time.advance(1_000);
  transport.answer = { status: 200 };
  await time.advance(2_000);
  assert.equal(checker.state, "down");
  await time.advance(1_000);
  assert.equal(checker.state, "up");
  assert.equal(checker.checks, 7);
  assert.equal(checker.failedChecks, 2);
  checker.close();
});

Deno.test("ActiveChecker takes a refused credential for a host that is well", async () => {
  const { time, checker } = start({ status: 401 }, { judge: () => "credential" });
  await time.advance(40_000);
  assert.equal(checker.state, "up");
  assert.equal(checker.failedChecks, 0);
  checker.close();
});

Deno.test("ActiveChecker runs one check at a time, however long it takes", async () => {
  const { time, transport, checker } = start("never", { timeoutMs: 5_000, unhealthyIntervalMs: 100 });
  await time.advance(300);
  checker.hurry(true);
  await time.advance(4_800);
  assert.equal(transport.requests.length, 1);
  await time.advance(200);
  assert.equal(transport.requests.length, 2);
  checker.close();
});

Deno.test("ActiveChecker.hurry() checks at the shorter interval while requests fail", async () => {
  const { time, transport, checker } = start({ status: 200 });
  await time.advance(250);
  checker.hurry(true);
  await time.advance(3_000);
  assert.equal(transport.requests.length, 4);
  checker.hurry(false);
  await time.advance(9_000);
  assert.ok(transport.requests.length <= 6, `${transport.requests.length}`);
  checker.close();
});

Deno.test("ActiveChecker.configure() goes on with another check and keeps the state", async () => {
  const { time, checker } = start({ status: 200 });
  await time.advance(250);
  const other = new ScriptedTransport({ status: 200 });
  checker.configure(checkSpec({ target: "/other", intervalMs: 500 }), other);
  assert.equal(checker.state, "up");
  await time.advance(500);
  assert.equal(other.requests[0]!.target, "/other");
  checker.close();
});

Deno.test("ActiveChecker.close() leaves no timer and drops a running check's result", async () => {
  const { time, states, checker } = start("never");
  await time.advance(200);
  checker.close();
  await time.advance(20_000);
  assert.deepEqual(states, []);
  assert.equal(time.pending, 0);
});

Deno.test("ActiveChecker spreads intervals by a tenth either way", async () => {
  const waits: number[] = [];
  for (const chance of [0, 0.999]) {
    const time = new FakeTime();
    const transport = new ScriptedTransport();
    const deps = { now: time.now, schedule: time.schedule, random: () => chance, onResult: () => {} };
    const checker = new ActiveChecker(checkSpec(), transport, deps);
    await time.advance(250);
    let waitedMs = 0;
    for (; transport.requests.length < 2; waitedMs += 100) await time.advance(100);
    waits.push(waitedMs);
    checker.close();
  }
  assert.ok(waits[0]! < 9_300 && waits[1]! > 10_700, `${waits}`);
});

Deno.test("ActiveChecker.checkNow() checks at once, counts as any other check, and joins one under way", async () => {
  const { time, transport, states, checker } = start({ status: 200 });
  assert.equal((await checker.checkNow()).verdict, "pass");
  assert.deepEqual([checker.state, checker.checks], ["up", 1]);
  transport.answer = { status: 503 };
  const [one, other] = await Promise.all([checker.checkNow(), checker.checkNow()]);
  assert.deepEqual([one.verdict, one.reason], ["fail", "status 503"]);
  assert.equal(other, one);
  assert.deepEqual([checker.checks, checker.failedChecks, checker.state], [2, 1, "up"]);
  transport.answer = { status: 200 };
  // The next one follows at the interval of an upstream that has just failed a check, and only one does.
  await time.advance(1_000);
  assert.equal(checker.checks, 3);
  assert.deepEqual(states, ["up", "up", "up"]);
  checker.close();
});
