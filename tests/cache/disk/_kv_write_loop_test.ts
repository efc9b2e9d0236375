import assert from "node:assert/strict";
import { KvTrouble } from "../../../lib/cache/disk/_kv_trouble.ts";
import { KvWriteLoop } from "../../../lib/cache/disk/_kv_write_loop.ts";
import { KvWriter } from "../../../lib/cache/disk/_kv_writer.ts";
import { WriteQueue } from "../../../lib/cache/disk/_write_queue.ts";
import { FaultyKv, openKvForTest, rowCounts } from "./opened_kv.ts";
import { sampleResponse } from "../store_suite.ts";

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
