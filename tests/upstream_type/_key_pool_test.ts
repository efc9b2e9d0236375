import assert from "node:assert/strict";
import { KeyPool } from "../../lib/upstream_type/_key_pool.ts";
import type { KeyEvent } from "../../lib/upstream_type/upstream_type.ts";

function makePool(count: number) {
  const clock = { nowMs: 1_000_000 };
  const events: KeyEvent[] = [];
  const pool = new KeyPool({ count, now: () => clock.nowMs, onEvent: (event) => events.push(event) });
  const takes = (times: number) => Array.from({ length: times }, () => pool.take(false));
  return { pool, clock, events, takes };
}

Deno.test("KeyPool.take() takes the least used key, and the first usable one where it must stay", () => {
  const { pool, takes } = makePool(3);
  assert.deepEqual(takes(6), [0, 1, 2, 0, 1, 2]);
  assert.deepEqual([pool.take(true), pool.take(true)], [0, 0]);
  assert.deepEqual(takes(4), [1, 2, 1, 2]);
  assert.deepEqual(pool.states().map(({ uses }) => uses), [4, 4, 4]);
  assert.equal(makePool(0).pool.take(false), null);
});

Deno.test("KeyPool.limited() rests a key for Retry-After, at least 1 s and at most 300 s", () => {
  const rows: Array<readonly [retryAfter: string | null, restMs: number]> = [
    ["0", 1000],
    ["7", 7000],
    ["99999", 300_000],
    ["-5", 1000],
    ["soon", 1000],
    [null, 1000],
    [new Date(1_000_000 + 20_000).toUTCString(), 20_000],
    [new Date(0).toUTCString(), 1000],
  ];
  for (const [retryAfter, restMs] of rows) {
    const { pool, clock, takes } = makePool(2);
    assert.equal(pool.limited(0, retryAfter), true);
    assert.deepEqual(takes(2), [1, 1]);
    clock.nowMs += restMs - 1;
    assert.equal(pool.take(false), 1, String(retryAfter));
    clock.nowMs += 1;
    assert.equal(pool.take(false), 0, String(retryAfter));
  }
});

Deno.test("KeyPool.limited() backs off longer each time where Retry-After is missing", () => {
  const { pool, clock, events } = makePool(1);
  for (let round = 0; round < 12; round++) {
    pool.limited(0, null);
    clock.nowMs = events.at(-1)!.untilMs;
  }
  const rests = events.map(({ untilMs }, index) => untilMs - (events[index - 1]?.untilMs ?? 1_000_000));
  assert.deepEqual(rests.slice(0, 4), [1000, 2000, 4000, 8000]);
  assert.equal(rests.at(-1), 300_000);
});

Deno.test("KeyPool.limited() counts answers to requests that were under way together as one", () => {
  const { pool, events } = makePool(2);
  for (let answer = 0; answer < 10; answer++) pool.limited(0, null);
  assert.deepEqual(events, [{ key: 1, event: "limited", untilMs: 1_001_000 }]);
});

Deno.test("KeyPool.refused() ejects a key, longer each time, until it is taken again", () => {
  const { pool, clock, events, takes } = makePool(2);
  assert.equal(pool.refused(0), true);
  assert.deepEqual(takes(3), [1, 1, 1]);
  clock.nowMs += 60_000;
  assert.equal(pool.take(false), 0);
  pool.refused(0);
  assert.equal(events.at(-1)!.untilMs - clock.nowMs, 120_000);
  clock.nowMs += 120_000;
  assert.equal(pool.take(false), 0);
  pool.accepted(0);
  assert.deepEqual(events.at(-1), { key: 1, event: "recovered", untilMs: 0 });
  assert.deepEqual(pool.states().map(({ state }) => state), ["ready", "ready"]);
});

Deno.test("KeyPool.take() uses the least bad key when all are out, and says that no other is worth a try", () => {
  const { pool } = makePool(3);
  pool.refused(0);
  assert.equal(pool.limited(1, "200"), true);
  assert.equal(pool.limited(2, "100"), false);
  assert.equal(pool.take(false), 2);
  const alone = makePool(1);
  assert.equal(alone.pool.refused(0), false);
  assert.equal(alone.pool.take(false), 0);
  alone.pool.accepted(0);
  assert.equal(alone.pool.states()[0]!.state, "ready");
});

Deno.test("KeyPool.accepted() does not end a rest because of an answer from before it", () => {
  const { pool, takes } = makePool(2);
  pool.limited(0, "30");
  pool.accepted(0);
  assert.deepEqual(takes(2), [1, 1]);
});

Deno.test("KeyPool.take() does not flood a key that comes back", () => {
  const { pool, clock, takes } = makePool(2);
  pool.limited(0, "10");
  takes(1000);
  clock.nowMs += 10_000;
  const after = takes(100);
  assert.ok(after.filter((key) => key === 0).length <= 51);
});
