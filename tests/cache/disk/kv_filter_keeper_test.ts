import assert from "node:assert/strict";
import { DiskFilter, DiskFilterBuilder, newDiskFilterMemory } from "../../../lib/cache/disk/disk_filter.ts";
import { KvFilterKeeper } from "../../../lib/cache/disk/kv_filter_keeper.ts";
import { digestOfKey, ENTRIES_ROW } from "../../../lib/cache/disk/_kv_rows.ts";
import { FaultyKv, type OpenedKv, openKvForTest } from "./opened_kv.ts";
import { sampleResponse } from "../store_suite.ts";
import { seededRandom } from "../../seeded_random.ts";

/** Steps of a build over few entries, and some more. */
const MANY_STEPS = 20;
/** In the smallest filter so many keys make more than one look-up in a hundred a "maybe". */
const TOO_MANY_KEYS = 450_000;

function keeperOf({ kv, clock, log }: OpenedKv, memory: SharedArrayBuffer, by = kv): KvFilterKeeper {
  return new KvFilterKeeper({ kv: by, memory, clock, log });
}

/** Steps until a build is over; answers how many that took. */
async function build(keeper: KvFilterKeeper): Promise<number> {
  let steps = 1;
  while (await keeper.step()) steps++;
  return steps;
}

Deno.test("KvFilterKeeper builds over all entries of all listeners, in bounded steps, and rests then", async () => {
  await using opened = await openKvForTest();
  const keys = Array.from({ length: 1_200 }, (_, n) => `${n % 3 === 0 ? "films" : "api"}\0\0/${n}`);
  for (const key of keys) opened.tier.put(sampleResponse(key, { bodyLength: 10 }));
  await opened.tier.flush();
  const memory = newDiskFilterMemory(1);
  const filter = new DiskFilter(memory, 0);
  const keeper = keeperOf(opened, memory);
  const steps = await build(keeper);
  assert.ok(steps >= 1_200 / 250 && steps <= 1_200 / 250 + 5, `${steps} steps`);
  assert.deepEqual(keys.filter((key) => !filter.mayHold(key)), []);
  assert.ok(!filter.mayHold("api\0\0/0"), "it is another listener's");
  opened.clock.advance(24 * 3_600_000);
  assert.equal(await keeper.step(), false);
});

Deno.test("KvFilterKeeper misses nothing that workers write, replace, use and remove meanwhile", async () => {
  await using opened = await openKvForTest();
  const random = seededRandom(7);
  const key = () => `api\0\0/${Math.floor(random() * 900)}`;
  for (let n = 0; n < 900; n++) opened.tier.put(sampleResponse(key(), { bodyLength: 10 }));
  await opened.tier.flush();
  for (let round = 0; round < 4; round++) {
    const memory = newDiskFilterMemory(1);
    const filters = [0, 1].map((index) => new DiskFilter(memory, index));
    const tiers = await Promise.all(filters.map((filter) => opened.another({ filter })));
    const keeper = keeperOf(opened, memory);
    let steps = 0;
    while (await keeper.step()) {
      steps++;
      opened.clock.advance(500);
      for (const tier of tiers) {
        for (let n = 0; n < 15; n++) {
          const chance = random();
          if (chance < 0.5) tier.put(sampleResponse(key(), { version: n, bodyLength: chance < 0.05 ? 70_000 : 10 }));
          else if (chance < 0.8) tier.touch(key());
          else tier.delete(key());
        }
      }
      if (random() < 0.5) await Promise.all(tiers.map((tier) => tier.flush()));
    }
    assert.ok(steps > 4);
    await Promise.all(tiers.map((tier) => tier.flush()));
    let held = 0;
    for (let n = 0; n < 900; n++) {
      if (await opened.tier.get(`api\0\0/${n}`) === undefined) continue;
      held++;
      assert.ok(filters.every((filter) => filter.mayHold(`api\0\0/${n}`)), `${n} is on disk`);
    }
    assert.ok(held > 300);
    for (let n = 0; n < 100; n++) assert.equal(tiers[0]!.get(`api\0\0/none/${n}`), undefined);
  }
});

