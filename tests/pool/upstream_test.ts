import assert from "node:assert/strict";
import type { Report } from "../../lib/pool/outcome.ts";
import { Upstream } from "../../lib/pool/upstream.ts";
import { healthRow } from "./health_rows.ts";

const OK: Report = { outcome: "ok", latencyMs: 10, retryAfterMs: 0 };
const FAILED: Report = { outcome: "unreachable", latencyMs: 10, retryAfterMs: 0 };

function upstream(id = "a", weight = 1): Upstream {
  return new Upstream({ id, url: "http://a.test", weight });
}

function fail(target: Upstream, times: number, nowMs = 0): void {
  for (let i = 0; i < times; i++) {
    target.begin(nowMs);
    target.end(FAILED, nowMs);
  }
}

Deno.test("Upstream counts what is in flight and never below none", () => {
  const target = upstream();
  target.begin(0);
  target.begin(0);
  assert.equal(target.inFlight, 2);
  for (let i = 0; i < 5; i++) target.end(OK, 0);
  assert.equal(target.inFlight, 0);
});

Deno.test("Upstream is out with the failure that opens its breaker, in again for probes", () => {
  const target = upstream();
  fail(target, 4);
  assert.equal(target.available(0), true);
  fail(target, 1);
  assert.equal(target.available(0), false);
  assert.equal(target.circuit(target.breakerOpenUntilMs), "half_open");
});

Deno.test("Upstream obeys the health table", () => {
  const target = upstream();
  for (const [state, circuit] of [["unhealthy", "open"], ["ejected", "open"], ["half_open", "half_open"]] as const) {
    target.setHealth(healthRow(state));
    assert.equal(target.circuit(0), circuit);
  }
  target.setHealth(healthRow("healthy"));
  assert.equal(target.circuit(0), "closed");
});

Deno.test("Upstream closes its own breaker when the health worker saw it recover, not because it has not heard yet", () => {
  const target = upstream();
  target.setHealth(healthRow("healthy"));
  fail(target, 5);
  target.setHealth(healthRow("healthy"));
  assert.equal(target.circuit(0), "open");
  target.setHealth(healthRow("unhealthy"));
  target.setHealth(healthRow("healthy"));
  assert.equal(target.circuit(0), "closed");
});

Deno.test("Upstream.hasRoom() asks the limit and the gate, which sees every request come and go", () => {
  const calls: string[] = [];
  const gate = {
    hasRoom: () => calls.length < 2,
    enter: () => void calls.push("enter"),
    leave: () => void calls.push("leave"),
  };
  const target = new Upstream({ id: "a", url: "http://a.test", weight: 1, gate });
  assert.equal(target.hasRoom(0), true);
  target.begin(0);
  target.end(OK, 0);
  assert.deepEqual(calls, ["enter", "leave"]);
  assert.equal(target.hasRoom(0), false);
  const limited = upstream();
  limited.inFlightLimit = 1;
  limited.begin(0);
  assert.equal(limited.available(0), false);
});

Deno.test("Upstream.shareStateOf() shares state both ways, so that requests of the old snapshot end where they should", () => {
  const before = upstream();
  before.begin(0);
  fail(before, 5);
  const after = upstream("a", 3);
  after.shareStateOf(before);
  assert.equal(after.inFlight, 1);
  assert.equal(after.circuit(0), "open");
  before.end(OK, 0);
  assert.equal(after.inFlight, 0);
  assert.equal(after.weight, 3);
  assert.equal(after.takeOutcomes()!.counts.unreachable, 5);
});

Deno.test("Upstream tells its watchers of load and of its breaker", () => {
  const target = upstream();
  const seen: string[] = [];
  target.watchLoad(() => seen.push("load"));
  target.watch({ onTransition: () => seen.push("breaker"), onWait: () => seen.push("wait") });
  target.expectAnswer(0);
  fail(target, 5);
  assert.equal(seen.filter((what) => what === "load").length, 10);
  assert.equal(seen.filter((what) => what === "breaker").length, 1);
  assert.equal(seen[0], "wait");
});

Deno.test("Upstream.costMs() begins with what the health table says", () => {
  const target = upstream();
  target.setHealth(healthRow("healthy", { fastMs: 30 }));
  assert.equal(target.costMs(0), 30);
  target.begin(0);
  target.end({ ...OK, latencyMs: 900 }, 1);
  assert.equal(target.costMs(1), 900);
});
