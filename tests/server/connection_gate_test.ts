import assert from "node:assert/strict";
import { ConnectionGate, UNCOUNTED } from "../../lib/server/connection_gate.ts";

const OPEN = { maxConnections: 1000, perAddress: 0 };

function gates(slots: number, limits: { maxConnections: number; perAddress: number }): ConnectionGate[] {
  const memory = ConnectionGate.memory(slots);
  return Array.from({ length: slots }, (_, slot) => new ConnectionGate(memory, slot, limits));
}

Deno.test("ConnectionGate admits as many as all workers together may have", () => {
  const [one, two] = gates(2, { maxConnections: 3, perAddress: 0 }) as [ConnectionGate, ConnectionGate];
  assert.deepEqual([one.enter(), two.enter(), two.enter(), one.enter(), two.enter()], [true, true, true, false, false]);
  assert.equal(one.count, 3);
  two.leave();
  assert.equal(one.enter(), true);
  assert.equal(one.enter(), false);
});

Deno.test("ConnectionGate admits as many of one address as all workers together may have, and others beside", () => {
  const [one, two] = gates(2, { maxConnections: 1000, perAddress: 2 }) as [ConnectionGate, ConnectionGate];
  const key = one.enterAddress("192.0.2.1");
  assert.notEqual(key, null);
  assert.notEqual(two.enterAddress("192.0.2.1"), null);
  assert.equal(two.enterAddress("192.0.2.1"), null);
  assert.notEqual(two.enterAddress("192.0.2.2"), null);
  one.leaveAddress(key!);
  assert.notEqual(two.enterAddress("192.0.2.1"), null);
  assert.equal(one.enterAddress("192.0.2.1"), null);
});

Deno.test("ConnectionGate takes the addresses of one IPv6 network of 64 bits for one client", () => {
  const [gate] = gates(1, { maxConnections: 1000, perAddress: 2 }) as [ConnectionGate];
  assert.notEqual(gate.enterAddress("2001:db8:0:1::1"), null);
  assert.notEqual(gate.enterAddress("2001:0DB8:0:1:9:8:7:6"), null);
  assert.equal(gate.enterAddress("2001:db8::1:0:0:0:3"), null);
  assert.notEqual(gate.enterAddress("2001:db8:0:2::1"), null);
  assert.notEqual(gate.enterAddress("::1"), null);
});

Deno.test("ConnectionGate forgets what a worker held that died, and nothing of the others", () => {
  const memory = ConnectionGate.memory(2);
  const limits = { maxConnections: 3, perAddress: 2 };
  const one = new ConnectionGate(memory, 0, limits);
  const dead = new ConnectionGate(memory, 1, limits);
  assert.ok(one.enter() && dead.enter() && dead.enter());
  assert.notEqual(one.enterAddress("192.0.2.1"), null);
  assert.notEqual(dead.enterAddress("192.0.2.1"), null);
  assert.equal(one.enter(), false);
  const successor = new ConnectionGate(memory, 1, limits);
  successor.clearSlot();
  assert.equal(successor.count, 1);
  assert.notEqual(successor.enterAddress("192.0.2.1"), null);
  assert.equal(successor.enterAddress("192.0.2.1"), null);
});

Deno.test("ConnectionGate counts no address while no limit is set, and keeps its counts over a change of limits", () => {
  const [gate] = gates(1, OPEN) as [ConnectionGate];
  assert.equal(gate.enterAddress("192.0.2.1"), UNCOUNTED);
  gate.setLimits({ maxConnections: 1000, perAddress: 1 });
  gate.leaveAddress(UNCOUNTED);
  const key = gate.enterAddress("192.0.2.1");
  assert.notEqual(key, null);
  gate.setLimits(OPEN);
  gate.leaveAddress(key!);
  gate.setLimits({ maxConnections: 1000, perAddress: 1 });
  assert.notEqual(gate.enterAddress("192.0.2.1"), null);
});

Deno.test("ConnectionGate has no slot beyond its memory", () => {
  assert.throws(() => new ConnectionGate(ConnectionGate.memory(2), 2, OPEN), RangeError);
});

Deno.test("ConnectionGate hardly ever lets one of many addresses pay for others", () => {
  const [gate] = gates(1, { maxConnections: 100_000, perAddress: 8 }) as [ConnectionGate];
  let refused = 0;
  for (let index = 0; index < 5000; index++) {
    if (gate.enterAddress(`10.${index >> 16 & 255}.${index >> 8 & 255}.${index & 255}`) === null) refused++;
  }
  assert.equal(refused, 0);
});
