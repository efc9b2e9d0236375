import assert from "node:assert/strict";
import { KvWriteLoop, WriteQueue } from "../../../lib/cache/disk/_kv_write_queue.ts";
import { sampleResponse } from "../store_suite.ts";
import { KvTrouble } from "../../../lib/cache/disk/_kv_trouble.ts";
import { KvWriter } from "../../../lib/cache/disk/_kv_writer.ts";
import { FaultyKv, openKvForTest, rowCounts } from "./opened_kv.ts";

function queue(maxBytes = 1_000_000, maxOps = 100): WriteQueue {
  return new WriteQueue({ maxBytes, maxOps });
}

Deno.test("WriteQueue.take() gives the oldest ops first, within its bounds, at least one", () => {
  const waiting = queue();
  for (let n = 0; n < 10; n++) waiting.put(sampleResponse(`a\0\0/${n}`, { bodyLength: 10_000 }));
  assert.deepEqual(waiting.take(1_000_000, 3).map(({ key }) => key), ["a\0\0/0", "a\0\0/1", "a\0\0/2"]);
  assert.equal(waiting.take(25_000, 100).length, 2);
  assert.equal(waiting.take(1, 100).length, 1);
  assert.equal(waiting.take(1_000_000, 100).length, 4);
  waiting.done();
  assert.deepEqual([waiting.size, waiting.bytes], [0, 0]);
});

Deno.test("WriteQueue.find() knows what waits and what is being written, the newer first", () => {
  const waiting = queue();
  waiting.put(sampleResponse("a\0\0/"));
  waiting.take(1000, 1);
  assert.equal(waiting.find("a\0\0/")?.kind, "put");
  waiting.delete("a\0\0/");
  assert.equal(waiting.find("a\0\0/")?.kind, "delete");
  waiting.take(1000, 1);
  waiting.done();
  assert.equal(waiting.find("a\0\0/"), undefined);
});

Deno.test("WriteQueue.put() takes the place of an older op of its key, and its bytes", () => {
  const waiting = queue();
  waiting.put(sampleResponse("a\0\0/", { bodyLength: 100_000 }));
  waiting.put(sampleResponse("a\0\0/", { version: 2, bodyLength: 10 }));
  assert.equal(waiting.size, 1);
  assert.ok(waiting.bytes < 5000);
});

Deno.test("WriteQueue.put() without room becomes a removal, and is counted", () => {
  const waiting = queue(20_000);
  waiting.put(sampleResponse("a\0\0/1", { bodyLength: 10_000 }));
  assert.equal(waiting.put(sampleResponse("a\0\0/2", { bodyLength: 10_000 })), false);
  assert.equal(waiting.find("a\0\0/1")?.kind, "put");
  assert.equal(waiting.find("a\0\0/2")?.kind, "delete");
  assert.equal(waiting.dropped, 1);
});

Deno.test("WriteQueue.delete() always finds room, at the cost of the oldest", () => {
  const waiting = queue(1_000_000, 3);
  for (let n = 0; n < 3; n++) waiting.put(sampleResponse(`a\0\0/${n}`));
  waiting.delete("a\0\0/x");
  assert.equal(waiting.size, 3);
  assert.equal(waiting.find("a\0\0/0"), undefined);
  assert.equal(waiting.find("a\0\0/x")?.kind, "delete");
});

Deno.test("WriteQueue.touch() gives way to everything", () => {
  const waiting = queue(1_000_000, 2);
  waiting.put(sampleResponse("a\0\0/1"));
  waiting.touch("a\0\0/1");
  assert.equal(waiting.find("a\0\0/1")?.kind, "put");
  waiting.touch("a\0\0/2");
  waiting.touch("a\0\0/3");
  waiting.touch("a\0\0/4");
  assert.equal(waiting.find("a\0\0/2")?.kind, "touch");
  assert.equal(waiting.find("a\0\0/4"), undefined);
  waiting.delete("a\0\0/2");
  assert.equal(waiting.find("a\0\0/2")?.kind, "delete");
});

