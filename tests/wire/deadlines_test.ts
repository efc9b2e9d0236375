import assert from "node:assert/strict";
import { Deadlines, type Expirable } from "../../lib/wire/deadlines.ts";

type Three = [Expirable, Expirable, Expirable];

/** A member that notes its expiry. */
function member(name: string, expired: string[]): Expirable {
  return { deadlineMs: Infinity, expire: () => expired.push(name) };
}

/** Polls until `isTrue`. */
async function eventually(isTrue: () => boolean): Promise<void> {
  const deadlineMs = performance.now() + 120_000;
  while (!isTrue()) {
    assert.ok(performance.now() < deadlineMs, "Expected it to come true in time");
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

/** A test that also fails when it leaves a timer behind; Deno does not look by itself. */
function leakless(name: string, fn: () => Promise<void>): Deno.TestDefinition {
  return { name, fn, sanitizeOps: true, sanitizeResources: true };
}

Deno.test(leakless("arm() expires members in time, each once", async () => {
  const deadlines = new Deadlines();
  const expired: string[] = [];
  const [never, late, early] = ["never", "late", "early"].map((name) => member(name, expired)) as Three;
  const startMs = performance.now();
  deadlines.arm(never, 60_000);
  deadlines.arm(late, 40, startMs);
  deadlines.arm(early, 10);
  assert.equal(late.deadlineMs, startMs + 40);
  await eventually(() => expired.length === 2);
  assert.ok(performance.now() - startMs >= 39);
  // A machine that stood still has both expire in one turn, in any order.
  assert.deepEqual(expired.toSorted(), ["early", "late"]);
  assert.equal(late.deadlineMs, Infinity);
  for (const one of [never, late, early]) deadlines.remove(one);
}));

Deno.test(leakless("arm() again moves the deadline, disarm() takes it away", async () => {
  const deadlines = new Deadlines();
  const expired: string[] = [];
  const [moved, gone, kept] = ["moved", "gone", "kept"].map((name) => member(name, expired)) as Three;
  deadlines.arm(moved, 5);
  deadlines.arm(gone, 5);
  deadlines.arm(kept, 20);
  deadlines.arm(moved, 60_000);
  deadlines.disarm(gone);
  await eventually(() => expired.includes("kept"));
  assert.deepEqual(expired, ["kept"]);
  deadlines.arm(kept, 5);
  await eventually(() => expired.length === 2);
  assert.deepEqual(expired, ["kept", "kept"]);
  for (const one of [moved, gone, kept]) deadlines.remove(one);
}));

Deno.test(leakless("remove() of the last member leaves no timer, also from within expire()", async () => {
  const deadlines = new Deadlines();
  const expired: string[] = [];
  const one: Expirable = {
    deadlineMs: Infinity,
    expire() {
      expired.push("one");
      deadlines.remove(one);
    },
  };
  deadlines.arm(one, 5);
  await eventually(() => expired.length === 1);
  const other = member("other", expired);
  deadlines.arm(other, 100_000);
  deadlines.remove(other);
}));

Deno.test(leakless("arm() takes durations beyond what a timer holds", async () => {
  const deadlines = new Deadlines();
  const expired: string[] = [];
  const [forever, long] = [member("forever", expired), member("long", expired)];
  deadlines.arm(forever, Infinity);
  deadlines.arm(long, 2 ** 40);
  const short = member("short", expired);
  deadlines.arm(short, 5);
  await eventually(() => expired.length > 0);
  assert.deepEqual(expired, ["short"]);
  deadlines.remove(short);
  deadlines.remove(forever);
  deadlines.remove(long);
}));

Deno.test(
  leakless("thousands that expire together do so in several turns of the event loop, none is left out", async () => {
    const deadlines = new Deadlines();
    const turns = new Map<number, number>();
    let turn = 0;
    let isOver = false;
    const counting = (async () => {
      for (; !isOver; turn++) await new Promise((resolve) => setTimeout(resolve, 0));
    })();
    const members = Array.from({ length: 2_000 }, (): Expirable => {
      const one: Expirable = {
        deadlineMs: Infinity,
        expire() {
          turns.set(turn, (turns.get(turn) ?? 0) + 1);
          deadlines.remove(one);
        },
      };
      return one;
    });
    for (const one of members) deadlines.arm(one, 5);
    const expired = () => [...turns.values()].reduce((sum, count) => sum + count, 0);
    await eventually(() => expired() === members.length);
    isOver = true;
    await counting;
    assert.ok(turns.size > 1, `${turns.size} turns`);
    assert.ok(members.every(({ deadlineMs }) => deadlineMs === Infinity));
  }),
);
