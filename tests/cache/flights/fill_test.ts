import assert from "node:assert/strict";
import { Fill, FillBudget } from "../../../lib/cache/flights/fill.ts";
import { seededRandom } from "../../seeded_random.ts";
import { patterned } from "../stored_sample.ts";

type Read = () => Promise<Uint8Array | null>;

/** Everything that a reader gives, with a pause of some turns of the event loop after each chunk. */
async function readAll(read: Read, turns: () => number): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for (let chunk = await read(); chunk !== null; chunk = await read()) {
    parts.push(chunk.slice());
    for (let turn = turns(); turn > 0; turn--) await Promise.resolve();
  }
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

async function pushAll(fill: Fill, body: Uint8Array, random: () => number): Promise<void> {
  for (let at = 0; at < body.length;) {
    const end = Math.min(body.length, at + Math.floor(random() * 700));
    fill.push(body.subarray(at, end));
    at = end;
    for (let turn = Math.floor(random() * 4); turn > 0; turn--) await Promise.resolve();
  }
}

Deno.test("reader() gives the whole body at any pace, to readers that come early, late and after the end", async () => {
  const random = seededRandom(5);
  for (let run = 0; run < 40; run++) {
    const body = patterned(1 + Math.floor(random() * 20_000));
    const fill = Fill.ofLength(body.byteLength);
    const readers = [0, 1, 9].map((slow) => readAll(fill.reader(), () => slow));
    const half = Math.floor(body.length / 2);
    await pushAll(fill, body.subarray(0, half), random);
    readers.push(readAll(fill.reader(), () => 2));
    assert.equal(fill.body, null);
    await pushAll(fill, body.subarray(half), random);
    readers.push(readAll(fill.reader(), () => 0));
    for (const read of await Promise.all(readers)) assert.deepEqual(read, body);
    assert.deepEqual(fill.body, body);
    assert.equal(await fill.whole(), fill.body);
  }
});

Deno.test("push() copies: the writer may use its chunk again", async () => {
  const fill = Fill.ofLength(4);
  const chunk = new Uint8Array([1, 2]);
  fill.push(chunk);
  chunk.fill(9);
  fill.push(chunk);
  assert.deepEqual(await fill.whole(), new Uint8Array([1, 2, 9, 9]));
});

Deno.test("push() refuses what goes beyond the length, and keeps what it has", () => {
  const fill = Fill.ofLength(3);
  fill.push(new Uint8Array([1, 2]));
  assert.throws(() => fill.push(new Uint8Array([3, 4])), RangeError);
  assert.equal(fill.body, null);
  fill.push(new Uint8Array([3]));
  assert.deepEqual(fill.body, new Uint8Array([1, 2, 3]));
  assert.throws(() => fill.push(new Uint8Array([4])), RangeError);
});

Deno.test("fail() reaches readers that wait, those that come later, and whole()", async () => {
  const fill = Fill.ofLength(10);
  const waiting = fill.reader();
  fill.push(new Uint8Array(4));
  assert.equal((await waiting())?.byteLength, 4);
  const pending = [waiting(), fill.whole()];
  fill.fail(new Error("the upstream died"));
  for (const each of pending) await assert.rejects(each, /the upstream died/);
  const late = fill.reader();
  assert.equal((await late())?.byteLength, 4);
  await assert.rejects(late(), /the upstream died/);
  assert.equal(fill.body, null);
});

Deno.test("fail() keeps the first error, and a body that is complete", async () => {
  const broken = Fill.ofLength(1);
  broken.fail(new Error("first"));
  broken.fail(new Error("second"));
  await assert.rejects(broken.whole(), /first/);
  const complete = Fill.ofBody(patterned(5));
  complete.fail(new Error("late"));
  assert.deepEqual(await complete.whole(), patterned(5));
});

Deno.test("a fill that failed is never complete, whatever is pushed after", async () => {
  const fill = Fill.ofLength(2);
  fill.fail(new Error("broken"));
  fill.push(new Uint8Array(2));
  assert.equal(fill.body, null);
  await assert.rejects(fill.whole(), /broken/);
});

