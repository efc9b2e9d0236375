import assert from "node:assert/strict";
import { KeyPool, type KeyPoolOptions, placeOf } from "../../lib/upstream_type/_key_pool.ts";
import { KEY_CELLS } from "../../lib/upstream_type/_shared_key.ts";
import { RATE_CELLS } from "../../lib/upstream_type/_shared_rate.ts";
import { seededRandom } from "../seeded_random.ts";
import type { KeyEvent } from "../../lib/upstream_type/upstream_type.ts";

function makePool(count: number, more: Partial<KeyPoolOptions> = {}) {
  const clock = { nowMs: 1_000_000 };
  const events: KeyEvent[] = [];
  const pool = new KeyPool({ count, now: () => clock.nowMs, onEvent: (event) => events.push(event), ...more });
  const ticket = (sticky = false) => {
    const taken = pool.take(sticky);
    assert.ok(typeof taken === "number", JSON.stringify(taken));
    return taken;
  };
  const take = (sticky = false) => placeOf(ticket(sticky));
  const takes = (times: number) => Array.from({ length: times }, () => take());
  return { pool, clock, events, ticket, take, takes };
}

/** Pools of two workers over the same memory, on one clock. */
function makePair(count: number, more: Partial<KeyPoolOptions> = {}) {
  const cells = Array.from({ length: count }, () => new Int32Array(new SharedArrayBuffer(4 * KEY_CELLS)));
  const one = makePool(count, { ...more, cellsOf: (index) => cells[index]! });
  const other = makePool(count, { ...more, cellsOf: (index) => cells[index]!, now: () => one.clock.nowMs });
  return [one, other] as const;
}

Deno.test("KeyPool.take() takes the least used key, and the first usable one where it must stay", () => {
  const { pool, take, takes } = makePool(3);
  assert.deepEqual(takes(6), [0, 1, 2, 0, 1, 2]);
  assert.deepEqual([take(true), take(true)], [0, 0]);
  assert.deepEqual(takes(4), [1, 2, 1, 2]);
  assert.deepEqual(pool.states().map(({ place, state }) => [place, state]), [[1, "ready"], [2, "ready"], [3, "ready"]]);
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
    const { pool, clock, take, takes } = makePool(2);
    assert.equal(pool.limited(0, retryAfter), true);
    assert.deepEqual(takes(2), [1, 1]);
    clock.nowMs += restMs - 1;
    assert.equal(take(), 1, String(retryAfter));
    clock.nowMs += 1;
    assert.equal(take(), 0, String(retryAfter));
  }
});

Deno.test("KeyPool.limited() backs off longer each time where Retry-After is missing", () => {
  const { pool, clock, events, ticket } = makePool(1);
  for (let round = 0; round < 12; round++) {
    pool.limited(ticket(), null);
    clock.nowMs = events.at(-1)!.untilMs;
  }
  const rests = events.map(({ untilMs }, index) => untilMs - (events[index - 1]?.untilMs ?? 1_000_000));
  assert.deepEqual(rests.slice(0, 4), [1000, 2000, 4000, 8000]);
  assert.equal(rests.at(-1), 300_000);
});

Deno.test("KeyPool.limited() counts answers to requests that were under way together as one", () => {
  const { pool, events, clock, takes } = makePool(2);
  for (let answer = 0; answer < 10; answer++) pool.limited(0, null);
  assert.deepEqual(events, [{ key: 1, event: "limited", untilMs: 1_001_000 }]);
  clock.nowMs += 1000;
  assert.equal(takes(2).includes(0), true);
  // One that was begun before that rest comes late.
  pool.limited(0, "60");
  assert.equal(events.length, 1);
  assert.equal(pool.states()[0]!.state, "ready");
});

