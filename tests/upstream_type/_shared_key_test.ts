import assert from "node:assert/strict";
import { KEY_CELLS, SharedKey } from "../../lib/upstream_type/_shared_key.ts";
import type { KeyLimits } from "../../lib/upstream_type/_shared_rate.ts";

const NOW_MS = Date.UTC(2026, 0, 2);

function makeKey(limits: KeyLimits | null = { maxPerSecond: 35, burst: 10 }) {
  const cells = new Int32Array(new SharedArrayBuffer(4 * KEY_CELLS));
  return { key: new SharedKey(cells, limits), twin: new SharedKey(cells, limits) };
}

/** How many requests it gives at once. */
function drain(key: SharedKey, nowMs: number): number {
  let taken = 0;
  while (key.rate!.tryTake(nowMs)) taken++;
  return taken;
}

Deno.test("SharedRate.tryTake() gives a burst, then the rate, to all workers together", () => {
  const { key, twin } = makeKey();
  assert.equal(drain(key, NOW_MS), 10);
  assert.equal(twin.rate!.hasRoom(NOW_MS), false);
  assert.equal(twin.rate!.roomInMs(NOW_MS), 29);
  let given = 0;
  for (let ms = 1; ms <= 2_000; ms++) given += drain(ms % 2 === 0 ? key : twin, NOW_MS + ms);
  assert.ok(given >= 69 && given <= 70, String(given));
  assert.equal(drain(key, NOW_MS + 3_600_000), 10);
  assert.equal(makeKey(null).key.rate, null);
});

Deno.test("SharedRate.tryTake() does not stand still when the clock is set back, nor give more when it goes on", () => {
  const { key } = makeKey();
  drain(key, NOW_MS);
  assert.equal(drain(key, NOW_MS - 3_600_000), 0);
  assert.equal(drain(key, NOW_MS - 3_600_000 + 1_000), 10);
});

Deno.test("SharedKey halves its rate with each 429, down to 1 in a second, and raises it with each good answer", () => {
  const { key, twin } = makeKey();
  assert.equal(key.rate!.perSecond, 35);
  let nowMs = NOW_MS;
  const rates: (number | null)[] = [];
  for (let round = 0; round < 7; round++) {
    assert.equal(key.rest("limited", nowMs, nowMs + 1_000), true);
    nowMs += 1_000;
    rates.push(twin.rate!.perSecond);
  }
  assert.deepEqual(rates, [17.5, 8.75, 4.375, 2.188, 1.094, 1, 1]);
  twin.wake();
  assert.equal(drain(key, nowMs), 1);
  for (let answers = 0; answers < 50; answers++) twin.recover();
  assert.equal(key.rate!.perSecond, 18.5);
  for (let answers = 0; answers < 50; answers++) key.recover();
  assert.equal(key.rate!.perSecond, 35);
});

Deno.test("SharedKey.rest() is news once, whichever worker sees it first, and the longest rest holds", () => {
  const { key, twin } = makeKey();
  assert.equal(key.rest("limited", NOW_MS, NOW_MS + 2_000), true);
  assert.equal(twin.rest("limited", NOW_MS + 1, NOW_MS + 1_500), false);
  assert.equal(twin.restMs(NOW_MS), 2_000);
  assert.equal(twin.rest("limited", NOW_MS + 1, NOW_MS + 5_000), false);
  assert.equal(key.restMs(NOW_MS), 5_000);
  assert.deepEqual([key.state, key.streak, key.rests], ["limited", 1, 1]);
  assert.equal(twin.rest("refused", NOW_MS + 2, NOW_MS + 60_000), true);
  assert.equal(key.rest("limited", NOW_MS + 3, NOW_MS + 90_000), false);
  assert.deepEqual([key.state, key.streak, key.restMs(NOW_MS)], ["refused", 2, 60_000]);
  assert.equal(key.recover(), true);
  assert.equal(twin.recover(), false);
  assert.deepEqual([key.state, key.streak, key.rests], ["ready", 0, 2]);
});

Deno.test("SharedKey.restMs() is right where the low 32 bits of the time overflow", () => {
  const overflowMs = Math.ceil(NOW_MS / 2 ** 32) * 2 ** 32;
  for (const nowMs of [overflowMs - 500, overflowMs - 2 ** 31 - 500]) {
    const { key } = makeKey();
    key.rest("limited", nowMs, nowMs + 1_000);
    assert.deepEqual([0, 999, 1_000, 5_000].map((ms) => key.restMs(nowMs + ms)), [1_000, 1, 0, 0]);
  }
  const { key } = makeKey();
  key.rest("refused", NOW_MS, NOW_MS + 60_000);
  assert.equal(key.restMs(NOW_MS + 30 * 86_400_000), 0);
});

Deno.test("SharedKey.restMs() is over where the clock was set back by more than a rest may take", () => {
  const { key } = makeKey();
  key.rest("limited", NOW_MS, NOW_MS + 5_000);
  assert.equal(key.restMs(NOW_MS - 200_000), 205_000);
  assert.equal(key.restMs(NOW_MS - 3_600_000), 0);
});

Deno.test("SharedKey.claimProbe() lets one of all workers try, and another one when it took too long", () => {
  const { key, twin } = makeKey();
  assert.equal(key.claimProbe(NOW_MS, 1_000), true);
  assert.equal(twin.claimProbe(NOW_MS + 999, 1_000), false);
  assert.equal(twin.claimProbe(NOW_MS + 1_000, 1_000), true);
  assert.equal(key.claimProbe(NOW_MS + 1_000, 1_000), false);
});

Deno.test("SharedKey counts rests in as many bits as it says, for ever", () => {
  const { key } = makeKey(null);
  for (let round = 0; round < 0x10000 + 3; round++) {
    key.rest("limited", NOW_MS, NOW_MS + 1_000);
    key.wake();
  }
  assert.deepEqual([key.rests, key.streak, key.state], [3, 16, "ready"]);
});
