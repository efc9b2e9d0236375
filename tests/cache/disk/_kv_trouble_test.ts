import assert from "node:assert/strict";
import { KvTrouble } from "../../../lib/cache/disk/_kv_trouble.ts";
import { HandClock, KeptLog } from "./opened_kv.ts";

function trouble() {
  const [clock, log] = [new HandClock(), new KeptLog()];
  const damages = { count: 0 };
  return { clock, log, damages, trouble: new KvTrouble({ clock, log, onDamage: () => damages.count++ }) };
}

function fail(error: Error): () => Promise<never> {
  return () => Promise.reject(error);
}

Deno.test("KvTrouble.guard() answers what the work does, or nothing where it fails", async () => {
  const { trouble: guarded } = trouble();
  assert.equal(await guarded.guard("count", () => Promise.resolve(3)), 3);
  assert.equal(await guarded.guard("count", fail(new Error("disk I/O error"))), undefined);
  assert.equal(guarded.problem, "Cannot count on disk: disk I/O error");
  await guarded.guard("count", () => Promise.resolve(3));
  assert.equal(guarded.problem, null);
});

Deno.test("KvTrouble.guard() tells of failures once a minute", async () => {
  const { trouble: guarded, clock, log } = trouble();
  for (let n = 0; n < 5; n++) await guarded.guard("count", fail(new Error("no")));
  assert.equal(log.lines.length, 1);
  clock.advance(60_000);
  await guarded.guard("count", fail(new Error("no")));
  assert.deepEqual(log.lines.map(({ fields }) => fields.failures), [1, 6]);
});

Deno.test("KvTrouble.isSuspended is so for a while after three failures in a row, longer each time", async () => {
  const { trouble: guarded, clock } = trouble();
  for (let n = 0; n < 2; n++) await guarded.guard("count", fail(new Error("no")));
  await guarded.guard("count", () => Promise.resolve(1));
  for (let n = 0; n < 2; n++) await guarded.guard("count", fail(new Error("no")));
  assert.ok(!guarded.isSuspended);
  for (const pauseMs of [1000, 2000, 4000]) {
    await guarded.guard("count", fail(new Error("no")));
    clock.advance(pauseMs - 1);
    assert.ok(guarded.isSuspended);
    clock.advance(1);
    assert.ok(!guarded.isSuspended);
  }
});

Deno.test("KvTrouble.guard() tells damage from other trouble", async () => {
  const { trouble: guarded, damages } = trouble();
  await guarded.guard("count", fail(new Error("database or disk is full")));
  assert.equal(damages.count, 0);
  await guarded.guard("count", fail(new TypeError("database disk image is malformed")));
  assert.equal(damages.count, 1);
});
