import assert from "node:assert/strict";
import { mock } from "node:test";
import { EventStreams } from "../../../lib/workers/operations/event_streams.ts";

/** Streams under a clock of their own; `made` counts ticks that were made. */
function bench() {
  mock.timers.enable({ apis: ["setInterval"] });
  const made = { hellos: 0, ticks: 0 };
  const streams = new EventStreams({
    hello: (reader) => ({ type: "hello", ...reader, n: ++made.hellos }),
    tick: () => ({ type: "tick", n: ++made.ticks }),
  });
  return { streams, made, [Symbol.dispose]: () => mock.timers.reset() };
}

class Lines {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;

  constructor(stream: ReadableStream<Uint8Array> | null) {
    this.#reader = stream!.getReader();
  }

  async next(): Promise<unknown> {
    const { done, value } = await this.#reader.read();
    return done ? null : JSON.parse(new TextDecoder().decode(value));
  }

  leave(): Promise<void> {
    return this.#reader.cancel();
  }
}

Deno.test("EventStreams begins with a hello, ticks for all at once, and makes nothing without a reader", async () => {
  using parts = bench();
  const { streams, made } = parts;
  mock.timers.tick(20_000);
  const [one, two] = [new Lines(streams.open({ role: "read" })), new Lines(streams.open({}))];
  assert.deepEqual(await one.next(), { type: "hello", role: "read", n: 1 });
  assert.deepEqual(await two.next(), { type: "hello", n: 2 });
  mock.timers.tick(2_000);
  assert.deepEqual([await one.next(), await two.next()], [{ type: "tick", n: 1 }, { type: "tick", n: 1 }]);
  await one.leave();
  mock.timers.tick(2_000);
  assert.deepEqual(await two.next(), { type: "tick", n: 2 });
  await two.leave();
  mock.timers.tick(20_000);
  assert.deepEqual(made, { hellos: 2, ticks: 2 });
});

Deno.test("EventStreams has sixteen readers at most, and lets one go that does not read", async () => {
  using parts = bench();
  const { streams } = parts;
  const all = Array.from({ length: 16 }, () => new Lines(streams.open({})));
  assert.equal(streams.open({}), null);
  // All but the last read on.
  for (let tick = 0; tick < 9; tick++) {
    mock.timers.tick(2_000);
    await Promise.all(all.slice(0, 15).map((lines) => lines.next()));
  }
  await assert.rejects(async () => {
    for (;;) await all[15]!.next();
  }, /too far behind/);
  assert.notEqual(streams.open({}), null);
  streams.close();
});

Deno.test("EventStreams ends its streams at a restart, and for good with a last tick", async () => {
  using parts = bench();
  const { streams } = parts;
  const before = new Lines(streams.open({}));
  await before.next();
  streams.restart();
  assert.equal(await before.next(), null);
  const after = new Lines(streams.open({}));
  assert.deepEqual(await after.next(), { type: "hello", n: 2 });
  streams.close();
  assert.deepEqual([await after.next(), await after.next()], [{ type: "tick", n: 1 }, null]);
  assert.equal(streams.open({}), null);
});
