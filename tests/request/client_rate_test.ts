import assert from "node:assert/strict";
import { ClientRate, type ClientRateOptions } from "../../lib/request/client_rate.ts";
import { addressPrefix, newClientMemory } from "../../lib/request/client_table.ts";

const T = 1_700_000_000_000;
const BY_ADDRESS: ClientRateOptions = {
  listener: "l",
  requests: 10,
  perMs: 1_000,
  burst: 10,
  header: null,
  ipv4Prefix: 32,
  ipv6Prefix: 64,
};
const noField = () => null;

Deno.test("ClientRate allows a burst, then as many as time earns, and says when the next is", () => {
  const rate = new ClientRate(newClientMemory(), BY_ADDRESS);
  const verdicts = Array.from({ length: 11 }, () => rate.take("192.0.2.1", noField, T));
  assert.deepEqual(verdicts.map(({ allowed }) => allowed), [...new Array(10).fill(true), false]);
  assert.deepEqual(verdicts.map(({ remaining }) => remaining), [9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 0]);
  assert.equal(rate.field(verdicts[10]!), '"default";r=0;t=1');
  assert.equal(rate.policyField, '"default";q=10;w=1');
  let allowed = 0;
  for (let ms = 0; ms < 10_000; ms++) if (rate.take("192.0.2.1", noField, T + ms).allowed) allowed++;
  assert.ok(allowed >= 99 && allowed <= 100, `${allowed}`);
  assert.equal(rate.take("192.0.2.2", noField, T).remaining, 9, "another client");
});

Deno.test("ClientRate saves no more than the burst, and survives a clock that is set back", () => {
  const rate = new ClientRate(newClientMemory(), { ...BY_ADDRESS, burst: 3 });
  const all = (nowMs: number) => {
    let count = 0;
    while (rate.take("192.0.2.1", noField, nowMs).allowed) count++;
    return count;
  };
  assert.equal(all(T), 3);
  assert.equal(all(T - 5), 0, "a worker that read the clock a moment ago gets no second burst");
  assert.equal(all(T + 3_600_000), 3);
  assert.equal(all(T - 3_600_000), 3);
});

Deno.test("ClientRate tells clients apart by a field, and by address where it is missing; listeners count alone", () => {
  const memory = newClientMemory();
  const rate = new ClientRate(memory, { ...BY_ADDRESS, header: "authorization", burst: 1 });
  const withKey = (key: string) => (name: string) => name === "authorization" ? key : null;
  assert.equal(rate.take("192.0.2.1", withKey("a"), T).allowed, true);
  assert.equal(rate.take("192.0.2.9", withKey("a"), T).allowed, false);
  assert.equal(rate.take("192.0.2.1", withKey("b"), T).allowed, true);
  assert.equal(rate.take("192.0.2.1", noField, T).allowed, true);
  assert.equal(rate.take("192.0.2.1", noField, T).allowed, false);
  const other = new ClientRate(memory, { ...BY_ADDRESS, listener: "m", burst: 1 });
  assert.equal(other.take("192.0.2.1", noField, T).allowed, true);
});

Deno.test("ClientRate keeps clients that are over their limit through a flood of others", () => {
  const rate = new ClientRate(newClientMemory(), { ...BY_ADDRESS, perMs: 3_600_000 });
  for (let n = 0; n < 20; n++) rate.take("192.0.2.1", noField, T);
  let least = Infinity;
  for (let n = 0; n < 200_000; n++) {
    const address = `2001:db8:${(n >> 12).toString(16)}:${(n & 0xfff).toString(16)}::1`;
    least = Math.min(least, rate.take(address, noField, T).remaining);
  }
  assert.equal(least, 9, "nobody inherits what the client before has spent");
  assert.equal(rate.take("192.0.2.1", noField, T).allowed, false);
});

Deno.test("ClientRate holds a limit over several tables of the same memory", () => {
  const memory = newClientMemory();
  const rates = Array.from({ length: 8 }, () => new ClientRate(memory, { ...BY_ADDRESS, requests: 100, burst: 100 }));
  let allowed = 0;
  for (let n = 0; n < 1_000; n++) if (rates[n % 8]!.take("192.0.2.1", noField, T).allowed) allowed++;
  assert.equal(allowed, 100);
});

Deno.test("addressPrefix() gives one spelling for each network", () => {
  const same = [
    ["::ffff:192.0.2.1", "192.0.2.1"],
    ["2001:DB8::1", "2001:db8:0:0:1::"],
    ["fe80::1%eth0", "fe80::2"],
    ["64:ff9b::192.0.2.1", "64:ff9b::c000:201"],
    ["::", "::1"],
  ] as const;
  for (const [a, b] of same) assert.equal(addressPrefix(a, 32, 64), addressPrefix(b, 32, 64), a);
  assert.notEqual(addressPrefix("2001:db8:0:1::", 32, 64), addressPrefix("2001:db8:0:2::", 32, 64));
  assert.equal(addressPrefix("2001:db8:0:1::", 32, 56), addressPrefix("2001:db8:0:2::", 32, 56));
  assert.equal(addressPrefix("10.1.2.3", 8, 64), addressPrefix("10.200.0.1", 8, 64));
  assert.notEqual(addressPrefix("10.1.2.3", 32, 64), addressPrefix("10.1.2.4", 32, 64));
  assert.equal(addressPrefix("unix", 32, 64), "x:unix");
});

Deno.test("ClientRate.waitSeconds() says how long a spent quota takes, and takes nothing of one", () => {
  const options = { listener: "l", requests: 2, perMs: 60_000, burst: 2, header: null, ipv4Prefix: 32, ipv6Prefix: 64 };
  const rate = new ClientRate(newClientMemory(), options);
  const wait = (address: string, nowMs: number) => rate.waitSeconds(address, nowMs);
  for (let turn = 0; turn < 5; turn++) assert.equal(wait("192.0.2.1", 1_000), 0);
  for (let turn = 0; turn < 2; turn++) rate.take("192.0.2.1", () => null, 1_000);
  assert.equal(wait("192.0.2.1", 1_000), 30);
  assert.equal(wait("192.0.2.1", 16_000), 15);
  assert.equal(wait("192.0.2.1", 31_000), 0);
  assert.equal(wait("192.0.2.2", 1_000), 0);
  assert.equal(wait("192.0.2.1", -100_000), 0, "the clock was set back");
});
