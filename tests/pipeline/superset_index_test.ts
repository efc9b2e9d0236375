import assert from "node:assert/strict";
import { createKvTier } from "../../lib/cache/disk/kv_tier.ts";
import { createMemoryTier } from "../../lib/cache/memory/memory_tier.ts";
import type { Store } from "../../lib/cache/store.ts";
import { createTieredStore } from "../../lib/cache/tiered_store.ts";
import { BackgroundTasks } from "../../lib/request/services.ts";
import { SupersetIndex } from "../../lib/pipeline/cut_superset.ts";
import { sample } from "../cache/stored_sample.ts";
import { HandClock } from "./in_process_gateway.ts";

const NOW_MS = Date.UTC(2026, 0, 2);

/** What an index works with, and the wait for what it writes. */
interface Place {
  readonly services: { readonly store: Store; readonly background: BackgroundTasks };
  settle(): Promise<void>;
}

async function withStore(hasDisk: boolean, run: (place: Place) => Promise<void>): Promise<void> {
  const directory = await Deno.makeTempDir();
  const kv = await Deno.openKv(`${directory}/kv`);
  const clock = new HandClock(NOW_MS);
  const disk = hasDisk ? createKvTier({ kv, clock, log: { warn: () => {} }, limitBytes: 64 << 20 }) : null;
  const store = createTieredStore({ memory: createMemoryTier({ limitBytes: 1 << 20 }), disk, clock });
  const background = new BackgroundTasks(100, (error) => {
    throw error;
  });
  try {
    await run({ services: { store, background }, settle: () => background.drain(5_000) });
  } finally {
    await store.close(5_000);
    kv.close();
    await Deno.remove(directory, { recursive: true });
  }
}

/** A stored document at a key, fresh at {@linkcode NOW_MS}. */
function documentAt(key: string, tiers = { memory: true, disk: true }) {
  return sample(key, 10, { tiers, requestTimeMs: NOW_MS, responseTimeMs: NOW_MS });
}

Deno.test("SupersetIndex names what it was told, the newest first, and no more than eight", () =>
  withStore(false, async ({ services, settle }) => {
    const index = new SupersetIndex();
    assert.deepEqual(index.known("b"), []);
    for (let number = 0; number < 10; number++) index.note(services, "b", documentAt(`b?${number}`));
    index.note(services, "b", documentAt("b?5"));
    assert.deepEqual(index.known("b"), [5, 9, 8, 7, 6, 4, 3, 2].map((number) => `b?${number}`));
    index.note(services, "c", documentAt(`c?${"x".repeat(3_000)}`));
    assert.deepEqual(index.known("c"), []);
    await settle();
  }));

Deno.test("SupersetIndex tells other workers, by the disk tier", () =>
  withStore(true, async ({ services, settle }) => {
    const [one, other] = [new SupersetIndex(), new SupersetIndex()];
    one.note(services, "b", documentAt("b?credits,Ünïcode\u0000%"));
    await settle();
    other.note(services, "b", documentAt("b?images"));
    await settle();
    assert.deepEqual(await other.recorded(services, "b"), ["b?credits,Ünïcode\u0000%"]);
    assert.deepEqual(other.known("b"), ["b?images", "b?credits,Ünïcode\u0000%"]);
    assert.deepEqual(await other.recorded(services, "b"), []);
    assert.deepEqual(await new SupersetIndex().recorded(services, "b"), ["b?images", "b?credits,Ünïcode\u0000%"]);
    assert.deepEqual(await one.recorded(services, "elsewhere"), []);
  }));

Deno.test("SupersetIndex writes nothing down for what must not come to the disk, and nothing into memory", () =>
  withStore(true, async ({ services, settle }) => {
    const index = new SupersetIndex();
    index.note(services, "b", documentAt("b?1", { memory: true, disk: false }));
    await settle();
    assert.deepEqual(await new SupersetIndex().recorded(services, "b"), []);
    index.note(services, "b", documentAt("b?2"));
    await settle();
    assert.equal(services.store.stats().memory.entries, 0);
  }));
