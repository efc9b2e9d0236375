import assert from "node:assert/strict";
import { Deadlines, type Expirable } from "../../lib/upstream_client/_deadlines.ts";
import { eventually, leakless } from "./_sending.ts";

type Three = [Expirable, Expirable, Expirable];

/** A member that notes its expiry. */
function member(name: string, expired: string[]): Expirable {
  return { deadlineMs: Infinity, expire: () => expired.push(name) };
}

Deno.test(leakless("arm() expires members in time, each once, the earlier first", async () => {
  const deadlines = new Deadlines();
  const expired: string[] = [];
  const [never, late, early] = ["never", "late", "early"].map((name) => member(name, expired)) as Three;
  const startMs = performance.now();
  deadlines.arm(never, 60_000);
  deadlines.arm(late, 40);
  deadlines.arm(early, 10);
  await eventually(() => expired.length === 2);
  assert.ok(performance.now() - startMs >= 39);
  assert.deepEqual(expired, ["early", "late"]);
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
