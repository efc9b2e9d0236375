import assert from "node:assert/strict";
import { RETRY_WINDOW_MS, RetryBudget } from "../../lib/upstream_client/retry_budget.ts";
import { seededRandom } from "../seeded_random.ts";

function budget(active: number, over = {}) {
  const clock = { nowMs: 5_000 };
  const target = new RetryBudget({ share: 0.2, floor: 3, queue: 100, ...over }, () => clock.nowMs);
  for (let i = 0; i < active; i++) target.requestBegan();
  /** A request that was tried again ends so. */
  const note = (isGood: boolean) => target.requestEnded(isGood);
  return Object.assign(target, { clock, note });
}

/** Retries that are given at once. */
function takeAll(target: Pick<RetryBudget, "tryTake">): number {
  let taken = 0;
  while (target.tryTake()) taken++;
  return taken;
}

/** Ends of requests that say that retries do not help. */
function discourage(target: { note(isGood: boolean): void }): void {
  for (let end = 0; end < 32; end++) target.note(false);
}

const { signal } = new AbortController();

Deno.test("RetryBudget allows its floor, or the share of the requests of the last ten seconds if that is more", () => {
  for (const [requests, allowed] of [[0, 3], [10, 3], [20, 4], [100, 20], [1_000, 200]] as const) {
    const target = budget(requests);
    for (let i = 0; i < requests; i++) target.requestEnded();
    discourage(target);
    assert.equal(takeAll(target), allowed, `${requests} requests`);
    assert.equal(target.refuses(), true);
    target.clock.nowMs += RETRY_WINDOW_MS - 1_000;
    target.note(false);
    assert.equal(takeAll(target), 0, "the window still holds them");
    target.clock.nowMs += 1_000;
    target.note(false);
    assert.equal(takeAll(target), 3, "the requests have left the window, and the retries with them");
  }
});

Deno.test("RetryBudget counts over the window wherever requests and retries fall in it, and after a long silence", () => {
  const target = budget(0);
  discourage(target);
  for (let second = 0; second < 30; second++) {
    for (let i = 0; i < 20; i++) target.requestBegan();
    target.note(false);
    assert.equal(takeAll(target), 4, `second ${second}`);
    target.clock.nowMs += 1_000;
  }
  target.clock.nowMs += 10 * RETRY_WINDOW_MS;
  discourage(target);
  assert.equal(takeAll(target), 3);
});

Deno.test("RetryBudget lets retries over it wait while they help, in order, and admits them as others end", async () => {
  const target = budget(0, { floor: 1 });
  assert.equal(await target.take(signal), true);
  const order: number[] = [];
  const waits = [1, 2, 3].map((n) => target.take(signal).then((admitted) => admitted && order.push(n)));
  assert.equal(target.waiting, 3);
  assert.equal(target.tryTake(), false);
  for (let i = 0; i < 3; i++) {
    target.release(true);
    await Promise.resolve();
    assert.equal(target.retrying, 1);
  }
  await Promise.all(waits);
  assert.deepEqual(order, [1, 2, 3]);
  assert.equal(target.waiting, 0);
});

Deno.test("RetryBudget refuses at once what is over its share, and all that wait, when most recent retries have failed", async () => {
  const target = budget(0, { floor: 1 });
  assert.equal(await target.take(signal), true);
  const waits = [1, 2, 3].map(() => target.take(signal));
  for (let end = 0; end < 15; end++) target.note(false);
  assert.equal(target.waiting, 3, "too few ends to say anything");
  target.note(false);
  assert.deepEqual(await Promise.all(waits), [false, false, false]);
  assert.equal(await target.take(signal), false);
  assert.equal(target.refuses(), true);
  target.release(null);
  assert.equal(target.tryTake(), false);
  // Retries within the share go on, and show when upstreams are well again.
  for (let end = 0; end < 9; end++) target.note(true);
  assert.equal(target.refuses(), false);
  assert.equal(await target.take(signal), true);
});

Deno.test("RetryBudget lets only its floor at a time be tried while most retries fail, and further ones of a request before first ones", async () => {
  const target = budget(100, { floor: 1 });
  assert.equal(takeAll(target), 20);
  for (let end = 0; end < 20; end++) target.release(false);
  assert.equal(target.limit, 1);
  assert.equal(target.tryTake(), true);
  const order: string[] = [];
  const wait = (name: string, isFurther: boolean) =>
    target.take(signal, isFurther).then((admitted) => admitted && order.push(name));
  const waits = [wait("first", false), wait("further", true), wait("second", false), wait("more", true)];
  assert.equal(target.tryTake(true), false);
  for (let end = 0; end < 4; end++) {
    assert.equal(target.retrying, 1);
    target.release(true);
    await Promise.resolve();
    await Promise.resolve();
  }
  await Promise.all(waits);
  assert.deepEqual(order, ["further", "more", "first", "second"]);
  for (let end = 0; end < 12; end++) target.release(true);
  assert.equal(target.limit, 20);
});

