import assert from "node:assert/strict";
import { join } from "node:path";
import { newDiskFilterMemory } from "../../../lib/cache/disk/disk_filter.ts";
import { KvFilterKeeper } from "../../../lib/cache/disk/kv_filter_keeper.ts";
import { prepareKvFile } from "../../../lib/cache/disk/kv_open.ts";
import { newLeaseMemory, TAG_FILTER_AT } from "../../../lib/cache/flights/lease_table.ts";
import type { PurgeRule } from "../../../lib/cache/purge/purge_rules.ts";
import type { StoredResponse } from "../../../lib/cache/stored_response.ts";
import { TagFilter } from "../../../lib/cache/purge/tag_filter.ts";
import { systemClock } from "../../../lib/clock.ts";
import { createLogger } from "../../../lib/logging/logger.ts";
import type { InitMessage } from "../../../lib/workers/messages.ts";
import { WorkerStore } from "../../../lib/workers/worker/worker_store.ts";
import { sample } from "../../cache/stored_sample.ts";
import { ANY_CONFIG, configOf } from "../../gateway/config_of.ts";
import { initMessage } from "../messages.ts";

const quiet = createLogger({ level: "info", format: "json", sink: (line) => assert.fail(line), now: Date.now });
const config = await configOf({ ...ANY_CONFIG, cache: { memory: "16MiB", disk: "64MiB" } });

/** A worker's store that ends with its scope. */
async function openStore(init: Partial<InitMessage> = {}) {
  const opened = await WorkerStore.open(initMessage({ generation: 1, config, ...init }), quiet);
  return {
    opened,
    async [Symbol.asyncDispose]() {
      await opened.store.close(5_000);
      opened.disk.close();
    },
  };
}

/** Fresh for a minute from now. */
function fresh(path: string, bytes = 100): StoredResponse {
  return sample(`films\0${path}`, bytes, { requestTimeMs: Date.now(), responseTimeMs: Date.now() });
}

function everything(timeMs = Date.now()): PurgeRule {
  return { id: crypto.randomUUID(), scope: { kind: "all", listener: "films" }, soft: false, timeMs };
}

/** Gives two stores a port to each other, as the fleet does; answers what each was told to forget. */
function acquaint(a: WorkerStore, b: WorkerStore): { readonly a: string[]; readonly b: string[]; close(): void } {
  const { port1, port2 } = new MessageChannel();
  const told = { a: [] as string[], b: [] as string[], close: () => (port1.close(), port2.close()) };
  a.connect(1, port1, (key) => told.a.push(key));
  b.connect(0, port2, (key) => told.b.push(key));
  return told;
}

Deno.test("WorkerStore keeps responses in memory where there is no file, and tells what it holds", async () => {
  await using own = await openStore();
  own.opened.store.put(fresh("/1"));
  own.opened.store.put(fresh("/2"));
  const found = await own.opened.store.get("films\0/1");
  assert.deepEqual([found!.tier, found!.response.body.length], ["memory", 100]);
  const { memory, disk, diskProblem, byListener, purgeRules } = own.opened.figures();
  assert.deepEqual([memory!.entries, disk, diskProblem, purgeRules], [2, null, null, 0]);
  assert.deepEqual([memory!.limitBytes, byListener["films"]!.memoryEntries], [16 << 20, 2]);
});

Deno.test("purge() holds look-ups against its rules at once, and figures() counts them", async () => {
  await using own = await openStore();
  own.opened.store.put(fresh("/1"));
  own.opened.purge([everything()]);
  assert.equal(await own.opened.store.get("films\0/1"), undefined);
  assert.equal(own.opened.figures().purgeRules, 1);
});

Deno.test("WorkerStore begins with the purges in force, on what other workers have left on disk too", async () => {
  const directory = await Deno.makeTempDir();
  const { path: kvPath } = await prepareKvFile(join(directory, "usher.kv"), { clock: systemClock, log: quiet });
  {
    await using before = await openStore({ kvPath });
    before.opened.store.put(fresh("/1"));
  }
  {
    await using again = await openStore({ kvPath });
    const found = await again.opened.store.get("films\0/1");
    assert.equal(found!.tier, "disk");
    assert.equal(again.opened.figures().disk!.limitBytes > 0, true);
  }
  {
    await using purged = await openStore({ kvPath, purges: [everything()] });
    assert.equal(await purged.opened.store.get("films\0/1"), undefined);
  }
  await Deno.remove(directory, { recursive: true });
});

