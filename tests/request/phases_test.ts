import assert from "node:assert/strict";
import { Phases, type Stage } from "../../lib/request/phases.ts";

/** Lets at least `ms` milliseconds pass. */
function spend(ms: number): void {
  for (const untilMs = performance.now() + ms; performance.now() < untilMs;);
}

Deno.test("Phases gives each stage the time spent in it, also where a request comes back to it", () => {
  const phases = new Phases();
  const stages: [Stage, number][] = [["queue", 2], ["connect", 3], ["head", 4], ["queue", 1], ["connect", 1], [
    "head",
    2,
  ]];
  for (const [stage, ms] of [...stages, ["body", 5], ["send", 6], ["own", 9]] as [Stage, number][]) {
    phases.enter(stage);
    spend(ms);
  }
  const { queueMs, connectMs, firstByteMs, upstreamMs, clientMs } = phases.times();
  assert.ok(queueMs >= 3 && connectMs >= 4 && firstByteMs >= 6 && clientMs >= 6);
  assert.ok(upstreamMs >= connectMs + firstByteMs + 5);
  assert.equal(phases.stage, "own");
});

Deno.test("Phases.move() leaves no other stage than the one it is to leave", () => {
  const phases = new Phases();
  assert.equal(phases.enter("head"), "own");
  assert.equal(phases.move("head", "request"), true);
  assert.equal(phases.enter("body"), "request", "the answer came while content was awaited");
  assert.equal(phases.move("request", "head"), false);
  assert.equal(phases.stage, "body");
});
