import assert from "node:assert/strict";
import { mock } from "node:test";
import type { Conversion, Recipe } from "../../lib/image/conversion.ts";
import { ConversionQueue, type QueueOptions } from "../../lib/image/conversion_queue.ts";
import type { Codec } from "../../lib/image/sharp_codec.ts";

const options: QueueOptions = { concurrency: 1, queue: 2, timeoutMs: 60_000, maxBytes: 100, maxPixels: 1_000 };
const recipe: Recipe = { format: "webp", quality: 1, effort: 0 };
const DONE: Conversion = { kind: "done", body: Uint8Array.of(1) };

/** A codec that ends when the test says so. */
class HeldCodec implements Codec {
  readonly ends: ((conversion: Conversion | Error) => void)[] = [];

  convert(): Promise<Conversion> {
    return new Promise((resolve, reject) => this.ends.push((end) => end instanceof Error ? reject(end) : resolve(end)));
  }
}

/** Adds an order; answers what became of it. */
function ordered(
  queue: ConversionQueue,
  body: Uint8Array<ArrayBuffer> | null | Error = new Uint8Array(3),
  listener = "l",
) {
  return new Promise<Conversion>((answer) =>
    queue.add({
      recipe,
      listener,
      fetch: () => body instanceof Error ? Promise.reject(body) : Promise.resolve(body),
      answer,
    })
  );
}

const settled = () => new Promise((resolve) => setTimeout(resolve, 0));

Deno.test("ConversionQueue runs as many at a time as it may, lets some wait and refuses the others at once", async () => {
  const codec = new HeldCodec();
  const queue = new ConversionQueue(codec, options);
  const first = [ordered(queue), ordered(queue), ordered(queue)];
  assert.deepEqual(await ordered(queue), { kind: "refused", detail: "the queue is full" });
  await settled();
  assert.deepEqual(queue.figures, { running: 1, waiting: 2, overdue: 0 });
  for (let turn = 0; turn < 3; turn++) {
    assert.equal(codec.ends.length, turn + 1);
    codec.ends[turn]!(DONE);
    assert.equal(await first[turn], DONE);
    await settled();
  }
  assert.deepEqual(queue.figures, { running: 0, waiting: 0, overdue: 0 });
});

Deno.test("ConversionQueue gives listeners turns, and a place in a full queue to the one that has less", async () => {
  const codec = new HeldCodec();
  const queue = new ConversionQueue(codec, { ...options, queue: 4 });
  const done: string[] = [];
  const order = (name: string) =>
    ordered(queue, new Uint8Array(3), name.slice(0, 1)).then((conversion) => {
      if (conversion === DONE) done.push(name);
      return conversion.kind;
    });
  const flood = ["a0", "a1", "a2", "a3", "a4"].map(order);
  const few = [order("b0"), order("b1")];
  assert.deepEqual(await Promise.all(flood.slice(3)), ["refused", "refused"]);
  assert.equal(await order("a5"), "refused");
  for (let turn = 0; turn < 5; turn++) {
    await settled();
    codec.ends[turn]!(DONE);
    await settled();
  }
  assert.deepEqual(await Promise.all(few), ["done", "done"]);
  assert.deepEqual(done, ["a0", "a1", "b0", "a2", "b1"]);
});

Deno.test("ConversionQueue takes more at a time when it is told to", async () => {
  const codec = new HeldCodec();
  const queue = new ConversionQueue(codec, options);
  const all = [ordered(queue), ordered(queue), ordered(queue)];
  queue.reconfigure({ ...options, concurrency: 3 });
  await settled();
  assert.equal(codec.ends.length, 3);
  for (const end of codec.ends) end(DONE);
  assert.deepEqual(await Promise.all(all), [DONE, DONE, DONE]);
});

Deno.test("ConversionQueue goes on when a body does not come, is too large, or breaks the codec", async () => {
  const codec = new HeldCodec();
  const queue = new ConversionQueue(codec, { ...options, queue: 10 });
  assert.equal((await ordered(queue, null)).kind, "failed");
  assert.equal((await ordered(queue, new Error("gone"))).kind, "failed");
  assert.deepEqual(await ordered(queue, new Uint8Array(101)), { kind: "unsuitable", detail: "101 bytes" });
  const broken = ordered(queue);
  const late = ordered(queue);
  await settled();
  codec.ends[0]!(new Error("Input buffer has corrupt header\nmore of it"));
  assert.deepEqual(await broken, { kind: "failed", detail: "Input buffer has corrupt header" });
  await settled();
  codec.ends[1]!(new Error("timeout: 38% complete"));
  assert.equal((await late).kind, "timeout");
});

Deno.test("ConversionQueue answers for a conversion that is late, whose place stays taken until it ends", async () => {
  const codec = new HeldCodec();
  const queue = new ConversionQueue(codec, { ...options, timeoutMs: 1 });
  assert.equal((await ordered(queue)).kind, "timeout");
  assert.deepEqual(queue.figures, { running: 1, waiting: 0, overdue: 1 });
  codec.ends[0]!(DONE);
  await settled();
  assert.deepEqual(queue.figures, { running: 0, waiting: 0, overdue: 0 });
});

Deno.test("ConversionQueue says when every place is taken by a conversion that will not end", async () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  try {
    const codec = new HeldCodec();
    const queue = new ConversionQueue(codec, { ...options, concurrency: 2, timeoutMs: 1_000 });
    let jams = 0;
    queue.onJammed = () => jams++;
    const begun = async (count: number) => {
      while (codec.ends.length < count) await Promise.resolve();
    };
    const first = ordered(queue);
    await begun(1);
    mock.timers.tick(5_000);
    assert.equal((await first).kind, "timeout");
    mock.timers.tick(100_000);
    // The other place is free.
    assert.equal(jams, 0);
    const second = ordered(queue);
    await begun(2);
    mock.timers.tick(5_000);
    assert.equal((await second).kind, "timeout");
    mock.timers.tick(100_000);
    assert.deepEqual([jams, queue.figures.overdue], [1, 2]);
    for (const end of codec.ends) end(DONE);
  } finally {
    mock.timers.reset();
  }
});
