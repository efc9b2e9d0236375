import assert from "node:assert/strict";
import { drawBalancing } from "./balancing_plot.ts";
import { killed, limited, record, type Scenario, share, stalled, steady } from "./balancing_scenario.ts";

const BASE = { lengthMs: 150_000, requestsPerSecond: 40, strategy: "weighted-ewma", checks: true };

function alike(change: Partial<Scenario> = {}): Scenario {
  return { ...BASE, origins: { a: steady(20), b: steady(21) }, ...change };
}

Deno.test("balancing: 5 ms and 400 ms get at least 9 to 1, in every half minute", async () => {
  const recording = await record({ ...BASE, origins: { fast: steady(5), slow: steady(400) } });
  for (let second = 0; second < 150; second += 30) {
    const fast = share(recording, "fast", second, second + 30);
    assert.ok(fast >= 0.9, `${second} s: ${fast}`);
  }
});

Deno.test("balancing: a five-second stall of the fast one moves its share, which comes back smoothly", async () => {
  const origins = { fast: stalled(steady(5), 60_000, 65_000), slow: steady(400) };
  const recording = await record({ ...BASE, origins });
  assert.ok(share(recording, "fast", 30, 60) > 0.95);
  assert.ok(share(recording, "fast", 62, 65) < 0.35, `${share(recording, "fast", 62, 65)}`);
  assert.ok(share(recording, "fast", 66, 90) > 0.6);
  assert.ok(share(recording, "fast", 120, 150) > 0.95);
  assert.equal(recording.failed, 0);
});

Deno.test("balancing: one of two killed costs no request, gets nothing while it is dead and ramps when it is back", async () => {
  for (const checks of [true, false]) {
    const origins = { a: killed(steady(20), 20_000, 50_000), b: steady(21) };
    const recording = await record(alike({ origins, checks }));
    assert.equal(recording.failed, 0);
    assert.ok(share(recording, "a", 22, 50) < 0.01);
    // Without checks it returns when its ejection, the second by then, has run out.
    const back = checks ? 51 : 53;
    const ramp = [0, 10, 20, 40].map((after) => share(recording, "a", back + after, back + after + 10));
    assert.ok(ramp[0]! < 0.2 && ramp[0]! > 0.02, `${ramp}`);
    assert.ok(ramp[1]! > ramp[0]! && ramp[2]! > ramp[1]! && ramp[2]! < 0.5, `${ramp}`);
    assert.ok(ramp[3]! > 0.43, `${ramp}`);
  }
});

Deno.test("balancing: a host that answers fast 429s loses its traffic, with Retry-After at once", async () => {
  for (const [retryAfterMs, from] of [[10_000, 22], [0, 28]] as const) {
    const origins = { a: limited(steady(20), 20_000, 60_000, retryAfterMs), b: steady(21) };
    const recording = await record(alike({ origins, checks: false }));
    assert.ok(share(recording, "a", 0, 20) > 0.4);
    assert.ok(share(recording, "a", from, 60) < 0.06, `${share(recording, "a", from, 60)}`);
    assert.ok(share(recording, "a", 130, 150) > 0.4);
    assert.equal(recording.failed, 0);
    assert.ok(recording.transitions.every((line) => line.endsWith("healthy")), `${recording.transitions}`);
  }
});

Deno.test("balancing: p2c-ewma turns away from a stall within a second and comes back", async () => {
  const origins = { fast: stalled(steady(5), 60_000, 65_000), slow: steady(400) };
  const recording = await record({ ...BASE, strategy: "p2c-ewma", origins });
  assert.ok(share(recording, "fast", 30, 60) > 0.95);
  assert.ok(share(recording, "fast", 61, 65) < 0.3, `${share(recording, "fast", 61, 65)}`);
  assert.ok(share(recording, "fast", 130, 150) > 0.95);
});

Deno.test("balancing: the picture in docs is the one that this code draws", async () => {
  const drawn = await Deno.readTextFile(new URL("../../docs/balancing.svg", import.meta.url));
  assert.ok(drawn === await drawBalancing(), "run: deno run --allow-write=docs tests/bench/balancing_plot.ts");
});