Deno.test("KeyPool.refused() ejects a key, longer each time, until it is taken again", () => {
  const { pool, clock, events, takes, ticket } = makePool(2);
  assert.equal(pool.refused(0), "key");
  assert.deepEqual(takes(3), [1, 1, 1]);
  clock.nowMs += 60_000;
  const probe = ticket();
  assert.equal(placeOf(probe), 0);
  pool.refused(probe);
  assert.equal(events.at(-1)!.untilMs - clock.nowMs, 120_000);
  clock.nowMs += 120_000;
  const again = ticket();
  assert.equal(placeOf(again), 0);
  pool.accepted(again);
  assert.deepEqual(events.at(-1), { key: 1, event: "recovered", untilMs: 0 });
  assert.deepEqual(pool.states().map(({ state }) => state), ["ready", "ready"]);
});

Deno.test("KeyPool.take() tries a key that was refused with one request at a time, and never with a user's", () => {
  const [one, other] = makePair(2);
  one.pool.refused(one.ticket());
  one.clock.nowMs += 60_000;
  assert.equal(one.take(true), 1);
  assert.equal(one.take(), 0);
  assert.deepEqual(one.takes(3), [1, 1, 1]);
  assert.deepEqual(other.takes(3), [1, 1, 1]);
  assert.equal(one.pool.states()[0]!.state, "refused");
  one.clock.nowMs += 10_000;
  assert.equal(other.take(), 0);
});

Deno.test("KeyPool.take() uses the least bad key when all are out, and says that no other is worth a try", () => {
  const { pool, take } = makePool(3);
  pool.refused(0);
  assert.equal(pool.limited(1, "200"), true);
  assert.equal(pool.limited(2, "100"), false);
  assert.equal(take(), 2);
  const alone = makePool(1);
  assert.equal(alone.pool.refused(0), "no other");
  const ticket = alone.ticket();
  assert.equal(placeOf(ticket), 0);
  alone.pool.accepted(ticket);
  assert.equal(alone.pool.states()[0]!.state, "ready");
});

