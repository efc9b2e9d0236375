import assert from "node:assert/strict";
import { gateCells, type GateLimits, SharedGate } from "../../lib/pool/shared_gate.ts";

const T = 1_700_000_000_000;

function gate(limits: Partial<GateLimits>, cells = new Int32Array(gateCells(2)), worker = 0): SharedGate {
  return new SharedGate(cells, { maxInFlight: null, maxPerSecond: null, ...limits }, { worker, workers: 2 });
}

/** Enters as often as there is room, once a millisecond; how often that was. */
function enterAll(target: SharedGate, fromMs: number, lengthMs: number): number {
  let entered = 0;
  for (let nowMs = fromMs; nowMs < fromMs + lengthMs; nowMs++) {
    for (; target.hasRoom(nowMs); entered++) target.enter(nowMs);
  }
  return entered;
}

Deno.test("SharedGate without limits always has room", () => {
  const target = gate({});
  for (let i = 0; i < 1_000; i++) target.enter(T);
  assert.equal(target.hasRoom(T), true);
});

Deno.test("SharedGate counts the requests in flight of all workers", () => {
  const cells = new Int32Array(gateCells(2));
  const a = gate({ maxInFlight: 3 }, cells, 0);
  const b = gate({ maxInFlight: 3 }, cells, 1);
  a.enter(T);
  b.enter(T);
  b.enter(T);
  assert.equal(a.hasRoom(T), false);
  a.leave();
  a.leave();
  assert.equal(b.inFlight, 2);
  assert.equal(b.hasRoom(T), true);
});

Deno.test("SharedGate forgets what a worker had in flight when it is replaced", () => {
  const cells = new Int32Array(gateCells(2));
  const other = gate({ maxInFlight: 2 }, cells, 1);
  const dead = gate({ maxInFlight: 2 }, cells, 0);
  dead.enter(T);
  dead.enter(T);
  assert.equal(other.hasRoom(T), false);
  gate({ maxInFlight: 2 }, cells, 0);
  assert.equal(other.hasRoom(T), true);
});

Deno.test("SharedGate allows so many a second, without bursts, whatever the rate", () => {
  for (const maxPerSecond of [1, 7, 40, 1_000, 5_000]) {
    const entered = enterAll(gate({ maxPerSecond }), T, 10_000);
    const allowed = maxPerSecond * 10;
    assert.ok(
      entered <= allowed + Math.max(1, maxPerSecond * 0.1) && entered >= allowed * 0.95,
      `${maxPerSecond}: ${entered}`,
    );
  }
});

Deno.test("SharedGate does not save more than a tenth of a second up", () => {
  const target = gate({ maxPerSecond: 100 });
  enterAll(target, T, 1_000);
  assert.equal(enterAll(target, T + 3_600_000, 1), 10);
});

Deno.test("SharedGate goes on when the clock's low bits overflow, and when the clock goes back", () => {
  const target = gate({ maxPerSecond: 100 });
  const overflowMs = Math.ceil(T / 2 ** 32) * 2 ** 32 + 2 ** 31;
  for (const nowMs of [overflowMs - 5_000, T - 60_000]) {
    const entered = enterAll(target, nowMs, 10_000);
    assert.ok(entered >= 970 && entered <= 1_010, `${entered}`);
  }
});

/** A worker that hammers a gate once it is told to. */
class Hammer {
  readonly #worker = new Worker(import.meta.resolve("./_gate_worker.ts"), { type: "module" });
  readonly ready = this.#next();

  run(task: unknown): Promise<{ entered: number; most: number }> {
    const result = this.#next();
    this.#worker.postMessage(task);
    return result as Promise<{ entered: number; most: number }>;
  }

  end(): void {
    this.#worker.terminate();
  }

  #next(): Promise<unknown> {
    return new Promise((resolve) =>
      this.#worker.addEventListener("message", (event) => resolve(event.data), { once: true })
    );
  }
}

Deno.test("SharedGate holds its limits over 8 workers, but for those that choose at one instant", async () => {
  const workers = 8;
  const cells = new Int32Array(new SharedArrayBuffer(4 * gateCells(workers)));
  // The first alone: the others then find its types checked.
  const hammers = [new Hammer()];
  await hammers[0]!.ready;
  while (hammers.length < workers) hammers.push(new Hammer());
  await Promise.all(hammers.map(({ ready }) => ready));
  const beganMs = Date.now();
  const task = { cells, workers, maxPerSecond: 2_000, maxInFlight: 100, untilMs: beganMs + 1_000 };
  const results = await Promise.all(hammers.map((hammer, worker) => hammer.run({ ...task, worker })));
  const endedMs = Date.now();
  for (const hammer of hammers) hammer.end();
  const entered = results.reduce((sum, result) => sum + result.entered, 0);
  // The bucket begins full: a tenth of a second's worth more. All workers may choose at one instant.
  const allowed = 200 + 2_000 * (endedMs - beganMs) / 1_000;
  assert.ok(entered >= 200 && entered < allowed + workers, `${entered} of ${allowed}`);
  assert.ok(Math.max(...results.map(({ most }) => most)) < 100 + workers, JSON.stringify(results));
  assert.equal(new SharedGate(cells, task, { worker: 0, workers }).inFlight, 0);
});
