import assert from "node:assert/strict";
import { ByteRate, type ByteRateOptions } from "../../lib/request/byte_rate.ts";
import { newClientMemory } from "../../lib/request/client_table.ts";

const T = 1_700_000_000_000;
const MIB = 1024 * 1024;
const BY_ADDRESS: ByteRateOptions = {
  ...{ listener: "bytes of l", bytes: 10 * MIB, perMs: 1_000, header: null, ipv4Prefix: 32, ipv6Prefix: 64 },
};
const noField = () => null;

Deno.test("ByteRate lets a client begin while anything is left, and makes it wait for what it was sent beyond that", () => {
  const rate = new ByteRate(newClientMemory(), BY_ADDRESS);
  const key = rate.keyOf("192.0.2.1", noField);
  assert.deepEqual(rate.look(key, T), { allowed: true, remaining: 10 * MIB, resetSeconds: 1 });
  rate.charge(key, 9 * MIB, T);
  const left = rate.look(key, T);
  assert.ok(left.allowed && Math.abs(left.remaining - MIB) < 20, `${left.remaining}`);
  // Its next response is larger than what is left: it is served, and paid for afterwards.
  rate.charge(key, 41 * MIB, T);
  assert.deepEqual(rate.look(key, T), { allowed: false, remaining: 0, resetSeconds: 4 });
  assert.equal(rate.look(key, T + 3_999).allowed, false);
  assert.equal(rate.look(key, T + 4_001).allowed, true);
  assert.equal(rate.policyField, '"bytes";q=10485760;qu="content-bytes";w=1');
  assert.equal(rate.field(rate.look(key, T)), '"bytes";r=0;t=4');
});

Deno.test("ByteRate gives on average what it is set to, whatever the size of responses", () => {
  for (const size of [1_000, 100_000, 3 * MIB]) {
    const rate = new ByteRate(newClientMemory(), BY_ADDRESS);
    const key = rate.keyOf("192.0.2.1", noField);
    let sent = 0;
    for (let ms = 0; ms < 60_000; ms++) {
      while (rate.look(key, T + ms).allowed) {
        rate.charge(key, size, T + ms);
        sent += size;
      }
    }
    const allowed = 61 * 10 * MIB;
    assert.ok(sent > allowed * 0.99 && sent <= allowed * 1.01 + size, `${size}: ${sent} of ${allowed}`);
  }
});

Deno.test("ByteRate gives back what a client was not sent in the end, and no more than all", () => {
  const rate = new ByteRate(newClientMemory(), BY_ADDRESS);
  const key = rate.keyOf("192.0.2.1", noField);
  const held = rate.charge(key, 30 * MIB, T);
  assert.equal(rate.look(key, T).allowed, false);
  rate.charge(key, 0, T, held);
  assert.equal(rate.look(key, T).remaining, 10 * MIB);
  rate.charge(key, 0, T, held);
  assert.equal(rate.look(key, T).remaining, 10 * MIB);
});

Deno.test("ByteRate gives nobody back what was never taken: who leaves a huge response pays for what was sent of it", () => {
  const rate = new ByteRate(newClientMemory(), { ...BY_ADDRESS, perMs: 86_400_000 });
  const key = rate.keyOf("192.0.2.1", noField);
  rate.charge(key, 9 * MIB, T);
  for (let turn = 0; turn < 3; turn++) {
    // It costs more than a client can owe.
    const held = rate.charge(key, 1024 * MIB, T);
    assert.equal(rate.look(key, T).allowed, false);
    rate.charge(key, 0, T, held);
    assert.ok(Math.abs(rate.look(key, T).remaining - MIB) < 20, `${rate.look(key, T).remaining}`);
  }
  rate.charge(key, 20 * MIB, T, rate.charge(key, 1024 * MIB, T));
  assert.equal(rate.look(key, T).resetSeconds, 600);
});

Deno.test("ByteRate counts clients and listeners apart, and workers together", () => {
  const memory = newClientMemory();
  const [one, same] = [new ByteRate(memory, BY_ADDRESS), new ByteRate(memory, BY_ADDRESS)];
  one.charge(one.keyOf("192.0.2.1", noField), 20 * MIB, T);
  assert.equal(same.look(same.keyOf("192.0.2.1", noField), T).allowed, false);
  assert.equal(same.look(same.keyOf("192.0.2.2", noField), T).allowed, true);
  const other = new ByteRate(memory, { ...BY_ADDRESS, listener: "bytes of m" });
  assert.equal(other.look(other.keyOf("192.0.2.1", noField), T).allowed, true);
});

Deno.test("ByteRate keeps nobody out for more than ten minutes, also when the clock is set back", () => {
  const rate = new ByteRate(newClientMemory(), BY_ADDRESS);
  const key = rate.keyOf("192.0.2.1", noField);
  rate.charge(key, 1024 ** 4, T);
  assert.equal(rate.look(key, T).resetSeconds, 600);
  assert.equal(rate.look(key, T + 600_001).allowed, true);
  assert.equal(rate.look(key, T - 3_600_000).allowed, true);
});
