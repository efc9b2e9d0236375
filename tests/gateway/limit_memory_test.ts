import assert from "node:assert/strict";
import { admissionCells } from "../../lib/request/admission.ts";
import { LimitMemory, newLimitMemory } from "../../lib/gateway/limit_memory.ts";
import { gateCells } from "../../lib/pool/shared_gate.ts";

Deno.test("LimitMemory gives every worker the same counters for a name, and others for another", () => {
  const memory = newLimitMemory(3);
  const [a, b] = [new LimitMemory(memory, 3), new LimitMemory(memory, 3)];
  a.cells("x", "gate")[0] = 7;
  assert.equal(b.cells("x", "gate")[0], 7);
  assert.equal(b.cells("y", "gate")[0], 0);
  assert.equal(a.cells("x", "gate").buffer, memory);
});

Deno.test("LimitMemory has room in a slot for what gates and listeners count", () => {
  for (const workers of [1, 8, 256]) {
    const { length } = new LimitMemory(newLimitMemory(workers), workers).cells("x", "admission");
    assert.ok(length >= gateCells(workers) && length >= admissionCells(workers));
  }
});

Deno.test("LimitMemory keeps names apart until it is full, and goes on without sharing then", () => {
  const memory = newLimitMemory(1);
  const limits = new LimitMemory(memory, 1);
  const seen = new Set<number>();
  for (let n = 0; n < 2_048; n++) seen.add(limits.cells(`limit ${n}`, "gate").byteOffset);
  assert.equal(seen.size, 2_048);
  const beyond = limits.cells("one too many", "gate");
  assert.notEqual(beyond.buffer, memory);
  assert.ok(beyond.length >= gateCells(1));
});

Deno.test("LimitMemory keeps a gate and a listener of the same name apart", () => {
  const limits = new LimitMemory(newLimitMemory(1), 1);
  assert.notEqual(limits.cells("x", "gate").byteOffset, limits.cells("x", "admission").byteOffset);
});
