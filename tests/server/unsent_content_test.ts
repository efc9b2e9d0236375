import assert from "node:assert/strict";
import { type ContentSender, UnsentContent } from "../../lib/server/_unsent_content.ts";
import { eventually } from "../eventually.ts";
import { reply, serving } from "./serving.ts";

const MiB = 1024 * 1024;

function unsentOf(limitBytes: number) {
  const counts = { cutOffReaders: 0 };
  const clock = { nowMs: 10_000 };
  const unsent = new UnsentContent({ limitBytes: () => limitBytes, counts, clock });
  const cut: string[] = [];
  const read = (name: string, memory: ArrayBuffer, bytes: number | null, sinceMs = 0): ContentSender => {
    const sender: ContentSender = {
      taken: bytes === null ? null : { sinceMs, bytes },
      cutOff() {
        cut.push(name);
        unsent.release(sender, memory);
      },
    };
    unsent.hold(sender, memory);
    return sender;
  };
  return { unsent, counts, cut, read };
}

Deno.test("UnsentContent counts memory once, however many send it, and until the last of them is done", () => {
  const { unsent, cut, read } = unsentOf(4 * MiB);
  const memory = new ArrayBuffer(3 * MiB);
  const senders = Array.from({ length: 5 }, (_, n) => read(`${n}`, memory, n));
  assert.equal(unsent.bytes, 3 * MiB);
  for (const sender of senders.slice(1)) unsent.release(sender, memory);
  assert.equal(unsent.bytes, 3 * MiB);
  unsent.release(senders[0]!, memory);
  unsent.release(senders[0]!, memory);
  assert.equal(unsent.bytes, 0);
  assert.deepEqual(cut, []);
  assert.equal(unsent.hold(senders[0]!, new ArrayBuffer(64 * 1024)), false, "streams are copied through such memory");
});

Deno.test("UnsentContent cuts off the readers of that content whose fastest reader is the slowest, and no more than it must", () => {
  const { unsent, counts, cut, read } = unsentOf(10 * MiB);
  const [popular, slow, slower] = [new ArrayBuffer(4 * MiB), new ArrayBuffer(3 * MiB), new ArrayBuffer(2 * MiB)];
  read("stalled, of popular content", popular, 0);
  read("fast, of popular content", popular, 3 * MiB);
  read("slow", slow, 2_000);
  read("slower", slower, 1_000);
  read("slower too", slower, 500);
  assert.deepEqual(cut, []);
  read("new", new ArrayBuffer(2 * MiB), 0, 9_500);
  assert.deepEqual(cut, ["slower", "slower too"]);
  assert.equal(counts.cutOffReaders, 2);
  assert.equal(unsent.bytes, 9 * MiB);
});

Deno.test("UnsentContent judges nobody who is new or waits for more content", () => {
  const { unsent, cut, read } = unsentOf(1 * MiB);
  read("new", new ArrayBuffer(1 * MiB), 0, 9_500);
  read("waits for more", new ArrayBuffer(1 * MiB), null);
  read("another", new ArrayBuffer(1 * MiB), 0, 9_999);
  assert.deepEqual(cut, []);
  assert.equal(unsent.bytes, 3 * MiB);
});

/** More than the buffers of two sockets take. */
const BODY_BYTES = 32 * MiB;

Deno.test("a reader that takes nothing loses its connection where the memory that it keeps is wanted, and others go on", async () => {
  let made = 0;
  await using running = await serving(() => reply({ body: new Uint8Array(BODY_BYTES).fill(++made) }), {
    limits: { unsentBytes: 80 * MiB },
  });
  const [hostname, port] = running.address.split(":") as [string, string];
  using stalled = await Deno.connect({ hostname, port: Number(port) });
  await stalled.write(new TextEncoder().encode("GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
  await eventually("the stalled reader's request is served", () => made === 1);
  const ask = async () => (await (await fetch(`http://${running.address}/`)).arrayBuffer()).byteLength;
  await eventually("it is old enough to be judged when others want the memory", async () => {
    assert.deepEqual(await Promise.all([ask(), ask(), ask()]), [BODY_BYTES, BODY_BYTES, BODY_BYTES]);
    return running.server.counts.cutOffReaders > 0;
  }, 60_000);
  assert.equal(running.server.counts.cutOffReaders, 1);
  await assert.rejects(async () => {
    const buffer = new Uint8Array(MiB);
    let got = 0;
    for (let count; (count = await stalled.read(buffer)) !== null;) got += count;
    assert.ok(got < BODY_BYTES);
    throw new Error("it ended early");
  });
});
