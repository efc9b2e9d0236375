import assert from "node:assert/strict";
import { LateStateStore } from "../../lib/state/late_state_store.ts";
import { MapStateStore } from "./map_state_store.ts";

Deno.test("LateStateStore keeps what is set until it is attached, and writes it then", async () => {
  const late = new LateStateStore(null);
  assert.equal(late.isAttached, false);
  await late.set([{ key: ["a", "x"], value: 1 }, { key: ["a", "y"], value: 2 }, { key: ["ab", "z"], value: 3 }]);
  assert.equal(await late.get(["a", "x"]), 1);
  assert.equal(await late.get(["a"]), null);
  await late.delete(["a", "y"], (value) => value !== 2);
  assert.deepEqual(await Array.fromAsync(late.list(["a"])), [{ key: ["a", "x"], value: 1 }, {
    key: ["a", "y"],
    value: 2,
  }]);
  await late.delete(["a", "y"]);
  const below = new MapStateStore();
  await below.set([{ key: ["b", "x"], value: 4 }]);
  await late.attach(below);
  assert.equal(late.isAttached, true);
  assert.equal(await below.get(["a", "x"]), 1);
  assert.equal(await below.get(["a", "y"]), null);
  assert.equal(await late.get(["b", "x"]), 4);
  await late.set([{ key: ["c"], value: 5 }]);
  assert.equal(await below.get(["c"]), 5);
});

Deno.test("LateStateStore with a store from the start passes everything on", async () => {
  const below = new MapStateStore();
  const late = new LateStateStore(below);
  await late.set([{ key: ["a", "x"], value: 1 }]);
  assert.equal(await below.get(["a", "x"]), 1);
  assert.deepEqual(await Array.fromAsync(late.list(["a"])), [{ key: ["a", "x"], value: 1 }]);
  await late.delete(["a", "x"]);
  assert.equal(await below.get(["a", "x"]), null);
});
