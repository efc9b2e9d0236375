import assert from "node:assert/strict";
import { type Lease, LeaseTable, newLeaseMemory, sweepLeases } from "../../../lib/cache/flights/lease_table.ts";
import { cacheKey } from "../../../lib/cache/key.ts";

function held(table: LeaseTable, key: string): Lease {
  const answer = table.acquire(key);
  if (answer.kind !== "held") throw new Error(`${key}: ${answer.kind}`);
  return answer.lease;
}

/** Slots of a memory that somebody holds. */
function heldSlots(memory: SharedArrayBuffer): number {
  return new Int32Array(memory).reduce((sum, value) => sum + (value === 0 ? 0 : 1), 0);
}

const KEYS = Array.from(
  { length: 2_000 },
  (_, at) => cacheKey({ listener: "api", host: "", target: `/3/movie/${at}` }),
);

Deno.test("acquire() gives a key to one worker, and tells the others whose it is", () => {
  const memory = newLeaseMemory();
  const [a, b] = [new LeaseTable(memory, 0), new LeaseTable(memory, 1)];
  const lease = held(a, "k");
  assert.deepEqual(b.acquire("k"), { kind: "taken", owner: 0 });
  a.release(lease);
  assert.equal(b.acquire("k").kind, "held");
  assert.deepEqual(a.acquire("k"), { kind: "taken", owner: 1 });
});

Deno.test("acquire() hands a lease out again to the worker that holds it", () => {
  const table = new LeaseTable(newLeaseMemory(), 3);
  assert.deepEqual(held(table, "k"), held(table, "k"));
});

Deno.test("acquire() gives keys whose hashes meet a slot each, and tells the others whose they are", () => {
  const memory = newLeaseMemory();
  const [a, b] = [new LeaseTable(memory, 0), new LeaseTable(memory, 1)];
  const keys = Array.from({ length: 6_000 }, (_, at) => `key ${at}`);
  const leases = keys.map((key) => held(a, key));
  assert.equal(new Set(leases.map(({ slot }) => slot)).size, keys.length);
  // What was taken before stands where it is when slots before it become free.
  for (let at = 0; at < keys.length; at += 2) a.release(leases[at]!);
  for (const [at, key] of keys.entries()) {
    if (at % 2 === 1) assert.deepEqual(b.acquire(key), { kind: "taken", owner: 0 }, key);
  }
});

Deno.test("acquire() goes on without a lease where other keys have all slots that a key may have", () => {
  const table = new LeaseTable(newLeaseMemory(), 0);
  const kinds = new Set(Array.from({ length: 70_000 }, (_, at) => table.acquire(`key ${at}`).kind));
  assert.deepEqual([...kinds].sort(), ["held", "none"]);
});

Deno.test("release() leaves alone what was swept and taken by another", () => {
  const memory = newLeaseMemory();
  const [a, b] = [new LeaseTable(memory, 0), new LeaseTable(memory, 1)];
  const lease = held(a, "k");
  sweepLeases(memory, 0);
  held(b, "k");
  a.release(lease);
  assert.deepEqual(a.acquire("k"), { kind: "taken", owner: 1 });
});

Deno.test("every worker that a configuration can ask for has its own leases (256 workers, and the limit)", () => {
  for (const index of [0, 1, 126, 127, 128, 253, 254, 255, 510]) {
    const memory = newLeaseMemory();
    const [self, other] = [new LeaseTable(memory, index), new LeaseTable(memory, (index + 1) % 511)];
    for (const key of KEYS.slice(0, 50)) held(self, key);
    for (const key of KEYS.slice(0, 50)) assert.deepEqual(other.acquire(key), { kind: "taken", owner: index });
    sweepLeases(memory, (index + 1) % 511);
    assert.equal(heldSlots(memory), 50);
    sweepLeases(memory, index);
    assert.equal(heldSlots(memory), 0);
  }
  for (const index of [-1, 511, 1.5, NaN]) assert.throws(() => new LeaseTable(newLeaseMemory(), index), RangeError);
});