Deno.test("KvFilterKeeper waits for a write that was under way when it began, and finds it then", async () => {
  await using opened = await openKvForTest();
  const memory = newDiskFilterMemory(1);
  const filter = new DiskFilter(memory, 0);
  new DiskFilterBuilder(memory).begin();
  const faulty = new FaultyKv(opened.kv);
  const tier = await opened.another({ kv: faulty.kv, filter });
  const { promise, resolve } = Promise.withResolvers<void>();
  faulty.fault = promise;
  tier.put(sampleResponse("api\0\0/slow"));
  await Promise.resolve();
  const keeper = keeperOf(opened, memory);
  opened.clock.advance(60_000);
  for (let step = 0; step < MANY_STEPS; step++) assert.ok(await keeper.step());
  assert.ok(filter.mayHold("api\0\0/none"), "nothing is known yet");
  resolve();
  await tier.flush();
  await build(keeper);
  assert.ok(filter.mayHold("api\0\0/slow"));
  assert.ok(!filter.mayHold("api\0\0/none"));
});

Deno.test("KvFilterKeeper builds anew when removals have left too much behind, once in a time, and not for what is there", async () => {
  await using opened = await openKvForTest();
  opened.tier.put(sampleResponse("api\0\0/stays"));
  await opened.tier.flush();
  const memory = newDiskFilterMemory(1);
  const filter = new DiskFilter(memory, 0);
  const keeper = keeperOf(opened, memory);
  await build(keeper);
  filter.beginWrite((Array.from({ length: TOO_MANY_KEYS }, (_, n) => `api\0\0/gone/${n}`)).map(digestOfKey));
  filter.endWrite();
  const { falseRateNow } = new DiskFilterBuilder(memory);
  assert.ok(falseRateNow > 0.01 && falseRateNow < 0.03, `${falseRateNow}`);
  assert.equal(await keeper.step(), false, "it was built just now");
  opened.clock.advance(60_000);
  const entries = await opened.kv.get(ENTRIES_ROW);
  await opened.kv.set(ENTRIES_ROW, new Deno.KvU64(BigInt(TOO_MANY_KEYS)));
  assert.equal(await keeper.step(), false, "a new one would be as full");
  await opened.kv.set(ENTRIES_ROW, entries.value);
  assert.ok(await keeper.step());
  assert.ok(filter.mayHold("api\0\0/gone/1"), "the one before serves on");
  await build(keeper);
  assert.ok(!filter.mayHold("api\0\0/gone/1"));
  assert.ok(filter.mayHold("api\0\0/stays"));
  assert.ok(new DiskFilterBuilder(memory).falseRateNow < 1e-6);
});

Deno.test("KvFilterKeeper gives up a build where KV fails, and what served serves on", async () => {
  await using opened = await openKvForTest();
  opened.tier.put(sampleResponse("api\0\0/a"));
  await opened.tier.flush();
  const memory = newDiskFilterMemory(1);
  const filter = new DiskFilter(memory, 0);
  const faulty = new FaultyKv(opened.kv);
  const keeper = keeperOf(opened, memory, faulty.kv);
  faulty.fault = new Error("disk I/O error");
  await assert.rejects(build(keeper));
  assert.ok(filter.mayHold("api\0\0/none"));
  faulty.fault = null;
  await build(keeper);
  assert.ok(filter.mayHold("api\0\0/a") && !filter.mayHold("api\0\0/none"));
});

Deno.test("KvFilterKeeper leaves one that was building before it, in a worker that ends, the time to end", async () => {
  await using opened = await openKvForTest();
  const memory = newDiskFilterMemory(1);
  const before = keeperOf(opened, memory);
  assert.ok(await before.step());
  const after = keeperOf(opened, memory);
  assert.equal(await after.step(), false);
  opened.clock.advance(10_000);
  assert.ok(await after.step());
  await build(before);
  assert.ok(!new DiskFilterBuilder(memory).isServing, "what the first has built counts no more");
  await build(after);
  assert.ok(new DiskFilterBuilder(memory).isServing);
});

Deno.test("KvFilterKeeper.run() builds on its own, tells of trouble, and ends with its signal", async () => {
  await using opened = await openKvForTest();
  const memory = newDiskFilterMemory(1);
  const ending = new AbortController();
  const running = keeperOf(opened, memory).run(ending.signal);
  await opened.until(() => new DiskFilterBuilder(memory).isServing);
  ending.abort();
  await running;
  assert.equal(opened.log.lines.length, 0);
  const faulty = new FaultyKv(opened.kv);
  faulty.fault = new Error("disk I/O error");
  const again = new AbortController();
  const failing = keeperOf(opened, newDiskFilterMemory(1), faulty.kv).run(again.signal);
  await opened.until(() => opened.log.lines.length > 0);
  again.abort();
  await failing;
  assert.match(opened.log.lines[0]!.message, /Cannot list the disk cache/);
});
