import assert from "node:assert/strict";
import { PaceWheel } from "../../lib/server/pace_wheel.ts";
import { pacedReply, UNPACED_BYTES } from "../../lib/server/paced_reply.ts";
import type { Reply } from "../../lib/server/reply.ts";
import type { BodySource } from "../../lib/wire/body_source.ts";

const MIB = 1024 * 1024;

function reply(body: Reply["body"], lengthBytes: number | null): Reply {
  return { status: 200, fixed: null, lines: "", hasDate: false, lengthBytes, body, onEnd: null };
}

/** Time that a test moves. */
class HandTime {
  nowMs = 0;
  readonly wheel = new PaceWheel(() => this.nowMs);
}

/** How much faster than real time a test's time runs. */
const FASTER = 5;

/** Reads to the end: the bytes, and how many there were at which time. */
async function readAll(source: BodySource, nowMs: () => number) {
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  const at: [ms: number, total: number][] = [];
  let total = 0;
  for (let chunk = await source.read(); chunk !== null; chunk = await source.read()) {
    chunks.push(chunk.slice());
    total += chunk.length;
    at.push([nowMs(), total]);
  }
  return { bytes: await new Blob(chunks).bytes(), at };
}

const content = new Uint8Array(4 * MIB).map((_, index) => index % 251);

Deno.test("pacedReply() leaves small content alone, and content that is not there", () => {
  const small = reply(content.subarray(0, UNPACED_BYTES), UNPACED_BYTES);
  assert.equal(pacedReply(small, 1_000), small);
  const none = reply(null, 5 * MIB);
  assert.equal(pacedReply(none, 1_000), none);
});

Deno.test("pacedReply() sends every byte, none faster than the pace beyond a beginning, whatever form the content has", async () => {
  const source: BodySource = {
    lengthBytes: null,
    read: (() => {
      let at = 0;
      return () => Promise.resolve(at < content.length ? content.subarray(at, at += 1_500_000) : null);
    })(),
    cancel: () => {},
  };
  const pieces = [content.subarray(0, MIB), content.subarray(MIB)];
  for (const [body, length] of [[content, content.length], [pieces, content.length], [source, null]] as const) {
    const startedMs = performance.now();
    const nowMs = () => (performance.now() - startedMs) * FASTER;
    const paced = pacedReply(reply(body, length), 2 * MIB, new PaceWheel(nowMs));
    const { bytes, at } = await readAll(paced.body as BodySource, nowMs);
    assert.deepEqual(bytes, content);
    for (const [ms, total] of at) {
      // A piece may go when the one before it is paid for.
      const allowed = UNPACED_BYTES + 2 * MIB * (ms / 1000) + 2 * MIB / 20;
      assert.ok(total <= allowed, `${total} bytes after ${ms} ms, ${allowed} are allowed`);
    }
  }
});

Deno.test("time that a slow client lets pass buys no more than a beginning", async () => {
  const time = new HandTime();
  const paced = pacedReply(reply(content, content.length), MIB, time.wheel).body as BodySource;
  await paced.read();
  time.nowMs += 3_600_000;
  let atOnce = 0;
  while (time.wheel.size === 0) {
    const reading = paced.read();
    for (let turn = 0; turn < 10; turn++) await undefined;
    if (time.wheel.size > 0) break;
    atOnce += (await reading)!.length;
  }
  assert.ok(atOnce <= UNPACED_BYTES + MIB / 20, `${atOnce} at once`);
  paced.cancel();
  assert.equal(time.wheel.size, 0);
});

Deno.test("a reader that leaves while it waits is let go, and takes its source with it", async () => {
  const time = new HandTime();
  let isCancelled = false;
  const source: BodySource = {
    lengthBytes: null,
    read: () => Promise.resolve(content),
    cancel: () => isCancelled = true,
  };
  const paced = pacedReply(reply(source, null), MIB, time.wheel).body as BodySource;
  let reading = paced.read();
  while (time.wheel.size === 0) {
    await reading;
    reading = paced.read();
    for (let turn = 0; turn < 10; turn++) await undefined;
  }
  paced.cancel();
  assert.equal(await reading, null);
  assert.deepEqual([isCancelled, time.wheel.size], [true, 0]);
});