Deno.test("RetryBudget forgets how retries ended when none was made for the length of its window", () => {
  const target = budget(0, { floor: 1 });
  discourage(target);
  target.tryTake();
  target.release(null);
  assert.equal(target.refuses(), true);
  target.clock.nowMs += RETRY_WINDOW_MS + 1;
  assert.equal(takeAll(target), 1);
  target.note(false);
  assert.equal(target.refuses(), false);
});

Deno.test("RetryBudget refuses nothing where requests end well, however many of their retries fail", () => {
  const random = seededRandom(11);
  const orders: Array<readonly [name: string, isBad: (n: number) => boolean]> = [
    ["each other one", (n) => n % 2 === 0],
    ["two of three in turn", (n) => n % 3 !== 0],
    ["nineteen of twenty in turn", (n) => n % 20 !== 0],
    ["a third by chance", () => random() < 1 / 3],
    ["runs of eight", (n) => n % 16 < 8],
    ["none", () => false],
  ];
  for (const [name, isBad] of orders) {
    const target = budget(5, { floor: 1 });
    for (let n = 0; n < 3_000; n++) {
      assert.ok(target.tryTake(), `${name}: retry ${n}`);
      target.release(!isBad(n));
      if (!isBad(n)) target.note(true);
      target.clock.nowMs += 7;
    }
  }
});

Deno.test("RetryBudget lets no more be made than the share where all retries fail, however many requests come at once", async () => {
  for (const atOnce of [1, 2, 8, 50, 1_000]) {
    for (const share of [0, 0.1, 0.2, 1]) {
      const target = budget(0, { share, queue: 1_024 });
      let tries = 0;
      let refused = 0;
      const request = async () => {
        target.requestBegan();
        let retried = false;
        for (let left = 3; left > 0; left--) {
          if (left < 3 && !target.tryTake(retried) && !await target.take(signal, retried)) {
            refused++;
            break;
          }
          tries++;
          await Promise.resolve();
          target.clock.nowMs += 0.2;
          if (left === 3) continue;
          target.release(false);
          retried = true;
        }
        target.requestEnded(retried ? false : null);
      };
      for (let done = 0; done < 1_000; done += atOnce) await Promise.all(Array.from({ length: atOnce }, request));
      const most = 1_000 * (1 + share) + 2 * (3 + 16);
      assert.ok(tries <= most, `${tries} tries, ${atOnce} at once, share ${share}`);
      assert.ok(share === 1 ? refused > 0 : refused >= 900, `${refused} refused`);
      assert.deepEqual([target.waiting, target.retrying], [0, 0]);
    }
  }
});

Deno.test("RetryBudget ends a wait with its signal, without losing a place", async () => {
  const target = budget(0, { floor: 1 });
  await target.take(signal);
  const leaving = new AbortController();
  const left = target.take(leaving.signal);
  const stays = target.take(signal);
  leaving.abort();
  assert.equal(await left, false);
  target.release(null);
  assert.equal(await stays, true);
  assert.equal(await target.take(AbortSignal.abort()), false);
  target.release(null);
  assert.equal(target.retrying, 0);
});

Deno.test("RetryBudget refuses when too many wait", async () => {
  const target = budget(0, { floor: 1, queue: 2 });
  await target.take(signal);
  const waits = [target.take(signal), target.take(signal)];
  assert.equal(await target.take(signal), false);
  for (let i = 0; i < 3; i++) target.release(null);
  assert.deepEqual(await Promise.all(waits), [true, true]);
});

Deno.test("RetryBudget admits those that wait when more requests become active", async () => {
  const target = budget(0, { floor: 1, share: 0.5 });
  await target.take(signal);
  const waiting = target.take(signal);
  for (let i = 0; i < 4; i++) target.requestBegan();
  assert.equal(await waiting, true);
});

Deno.test("RetryBudget never has more under way than its limit where the share is used up, whatever happens", async () => {
  const random = seededRandom(3);
  const target = budget(50, { share: 0.2 });
  assert.equal(takeAll(target), 10);
  const running: unknown[] = Array.from({ length: 10 });
  for (let i = 0; i < 3_000; i++) {
    const roll = random();
    if (roll < 0.4) void target.take(signal).then((admitted) => admitted && running.push(1));
    else if (roll < 0.5) {
      const leaving = new AbortController();
      void target.take(leaving.signal).then((admitted) => admitted && running.push(1));
      leaving.abort();
    } else if (running.length > 0) {
      running.pop();
      target.release(random() < 0.7);
    }
    await Promise.resolve();
    await Promise.resolve();
    assert.ok(target.retrying <= 10 && target.waiting <= 100);
    assert.equal(target.retrying, running.length);
  }
});