Deno.test("what one worker deletes the others have forgotten when forgotten() settles", async () => {
  await using one = await openStore();
  await using two = await openStore();
  const told = acquaint(one.opened, two.opened);
  for (const { opened } of [one, two]) opened.store.put(fresh("/1"));
  one.opened.store.delete("films\0/1");
  await one.opened.forgotten();
  assert.equal(await two.opened.store.get("films\0/1"), undefined);
  assert.deepEqual([told.a, told.b], [[], ["films\0/1"]], "the one that was told tells nobody");
  told.close();
});

Deno.test("forgotten() does not wait for a worker that does not answer for long, nor for nobody", async () => {
  await using alone = await openStore();
  alone.opened.store.delete("films\0/1");
  await alone.opened.forgotten();
  const { port1, port2 } = new MessageChannel();
  alone.opened.connect(1, port1, () => {});
  alone.opened.store.delete("films\0/2");
  // Nobody listens at the other end.
  await alone.opened.forgotten();
  port1.close();
  port2.close();
});

Deno.test("WorkerStore tells the supervisor which tags may be stored, as soon as they are", async () => {
  const leaseMemory = newLeaseMemory();
  const known = new TagFilter(leaseMemory, TAG_FILTER_AT);
  await using own = await openStore({ leaseMemory });
  assert.equal(known.mayHold("movie:1"), false);
  own.opened.store.put(fresh("/1").with({ tags: ["class:details", "movie:1"] }));
  assert.deepEqual([known.mayHold("movie:1"), known.mayHold("movie:2")], [true, false]);
  own.opened.store.delete("films\0/1");
  assert.equal(known.mayHold("movie:1"), true, "nothing is taken back: another response may have the tag too");
});

Deno.test("WorkerStore answers at once that there is nothing where the disk is known to hold nothing", async () => {
  const directory = await Deno.makeTempDir();
  const { path: kvPath } = await prepareKvFile(join(directory, "usher.kv"), { clock: systemClock, log: quiet });
  const diskFilter = newDiskFilterMemory(64 << 20);
  {
    await using own = await openStore({ kvPath, diskFilter });
    await using other = await openStore({ kvPath, diskFilter, index: 1 });
    using kv = await Deno.openKv(kvPath!);
    const keeper = new KvFilterKeeper({ kv, memory: diskFilter, clock: systemClock, log: quiet });
    while (await keeper.step());
    assert.equal(own.opened.store.get("films\0/1"), undefined);
    assert.equal(own.opened.figures().disk!.sparedReads, 1);
    own.opened.store.put(fresh("/1"));
    await own.opened.disk.tier!.flush();
    assert.equal((await other.opened.store.get("films\0/1"))!.tier, "disk");
  }
  await Deno.remove(directory, { recursive: true });
});

Deno.test("named() counts the responses in memory that rules name and that are not gone yet, by numbers that workers share", async () => {
  await using one = await openStore();
  await using two = await openStore();
  const rule = (scope: PurgeRule["scope"]): PurgeRule => ({
    id: JSON.stringify(scope),
    scope,
    soft: false,
    timeMs: 9e15,
  });
  for (const { opened } of [one, two]) for (const path of ["/1", "/2"]) opened.store.put(fresh(`\0${path}`));
  one.opened.store.put(fresh("\0/1\0~br"));
  const all = rule({ kind: "prefix", listener: null, prefix: "/" });
  const numbers = one.opened.named([all]);
  assert.equal(numbers?.length, 2, "a form is no response of its own");
  assert.deepEqual(new Set(two.opened.named([all])), new Set(numbers));
  const first = rule({ kind: "url", listener: null, target: "/1" });
  assert.equal(one.opened.named([first, all])?.length, 2);
  one.opened.purge([first]);
  assert.equal(one.opened.named([all])?.length, 1, "it was purged before");
});
