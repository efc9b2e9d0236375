import assert from "node:assert/strict";
import { KvStateStore } from "../../lib/state/kv_state_store.ts";
import { MapStateStore } from "./map_state_store.ts";
import { stateSuite } from "./state_suite.ts";

stateSuite({
  name: "KvStateStore",
  async open() {
    const kv = await Deno.openKv(":memory:");
    return { state: new KvStateStore(kv), [Symbol.asyncDispose]: () => Promise.resolve(kv.close()) };
  },
});

stateSuite({
  name: "MapStateStore",
  open: () => Promise.resolve({ state: new MapStateStore(), [Symbol.asyncDispose]: () => Promise.resolve() }),
});

async function partRows(kv: Deno.Kv): Promise<number> {
  return (await Array.fromAsync(kv.list({ prefix: ["parts"] }))).length;
}

Deno.test("KvStateStore reads rows that were written under the name before", async () => {
  using kv = await Deno.openKv(":memory:");
  const rule = { id: "a", scope: { kind: "all", listener: null }, soft: false, timeMs: 1 };
  await kv.set(["p", "a"], rule);
  const state = new KvStateStore(kv);
  assert.deepEqual(await Array.fromAsync(state.list(["p"])), [{ key: ["p", "a"], value: rule }]);
});

Deno.test("KvStateStore leaves no part of what was replaced, of what was removed, or of what a killed writer began", async () => {
  using kv = await Deno.openKv(":memory:");
  const state = new KvStateStore(kv);
  const key = ["a", "b"];
  const value = "x".repeat(150_000);
  await state.set([{ key, value }]);
  assert.equal(await partRows(kv), 3);
  await kv.set(["parts", JSON.stringify(key), "a killed writer's", 0], new Uint8Array(9));
  await state.set([{ key, value: `${value}y` }]);
  assert.equal(await partRows(kv), 3);
  assert.equal(await state.get(key), `${value}y`);
  await state.set([{ key: ["a"], value }]);
  await state.set([{ key: ["a"], value: 1 }]);
  assert.equal(await partRows(kv), 3, "those of a longer name stay");
  await state.delete(key);
  assert.equal(await partRows(kv), 0);
});

Deno.test("KvStateStore takes a value whose parts are missing or damaged for none", async () => {
  using kv = await Deno.openKv(":memory:");
  const state = new KvStateStore(kv);
  await state.set([{ key: ["a"], value: "x".repeat(150_000) }]);
  const parts = await Array.fromAsync(kv.list({ prefix: ["parts"] }));
  await kv.set(parts[0]!.key, new Uint8Array(60_000).fill(255));
  assert.equal(await state.get(["a"]), null);
  await kv.delete(parts[1]!.key);
  assert.equal(await state.get(["a"]), null);
  await state.set([{ key: ["a"], value: 5 }]);
  assert.equal(await state.get(["a"]), 5);
});