Deno.test("sweepLeases() frees what the dead worker held and nothing else", () => {
  const memory = newLeaseMemory();
  const [dead, alive] = [new LeaseTable(memory, 0), new LeaseTable(memory, 1)];
  KEYS.forEach((key, at) => (at % 2 === 0 ? dead : alive).acquire(key));
  sweepLeases(memory, 0);
  const after = new LeaseTable(memory, 2);
  const kinds = KEYS.map((key) => after.acquire(key).kind);
  assert.equal(kinds.filter((kind, at) => at % 2 === 0 && kind === "held").length, 1_000, "the dead worker's are free");
  assert.ok(kinds.every((kind, at) => at % 2 === 0 || kind !== "held"), "the living one's are not");
});

Deno.test("acquire() spreads similar keys evenly over 65,536 slots", () => {
  const families: Array<(at: number) => string> = [
    (at) => `/3/movie/${at}`,
    (at) => `/3/search/movie?query=${at}&language=de-DE&page=${at % 20}`,
    (at) => `/t/p/w500/${String.fromCharCode(97 + at % 26)}${at.toString(36)}.jpg`,
    (at) => at.toString(2).padStart(20, "0"),
  ];
  for (const target of families) {
    const slots = 65_536;
    const keys = 4 * slots;
    const table = new LeaseTable(newLeaseMemory(), 0);
    const counts = new Int32Array(slots);
    for (let at = 0; at < keys; at++) {
      const answer = table.acquire(cacheKey({ listener: "api", host: "", target: target(at) }));
      if (answer.kind !== "held") throw new Error("a slot was not free");
      counts[answer.lease.slot]!++;
      table.release(answer.lease);
    }
    const expected = keys / slots;
    const chiSquared = counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
    // Evenly random keys give 65,535 ± 362; a hash that clumps gives far more.
    assert.ok(chiSquared < 1.05 * slots, `${target(7)}: chi squared ${Math.round(chiSquared)} over ${slots} slots`);
  }
});

Deno.test("acquire() gives different keys the same slot and tag as rarely as 39 bits allow", () => {
  const table = new LeaseTable(newLeaseMemory(), 0);
  const seen = new Set<string>();
  const count = 200_000;
  for (let at = 0; at < count; at++) {
    const lease = held(table, cacheKey({ listener: "api", host: "h", target: `/3/tv/${at}/season/${at % 9}` }));
    seen.add(`${lease.slot} ${lease.value}`);
    table.release(lease);
  }
  assert.ok(count - seen.size <= 3, `${count - seen.size} keys met`);
});

Deno.test("acquire() among racing workers: one holds each key, the others are told who", async () => {
  const racers = 2;
  const keys = KEYS.slice(0, 500);
  const memory = newLeaseMemory();
  const gate = new SharedArrayBuffer(keys.length * 4);
  const workers = Array.from(
    { length: racers },
    () => new Worker(new URL("./_lease_worker.ts", import.meta.url), { type: "module" }),
  );
  try {
    const kinds = await Promise.all(workers.map((worker, index) =>
      new Promise<string[]>((resolve, reject) => {
        worker.onmessage = (event) => resolve(event.data);
        worker.onerror = (event) => reject(new Error(event.message));
        worker.postMessage({ memory, gate, index, racers, keys });
      })
    ));
    const wins = [0, 0];
    keys.forEach((key, at) => {
      const answers = [kinds[0]![at]!, kinds[1]![at]!];
      const holder = answers.indexOf("held");
      assert.equal(answers.filter((kind) => kind === "held").length, 1, `${key}: ${answers}`);
      assert.equal(answers[1 - holder], `taken by ${holder}`, key);
      wins[holder]!++;
    });
    // One of them dies with all that it holds.
    workers[0]!.terminate();
    const survivor = new LeaseTable(memory, 1);
    const stuck = () => keys.filter((key) => survivor.acquire(key).kind === "taken").length;
    assert.equal(stuck(), wins[0]);
    sweepLeases(memory, 0);
    assert.equal(stuck(), 0);
  } finally {
    for (const worker of workers) worker.terminate();
  }
});
