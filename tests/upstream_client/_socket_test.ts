import assert from "node:assert/strict";
import { type Duplex, openingStep, readFull } from "../../lib/upstream_client/_socket.ts";

/** A socket that gives its chunks one by one and takes three bytes at a time. */
function slowSocket(chunks: number[][]): Duplex & { readonly written: number[] } {
  const written: number[] = [];
  return {
    written,
    read(target) {
      const chunk = chunks.shift();
      if (chunk === undefined) return Promise.resolve(null);
      const taken = chunk.slice(0, target.length);
      if (chunk.length > taken.length) chunks.unshift(chunk.slice(taken.length));
      target.set(taken);
      return Promise.resolve(taken.length);
    },
    write(bytes) {
      const taken = bytes.slice(0, 3);
      written.push(...taken);
      return Promise.resolve(taken.length);
    },
  };
}

Deno.test("readFull() reads as much as asked for and not one byte more", async () => {
  const socket = slowSocket([[1], [2, 3, 4], [5]]);
  const target = new Uint8Array(3);
  assert.equal(await readFull(socket, target), true);
  assert.deepEqual([...target], [1, 2, 3]);
  assert.equal(await readFull(socket, new Uint8Array(3)), false);
});

Deno.test("openingStep() closes the socket on failure and on abort, and not otherwise", async () => {
  const closed: string[] = [];
  const socket = (name: string) => ({ [Symbol.dispose]: () => void closed.push(name) });
  const { signal } = new AbortController();
  assert.equal(await openingStep(socket("fine"), signal, () => Promise.resolve(7)), 7);
  await assert.rejects(openingStep(socket("failed"), signal, () => Promise.reject(new Error("no"))), /no/);
  const controller = new AbortController();
  const never = Promise.withResolvers<void>();
  const step = openingStep(socket("aborted"), controller.signal, () => never.promise);
  controller.abort();
  assert.deepEqual(closed, ["failed", "aborted"]);
  never.reject(new Error("closed"));
  await assert.rejects(step);
  await assert.rejects(openingStep(socket("late"), controller.signal, () => Promise.resolve(7)), {
    name: "AbortError",
  });
});
