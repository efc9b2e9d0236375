import assert from "node:assert/strict";
import { KvStateStore } from "../../../lib/state/kv_state_store.ts";
import { type KeptPrewarm, PrewarmMemory } from "../../../lib/workers/operations/prewarm_memory.ts";

function kept(listener: string, count: number, done = 0): KeptPrewarm {
  const targets = Array.from({ length: count }, (_, n) => `/${"x".repeat(n % 300)}/${n}`);
  return { listener, targets, done, concurrency: 3, ratePerSecond: 7, pictures: null };
}

Deno.test("PrewarmMemory gives back what was begun, as far as it has come, however many targets it has", async () => {
  using kv = await Deno.openKv(":memory:");
  const memory = new PrewarmMemory(new KvStateStore(kv));
  const [many, few] = [kept("films", 3_000), kept("stars", 2)];
  await memory.begin(many);
  await memory.begin(few);
  await memory.advance({ ...many, done: 1_234 });
  assert.deepEqual(await new PrewarmMemory(new KvStateStore(kv)).unfinished(), [{ ...many, done: 1_234 }, few]);
});

Deno.test("PrewarmMemory forgets what has ended, also where a note of its progress comes late", async () => {
  using kv = await Deno.openKv(":memory:");
  const memory = new PrewarmMemory(new KvStateStore(kv));
  const films = kept("films", 500);
  await memory.begin(films);
  const late = [memory.advance({ ...films, done: 400 }), memory.end("films"), memory.advance({ ...films, done: 500 })];
  await Promise.all(late);
  assert.deepEqual(await memory.unfinished(), []);
  assert.equal((await Array.fromAsync(kv.list({ prefix: [] }))).length, 0);
});

Deno.test("PrewarmMemory goes on from a cursor after a restart, and replaces one prewarm by the next", async () => {
  using kv = await Deno.openKv(":memory:");
  await new PrewarmMemory(new KvStateStore(kv)).begin(kept("films", 800));
  const again = new PrewarmMemory(new KvStateStore(kv));
  await again.unfinished();
  await again.advance(kept("films", 800, 100));
  assert.equal((await again.unfinished())[0]!.done, 100);
  await again.begin(kept("films", 3));
  assert.deepEqual(await again.unfinished(), [kept("films", 3)]);
});

Deno.test("PrewarmMemory has nothing to say without KV, and takes a cursor without its targets for none", async () => {
  const none = new PrewarmMemory(null);
  await none.begin(kept("films", 3));
  assert.deepEqual(await none.unfinished(), []);
  using kv = await Deno.openKv(":memory:");
  await new PrewarmMemory(new KvStateStore(kv)).begin(kept("films", 3_000));
  await kv.delete(["prewarm", "films", "targets"]);
  assert.deepEqual(await new PrewarmMemory(new KvStateStore(kv)).unfinished(), []);
});

Deno.test("PrewarmMemory goes on with a prewarm of the layout before, and leaves nothing of it", async () => {
  using kv = await Deno.openKv(":memory:");
  await kv.set(["prewarm", "films", "page", 0], "/a\n/b");
  await kv.set(["prewarm", "films", "page", 1], "/c");
  await kv.set(["prewarm", "films", "cursor"], { done: 1, pages: 2, concurrency: 3, ratePerSecond: 7 });
  await kv.set(["prewarm", "stars", "cursor"], { done: 1, pages: 2, concurrency: 3, ratePerSecond: 7 });
  const memory = new PrewarmMemory(new KvStateStore(kv));
  const targets = ["/a", "/b", "/c"];
  assert.deepEqual(await memory.unfinished(), [{
    listener: "films",
    targets,
    done: 1,
    concurrency: 3,
    ratePerSecond: 7,
    pictures: null,
  }]);
  await memory.end("films");
  await memory.end("stars");
  assert.deepEqual(await Array.fromAsync(kv.list({ prefix: [] })), []);
});