Deno.test("KeyPool.accepted() does not end a rest because of an answer from before it", () => {
  const { pool, takes, ticket } = makePool(2);
  const early = ticket();
  pool.limited(0, "30");
  pool.accepted(early);
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

Deno.test("KeyPool shares with other workers what it learns of a key, and one of them tells the log", () => {
  const [one, other] = makePair(3);
  const tickets = [one.ticket(), other.ticket()];
  assert.equal(one.pool.refused(tickets[0]!), "key");
  assert.equal(other.pool.refused(tickets[1]!), "key");
  one.pool.limited(1, "5");
  assert.deepEqual(other.takes(2), [2, 2]);
  assert.deepEqual(other.pool.states(), one.pool.states());
  assert.deepEqual(other.events, []);
  assert.deepEqual(one.events.map(({ key, event }) => [key, event]), [[1, "refused"], [2, "limited"]]);
  // A pool that is made anew, by a reload, knows it too.
  assert.equal(one.pool.states()[0]!.untilMs, 1_060_000);
});

Deno.test("KeyPool.take() holds requests while every key is at its limit, of all workers, and uses a key with room", () => {
  const limits = { maxPerSecond: 10, burst: 2 };
  const [one, other] = makePair(2, { limits, holds: true });
  assert.deepEqual([...one.takes(2), ...other.takes(2)], [0, 1, 0, 1]);
  assert.deepEqual(one.pool.take(false), { waitMs: 100 });
  assert.deepEqual(other.pool.take(true), { waitMs: 100 });
  one.clock.nowMs += 100;
  assert.deepEqual([...one.takes(1), ...other.takes(1)], [0, 1]);
  assert.deepEqual(other.pool.take(false), { waitMs: 100 });
});

Deno.test("KeyPool.take() holds requests for the rest of a pool's only key, and never for one that was refused", () => {
  const { pool, clock, take } = makePool(1, { holds: true });
  pool.limited(0, "5");
  assert.deepEqual(pool.take(false), { waitMs: 5000 });
  clock.nowMs += 4_990;
  assert.deepEqual(pool.take(true), { waitMs: 10 });
  clock.nowMs += 10;
  assert.equal(take(), 0);
  pool.refused(1 << 10);
  assert.deepEqual([take(), take(true)], [0, 0]);
});

Deno.test("KeyPool.take() lets a user's request wait for a short rest of its key, and not for a long one", () => {
  const { pool, clock, take } = makePool(2, { holds: true });
  pool.limited(0, "10");
  assert.deepEqual(pool.take(true), { waitMs: 10_000 });
  assert.equal(take(), 1);
  clock.nowMs += 10_000;
  assert.equal(take(true), 0);
  pool.limited(1 << 10, "11");
  assert.equal(take(true), 1);
  pool.refused(1);
  assert.equal(pool.states()[1]!.state, "refused");
});

Deno.test("KeyPool.take() tries a limited key once a second where the limit may be one upstream's", () => {
  const { pool, clock, take, ticket } = makePool(1, { holds: true, upstreams: 2 });
  pool.limited(0, "60");
  assert.equal(take(), 0);
  assert.deepEqual(pool.take(false), { waitMs: 60_000 });
  clock.nowMs += 1000;
  const probe = ticket();
  assert.deepEqual(pool.take(false), { waitMs: 59_000 });
  pool.accepted(probe);
  assert.equal(pool.states()[0]!.state, "ready");
  assert.equal(take(), 0);
});

/** Asks a pool of keys as fast as it lets, for so long; the requests that each key was given, and when. */
function flood(
  { pool, clock }: ReturnType<typeof makePool>,
  forMs: number,
  onTicket: (ticket: number) => void = () => {},
) {
  const given: { key: number; atMs: number }[] = [];
  for (const endMs = clock.nowMs + forMs; clock.nowMs < endMs; clock.nowMs++) {
    for (let taken = pool.take(false); typeof taken === "number"; taken = pool.take(false)) {
      given.push({ key: placeOf(taken), atMs: clock.nowMs });
      onTicket(taken);
    }
  }
  return given;
}

/** The most that was given in any second. */
function mostInASecond(given: readonly { readonly atMs: number }[]): number {
  let most = 0;
  for (let from = 0, to = 0; to < given.length; to++) {
    while (given[to]!.atMs - given[from]!.atMs >= 1_000) from++;
    most = Math.max(most, to - from + 1);
  }
  return most;
}

const LIMITS = { maxPerSecond: 35, burst: 10 };

Deno.test("KeyPool gives all keys of a pool one rate, however many they are, where it is the pool's; else each its own", () => {
  for (const count of [1, 2, 3, 7]) {
    const pooled = makePool(count, { limits: LIMITS, holds: true, poolCells: new Int32Array(RATE_CELLS) });
    const given = flood(pooled, 4_000);
    assert.ok(given.length >= 4 * 35 && given.length <= 10 + 4 * 35 + 1, `${count} keys: ${given.length}`);
    assert.ok(mostInASecond(given) <= 45, `${count} keys`);
    const each = Array.from({ length: count }, (_, key) => given.filter((one) => one.key === key).length);
    assert.ok(Math.max(...each) - Math.min(...each) <= 1, String(each));
    const apart = flood(makePool(count, { limits: LIMITS, holds: true }), 4_000);
    assert.ok(apart.length >= count * 4 * 35, `${count} keys apart: ${apart.length}`);
  }
});

Deno.test("KeyPool gives the share of a key that rests to the others, and the sum never rises", () => {
  const random = seededRandom(5);
  const pooled = makePool(3, { limits: LIMITS, holds: true, upstreams: 2, poolCells: new Int32Array(RATE_CELLS) });
  const { pool, clock } = pooled;
  pool.limited(0, "3");
  pool.refused(1);
  const one = flood(pooled, 2_000);
  assert.deepEqual([...new Set(one.map(({ key }) => key))], [2]);
  assert.ok(one.length >= 2 * 35, `the third key has it all: ${one.length}`);
  // Limits, refusals and good answers by chance, tries of keys that are out among them.
  const all = flood(pooled, 60_000, (ticket) => {
    const roll = random();
    if (roll < 0.02) pool.limited(ticket, String(Math.floor(random() * 5)));
    else if (roll < 0.03) pool.refused(ticket);
    else pool.accepted(ticket, "u");
  });
  assert.ok(mostInASecond(all) <= 45, String(mostInASecond(all)));
  assert.ok(all.length <= 10 + 60 * 35 + 1);
  for (const key of [0, 1, 2]) for (let n = 0; n < 3; n++) pool.refused(key);
  const refused = flood(pooled, 2_000);
  assert.ok(refused.length > 0 && refused.length <= 10 + 2 * 35 + 1, `all are refused: ${refused.length}`);
  assert.ok(clock.nowMs > 0);
});

Deno.test("KeyPool counts what it gives to those who do not wait, and has nobody starve for them", () => {
  const poolCells = new Int32Array(RATE_CELLS);
  const cells = [new Int32Array(KEY_CELLS), new Int32Array(KEY_CELLS)];
  const shared = { limits: LIMITS, poolCells, cellsOf: (index: number) => cells[index]! };
  const waits = makePool(2, { ...shared, holds: true });
  const checks = makePool(2, { ...shared, now: () => waits.clock.nowMs });
  for (let check = 0; check < 100; check++) checks.take();
  assert.ok("waitMs" in Object(waits.pool.take(false)), "they have taken all");
  const unused = makePool(2, { limits: LIMITS, poolCells, holds: true, now: () => waits.clock.nowMs });
  assert.ok("waitMs" in Object(unused.pool.take(false)), "of the pool, too");
  const given = flood(waits, 3_000, () => checks.take());
  assert.ok(given.length >= 35 && given.length <= 3 * 35, String(given.length));
});

Deno.test("KeyPool lets sessions and anybody's requests have one rate together", () => {
  const { pool, clock } = makePool(2, { limits: LIMITS, holds: true, poolCells: new Int32Array(RATE_CELLS) });
  let given = 0;
  for (let ms = 0; ms < 2_000; ms++, clock.nowMs++) {
    for (const sticky of [true, false]) if (typeof pool.take(sticky) === "number") given++;
  }
  assert.ok(given <= 10 + 2 * 35 + 1, String(given));
});

const HERE = { upstream: "here", mayAskOther: true };
const THERE = { upstream: "there", mayAskOther: true };

Deno.test("KeyPool.refused() has another upstream say whether it is the key's fault or the upstream's", () => {
  const { pool, ticket, take, events } = makePool(2, { upstreams: 2 });
  assert.equal(pool.refused(ticket(), HERE), "unknown");
  const again = ticket();
  assert.equal(placeOf(again), 0, "the same key goes to the other one");
  pool.accepted(again, "there");
  assert.equal(pool.refused(0, HERE), "host");
  assert.deepEqual(events, []);
  assert.deepEqual([take(), take(), take()], [1, 1, 0], "it is in");
  // The other one refuses it now, too: it was taken back.
  assert.equal(pool.refused(0, { ...THERE, mayAskOther: false }), "key");
  assert.deepEqual(events.map(({ key, event }) => [key, event]), [[1, "refused"]]);
});

Deno.test("KeyPool.refused() ejects a key that every upstream refuses, or one of them that takes other keys", () => {
  for (const upstreams of [2, 3, 5]) {
    const { pool, ticket } = makePool(2, { upstreams });
    for (let n = 1; n < upstreams; n++) assert.equal(pool.refused(0, { ...HERE, upstream: `u${n}` }), "unknown");
    assert.equal(pool.refused(0, { ...HERE, upstream: "last" }), "key");
    const other = ticket();
    assert.equal(placeOf(other), 1);
  }
  const { pool } = makePool(3, { upstreams: 2 });
  pool.accepted(1, "here");
  assert.equal(pool.refused(0, HERE), "key");
  // An upstream that takes other keys, but not this one, which another upstream takes: neither is to blame.
  pool.accepted(2, "there");
  assert.equal(pool.refused(2, HERE), "unknown");
  assert.equal(pool.refused(2, { ...HERE, mayAskOther: false }), "key");
});

Deno.test("KeyPool.refused() goes by what upstreams said in the last five minutes", () => {
  const { pool, clock } = makePool(1, { upstreams: 2 });
  pool.accepted(0, "there");
  clock.nowMs += 299_999;
  assert.equal(pool.refused(0, HERE), "host");
  clock.nowMs += 2;
  assert.equal(pool.refused(0, HERE), "unknown");
  assert.equal(pool.refused(0, { ...HERE, mayAskOther: false }), "no other");
});