Deno.test("WriteQueue.touch() finds room beside a full queue and goes before it, in a half of what is taken", () => {
  const waiting = queue(40_000, 100);
  for (let n = 0; n < 3; n++) waiting.put(sampleResponse(`a\0\0/put${n}`, { bodyLength: 12_000 }));
  for (let n = 0; n < 4; n++) waiting.touch(`a\0\0/use${n}`);
  assert.deepEqual(waiting.take(1_000_000, 4).map(({ kind }) => kind), ["touch", "touch", "put", "put"]);
  assert.deepEqual(waiting.take(1_000_000, 4).map(({ kind }) => kind), ["touch", "touch", "put"]);
  waiting.touch("a\0\0/use");
  assert.equal(waiting.take(1_000_000, 4).length, 1);
  waiting.done();
  assert.deepEqual([waiting.size, waiting.bytes], [0, 0]);
});

async function openLoop(freeBytes: () => number | null = () => null, isLogFull = () => false) {
  const opened = await openKvForTest();
  const { clock, log } = opened;
  const faulty = new FaultyKv(opened.kv);
  const bounds = {
    limitBytes: 64e6,
    logReserveBytes: 0,
    keepMs: 0,
    guaranteedShare: 0.5,
    quotaBytes: () => null,
    filter: null,
  };
  const writer = new KvWriter({ kv: faulty.kv, clock, ...bounds });
  const queue = new WriteQueue({ maxBytes: 10_000_000, maxOps: 1000 });
  const trouble = new KvTrouble({ clock, log, onDamage: () => {} });
  const loop = new KvWriteLoop({ queue, writer, trouble, clock, freeBytes, minFreeBytes: 1000, isLogFull });
  return { ...opened, faulty, queue, loop, [Symbol.asyncDispose]: () => opened[Symbol.asyncDispose]() };
}

Deno.test("KvWriteLoop.wake() writes all that waits, what comes meanwhile too", async () => {
  await using opened = await openLoop();
  const { queue, loop } = opened;
  for (let n = 0; n < 100; n++) {
    queue.put(sampleResponse(`a\0\0/${n}`, { bodyLength: 20_000 }));
    loop.wake();
    if (n % 10 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
  }
  await loop.idle();
  assert.equal(queue.size, 0);
  assert.equal((await rowCounts(opened.kv)).r, 100);
});

Deno.test("KvWriteLoop keeps the removals that KV did not take, and tries them again", async () => {
  await using opened = await openLoop();
  const { queue, loop, faulty } = opened;
  queue.put(sampleResponse("a\0\0/"));
  loop.wake();
  await loop.idle();
  faulty.fault = new Error("disk I/O error");
  queue.put(sampleResponse("a\0\0/", { version: 2 }));
  loop.wake();
  await loop.idle();
  assert.equal(queue.find("a\0\0/")?.kind, "delete");
  assert.equal(loop.dropped, 1);
  faulty.fault = null;
  await opened.until(() => queue.size === 0);
  assert.equal((await rowCounts(opened.kv)).r, undefined);
});

Deno.test("KvWriteLoop.close() tries nothing again", async () => {
  await using opened = await openLoop();
  const { queue, loop, faulty } = opened;
  faulty.fault = new Error("disk I/O error");
  queue.put(sampleResponse("a\0\0/"));
  loop.wake();
  await loop.idle();
  loop.close();
  faulty.fault = null;
  await new Promise((resolve) => setTimeout(resolve, 1100));
  assert.equal(queue.size, 1);
});

Deno.test("KvWriteLoop looks at the disk's free space every five seconds at most", async () => {
  let looks = 0;
  await using opened = await openLoop(() => (looks++, 500));
  const { queue, loop, clock } = opened;
  for (let n = 0; n < 3; n++) {
    queue.put(sampleResponse(`a\0\0/${n}`));
    loop.wake();
    await loop.idle();
  }
  assert.deepEqual([looks, loop.isDiskLow, loop.dropped], [1, true, 3]);
  clock.advance(5000);
  queue.put(sampleResponse("a\0\0/"));
  loop.wake();
  await loop.idle();
  assert.equal(looks, 2);
});

Deno.test("KvWriteLoop waits while the file's log is full, and writes when it is not", async () => {
  let isFull = true;
  let looks = 0;
  await using opened = await openLoop(undefined, () => (looks++, isFull));
  const { queue, loop } = opened;
  queue.put(sampleResponse("a\0\0/"));
  loop.wake();
  await opened.until(() => looks > 3);
  assert.equal(queue.size, 1);
  isFull = false;
  await loop.idle();
  assert.equal(queue.size, 0);
  assert.equal((await rowCounts(opened.kv)).r, 1);
});
