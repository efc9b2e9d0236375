import assert from "node:assert/strict";
import { Admission, admissionCells } from "../../lib/request/admission.ts";

function admissions(maxInFlight: number, more: { queueSize?: number; queueTimeoutMs?: number } = {}): Admission[] {
  const cells = new Int32Array(new SharedArrayBuffer(4 * admissionCells(2)));
  const options = { maxInFlight, queueSize: 10, queueTimeoutMs: 5_000, ...more };
  return [0, 1].map((worker) => new Admission(cells, options, { worker, workers: 2 }));
}

Deno.test("Admission counts the requests of all workers, and lets the next in when one ends", async () => {
  const [a, b] = admissions(2);
  assert.equal(await a!.enter(undefined), true);
  assert.equal(await b!.enter(undefined), true);
  const third = a!.enter(undefined);
  assert.equal(a!.waiting, 1);
  b!.leave();
  assert.equal(await third, true);
  assert.equal(b!.inFlight, 2);
});

Deno.test("Admission lets in by age, whichever worker a request is in", async () => {
  const [a, b] = admissions(1);
  await a!.enter(undefined);
  const older = b!.enter(undefined);
  await new Promise((resolve) => setTimeout(resolve, 5));
  const younger = a!.enter(undefined);
  let youngerIn = false;
  younger.then(() => youngerIn = true);
  a!.leave();
  assert.equal(await older, true);
  assert.equal(youngerIn, false);
  b!.leave();
  assert.equal(await younger, true);
});

Deno.test("Admission turns away what waits for too long, is too many, or has left", async () => {
  const [a] = admissions(1, { queueSize: 1, queueTimeoutMs: 20 });
  await a!.enter(undefined);
  const late = a!.enter(undefined);
  assert.equal(await a!.enter(undefined), false, "the queue is full");
  assert.equal(await late, false);
  const client = new AbortController();
  const leaving = a!.enter(client.signal);
  client.abort();
  assert.equal(await leaving, false);
  assert.equal(a!.inFlight, 1);
});

Deno.test("Admission forgets what a worker had in flight when it is replaced", async () => {
  const cells = new Int32Array(new SharedArrayBuffer(4 * admissionCells(2)));
  const options = { maxInFlight: 1, queueSize: 10, queueTimeoutMs: 50 };
  const dead = new Admission(cells, options, { worker: 0, workers: 2 });
  await dead.enter(undefined);
  const other = new Admission(cells, options, { worker: 1, workers: 2 });
  assert.equal(await other.enter(undefined), false);
  new Admission(cells, options, { worker: 0, workers: 2 });
  assert.equal(await other.enter(undefined), true);
});