Deno.test("a body of length zero is complete from the beginning", async () => {
  const fill = Fill.ofLength(0);
  assert.equal(fill.lengthBytes, 0);
  assert.deepEqual(await fill.whole(), new Uint8Array());
  assert.equal(await fill.reader()(), null);
  assert.throws(() => fill.push(new Uint8Array(1)), RangeError);
});

Deno.test("reserve() takes nothing beyond the limit, and release() makes room", () => {
  const budget = new FillBudget(100);
  assert.equal(budget.reserve(60, "a"), true);
  assert.equal(budget.reserve(41, "a"), false);
  assert.equal(budget.usedBytes, 60);
  assert.equal(budget.reserve(40, "a"), true);
  assert.equal(budget.reserve(1, "a"), false);
  budget.release(60, "a");
  assert.equal(budget.usedBytes, 40);
  assert.equal(budget.reserve(60, "a"), true);
});

Deno.test("reserve() leaves a quarter to other listeners, once there are any", () => {
  const budget = new FillBudget(100);
  assert.equal(budget.reserve(10, "a"), true);
  assert.equal(budget.reserve(10, "b"), true);
  assert.equal(budget.reserve(60, "a"), true);
  assert.equal(budget.reserve(10, "a"), false, "beyond its part");
  assert.equal(budget.reserve(20, "b"), true);
  assert.equal(budget.reserve(1, "b"), false, "nothing is left");
  budget.release(70, "a");
  assert.equal(budget.reserve(70, "a"), true);
  budget.release(30, "b");
  budget.release(70, "a");
  assert.equal(budget.reserve(100, "b"), true, "what is larger than its part goes alone");
});

Deno.test("leave() says so once the last reader is gone before the end, and not before", () => {
  const fill = Fill.ofLength(10);
  let abandoned = 0;
  fill.onAbandoned = () => void abandoned++;
  fill.reader();
  fill.reader();
  fill.leave();
  assert.equal(abandoned, 0);
  fill.reader();
  fill.leave();
  assert.equal(abandoned, 0);
  fill.leave();
  assert.equal(abandoned, 1);
});

Deno.test("leave() gives nothing up while somebody waits for the whole", async () => {
  const fill = Fill.ofLength(1);
  fill.onAbandoned = () => assert.fail("it is waited for");
  fill.reader();
  const whole = fill.whole();
  fill.leave();
  fill.push(new Uint8Array(1));
  assert.equal((await whole).byteLength, 1);
});

Deno.test("leave() of a body that is complete or has failed gives nothing up", () => {
  const complete = Fill.ofLength(1);
  const failed = Fill.ofLength(1);
  for (const fill of [complete, failed]) {
    fill.onAbandoned = () => assert.fail("there is nothing to give up");
    fill.reader();
  }
  complete.push(new Uint8Array(1));
  failed.fail(new Error("broken"));
  complete.leave();
  failed.leave();
});

Deno.test("verify() is asked for the whole body before anybody gets its last bytes", async () => {
  const body = patterned(1_000);
  for (const error of [null, new Error("no picture")]) {
    const fill = Fill.ofLength(1_000);
    const asked: number[] = [];
    fill.verify = (whole) => {
      asked.push(whole.byteLength);
      assert.deepEqual(whole, body);
      return error;
    };
    const read = fill.reader();
    fill.push(body.subarray(0, 600));
    assert.equal((await read())!.byteLength, 600);
    assert.deepEqual(asked, []);
    if (error === null) fill.push(body.subarray(600));
    else assert.throws(() => fill.push(body.subarray(600)), error);
    assert.deepEqual(asked, [1_000]);
    assert.equal(fill.body === null, error !== null);
    if (error === null) continue;
    fill.fail(error);
    await assert.rejects(read(), error);
  }
});

Deno.test("isRead says whether anybody reads along; who waits for the whole may say that it is no reader", async () => {
  const fill = Fill.ofLength(2);
  const whole = fill.whole(false);
  assert.equal(fill.isRead, false);
  fill.reader();
  assert.equal(fill.isRead, true);
  fill.leave();
  assert.equal(fill.isRead, false);
  fill.push(new Uint8Array(2));
  assert.equal((await whole).byteLength, 2);
});
