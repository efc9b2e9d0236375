import assert from "node:assert/strict";
import { RetryBudget } from "../../lib/upstream_client/retry_budget.ts";
import { seededRandom } from "../pool/seeded_random.ts";

function budget(active: number, over = {}): RetryBudget {
  const created = new RetryBudget({ share: 0.2, floor: 3, queue: 100, ...over });
  for (let i = 0; i < active; i++) created.requestBegan();
  return created;
}

Deno.test("RetryBudget allows its floor, or the share of active requests if that is more", () => {
  for (const [active, allowed] of [[0, 3], [10, 3], [20, 4], [100, 20]] as const) {
    const target = budget(active);
    let taken = 0;
    while (target.tryTake()) taken++;
    assert.equal(taken, allowed);
  }
});

Deno.test("RetryBudget lets retries over it wait, in order, and admits them as others end", async () => {
  const target = budget(0, { floor: 1 });
  const { signal } = new AbortController();
  assert.equal(await target.take(signal), true);
  const order: number[] = [];
  const waits = [1, 2, 3].map((n) => target.take(signal).then((admitted) => admitted && order.push(n)));
  assert.equal(target.waiting, 3);
  assert.equal(target.tryTake(), false);
  for (let i = 0; i < 3; i++) {
    target.release();
    await Promise.resolve();
    assert.equal(target.retrying, 1);
  }
  await Promise.all(waits);
  assert.deepEqual(order, [1, 2, 3]);
  assert.equal(target.waiting, 0);
});

Deno.test("RetryBudget ends a wait with its signal, without losing a place", async () => {
  const target = budget(0, { floor: 1 });
  await target.take(new AbortController().signal);
  const leaving = new AbortController();
  const left = target.take(leaving.signal);
  const stays = target.take(new AbortController().signal);
  leaving.abort();
  assert.equal(await left, false);
  target.release();
  assert.equal(await stays, true);
  assert.equal(await target.take(AbortSignal.abort()), false);
  target.release();
  assert.equal(target.retrying, 0);
});

Deno.test("RetryBudget refuses when too many wait", async () => {
  const target = budget(0, { floor: 1, queue: 2 });
  const { signal } = new AbortController();
  await target.take(signal);
  const waits = [target.take(signal), target.take(signal)];
  assert.equal(await target.take(signal), false);
  for (let i = 0; i < 3; i++) target.release();
  assert.deepEqual(await Promise.all(waits), [true, true]);
});

Deno.test("RetryBudget admits those that wait when more requests become active", async () => {
  const target = budget(0, { floor: 1, share: 0.5 });
  const { signal } = new AbortController();
  await target.take(signal);
  const waiting = target.take(signal);
  for (let i = 0; i < 4; i++) target.requestBegan();
  assert.equal(await waiting, true);
});

Deno.test("RetryBudget never has more under way than its limit, whatever happens", async () => {
  const random = seededRandom(3);
  const target = budget(50);
  const running: unknown[] = [];
  for (let i = 0; i < 3_000; i++) {
    const roll = random();
    if (roll < 0.4) void target.take(new AbortController().signal).then((admitted) => admitted && running.push(1));
    else if (roll < 0.5) {
      const leaving = new AbortController();
      void target.take(leaving.signal).then((admitted) => admitted && running.push(1));
      leaving.abort();
    } else if (running.length > 0) {
      running.pop();
      target.release();
    }
    await Promise.resolve();
    await Promise.resolve();
    assert.ok(target.retrying <= 10 && target.waiting <= 100);
    assert.equal(target.retrying, running.length);
  }
});
