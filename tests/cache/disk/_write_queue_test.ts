import assert from "node:assert/strict";
import { WriteQueue } from "../../../lib/cache/disk/_write_queue.ts";
import { sampleResponse } from "../store_suite.ts";

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
