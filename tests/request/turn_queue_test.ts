import assert from "node:assert/strict";
import { TurnQueue } from "../../lib/request/turn_queue.ts";

Deno.test("TurnQueue serves in order, as things are given back", async () => {
  const queue = new TurnQueue(10);
  let free = 0;
  const served: number[] = [];
  const attempt = () => free > 0 ? free-- : null;
  const turns = [1, 2, 3].map((n) =>
    queue.take(attempt, { waitMs: 5_000 }).then((got) => got !== null && served.push(n))
  );
  assert.equal(queue.size, 3);
  for (const expected of [[1], [1, 2], [1, 2, 3]]) {
    free = 1;
    queue.advance();
    await Promise.resolve();
    await Promise.resolve();
    assert.deepEqual(served, expected);
  }
  await Promise.all(turns);
  assert.equal(queue.size, 0);
  assert.equal(queue.oldestMs, null);
});

Deno.test("TurnQueue finds by itself what was given back elsewhere", async () => {
  const queue = new TurnQueue(1);
  let free = false;
  const turn = queue.take(() => free || null, { waitMs: 5_000 });
  free = true;
  assert.equal(await turn, true);
});

Deno.test("TurnQueue turns away what is too many, too late or not wanted any more", async () => {
  const queue = new TurnQueue(2);
  const never = () => null;
  const client = new AbortController();
  const leaving = queue.take(never, { waitMs: 5_000, signal: client.signal });
  const late = queue.take(never, { waitMs: 20 });
  assert.equal(await queue.take(() => 1, { waitMs: 5_000 }), null, "full");
  client.abort();
  assert.equal(await leaving, null);
  assert.equal(await late, null);
  assert.equal(queue.size, 0);
  assert.equal(await queue.take(() => 1, { waitMs: 0 }), null);
  assert.equal(await queue.take(() => 1, { waitMs: 5, signal: client.signal }), null);
});

Deno.test("TurnQueue lets nobody pass the first that waits", async () => {
  const queue = new TurnQueue(10);
  let open = false;
  const first = queue.take(() => open ? "first" : null, { waitMs: 30 });
  const second = queue.take(() => "second", { waitMs: 5_000 });
  queue.advance();
  assert.equal(queue.size, 2);
  assert.equal(await first, null);
  assert.equal(await second, "second");
  open = true;
});
