import assert from "node:assert/strict";
import { Collapse, type Entry } from "../../../lib/cache/flights/collapse.ts";
import { Fill, FillBudget } from "../../../lib/cache/flights/fill.ts";
import { Flight, type FlightResult } from "../../../lib/cache/flights/flight.ts";
import { variantKey } from "../../../lib/cache/key.ts";
import { LeaseTable, newLeaseMemory } from "../../../lib/cache/flights/lease_table.ts";
import type { StoredResponse } from "../../../lib/cache/stored_response.ts";
import { patterned, sample } from "../stored_sample.ts";

const KEY = "api\0\0/x";
const LONG_MS = 600_000;
const MIB = 1024 * 1024;

/** Workers that share leases and are joined by real ports, with one clock that stands still until it is moved. */
class Workers implements Disposable {
  nowMs = 2_000;
  /** How far the wall clock was set back. */
  backMs = 0;
  readonly memory = newLeaseMemory();
  readonly collapses: Collapse[];
  readonly adopted: StoredResponse[][];
  /** Keys whose responses are not written yet. */
  readonly onTheirWay = new Set<string>();

  constructor(count = 2, timeoutMs = LONG_MS) {
    this.adopted = Array.from({ length: count }, () => []);
    this.collapses = this.adopted.map((adopted, index) =>
      new Collapse({
        leases: new LeaseTable(this.memory, index),
        clock: { now: () => this.nowMs - this.backMs, elapsed: () => this.nowMs },
        timeoutMs,
        budget: new FillBudget(64e6),
        adopt: (response) => void adopted.push(response),
        isOnItsWay: (key) => this.onTheirWay.has(key),
      })
    );
    this.collapses.forEach((collapse, index) => {
      for (const [peer, other] of this.collapses.entries()) {
        if (peer <= index) continue;
        const { port1, port2 } = new MessageChannel();
        collapse.peers.connect(peer, port1);
        other.peers.connect(index, port2);
      }
    });
  }

  enter(worker: number, key = KEY): Entry {
    return this.collapses[worker]!.enter(key);
  }

  /** Enters as the leader, or fails. */
  lead(worker: number, key = KEY): Flight {
    const entry = this.enter(worker, key);
    if (entry.role !== "leader") throw new Error(`Worker ${worker} is ${entry.role} for ${JSON.stringify(key)}`);
    return entry.flight;
  }

  finish(worker: number, flight: Flight, stored: StoredResponse | null): void {
    this.collapses[worker]!.finish(flight, stored);
  }

  /** Slots of the lease table that somebody holds. */
  get leases(): number {
    return new Int32Array(this.memory).filter((value) => value !== 0).length;
  }

  [Symbol.dispose](): void {
    for (const collapse of this.collapses) collapse.close();
  }
}

/** What a follower gets. */
function followed(entry: Entry): Promise<FlightResult> {
  if (entry.role !== "follower") throw new Error(`The request is ${entry.role}`);
  return entry.result;
}

async function wholeOf(entry: Entry): Promise<Uint8Array> {
  const result = await followed(entry);
  if (result.kind !== "shared") throw new Error(`The result is ${result.kind}`);
  return await result.fill.whole();
}

function land(flight: Flight, stored: StoredResponse, fill = Fill.ofBody(stored.body)): Fill {
  flight.land({ kind: "shared", head: stored, fill });
  return fill;
}

async function turns(count = 5): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setTimeout(resolve));
}

Deno.test("enter() makes the first of many requests the leader, in all workers together; all get its response", async () => {
  using workers = new Workers(3);
  const entries = Array.from({ length: 63 }, (_, at) => workers.enter(at % 3));
  const leaders = entries.flatMap((entry) => entry.role === "leader" ? [entry.flight] : []);
  assert.equal(leaders.length, 1);
  assert.equal(workers.leases, 1);
  const stored = sample(KEY, 50_000);
  land(leaders[0]!, stored);
  workers.finish(0, leaders[0]!, stored);
  const bodies = await Promise.all(entries.filter((entry) => entry.role === "follower").map(wholeOf));
  assert.equal(bodies.length, 62);
  for (const body of bodies) assert.deepEqual(body, stored.body);
});

Deno.test("enter() keeps keys apart", () => {
  using workers = new Workers(1);
  workers.lead(0, "a");
  workers.lead(0, "b");
  assert.equal(workers.collapses[0]!.size, 2);
});

Deno.test("followers read along while the body comes in, in the leader's worker and in others", async () => {
  using workers = new Workers();
  const flight = workers.lead(0);
  const followers = [workers.enter(0), workers.enter(1), workers.enter(1)];
  const fill = land(flight, sample(KEY, 1_000), Fill.ofLength(1_000));
  fill.push(patterned(1_000).subarray(0, 500));
  const results = await Promise.all(followers.map(followed));
  for (const result of results) {
    if (result.kind !== "shared") throw new Error(result.kind);
    assert.equal((await result.fill.reader()())?.byteLength, 500);
  }
  const late = workers.enter(0);
  fill.push(patterned(1_000).subarray(500));
  workers.finish(0, flight, sample(KEY, 1_000));
  for (const entry of [...followers, late]) assert.deepEqual(await wholeOf(entry), patterned(1_000));
});

Deno.test("followers in another worker keep what came over whole, with the marker of its variants, once", async () => {
  using workers = new Workers();
  const selectedBy = [["accept", "image/webp"]] as const;
  const stored = sample(variantKey(KEY, selectedBy), 300, { selectedBy });
  const flight = workers.lead(0);
  const followers = [workers.enter(1), workers.enter(1)];
  land(flight, stored);
  workers.finish(0, flight, stored);
  await Promise.all(followers.map(wholeOf));
  await turns();
  assert.deepEqual(workers.adopted[1]!.map(({ key, status }) => [key, status]), [[KEY, 0], [stored.key, 200]]);
  assert.deepEqual(workers.adopted[1]![1]!.body, stored.body);
  assert.deepEqual(workers.adopted[0], []);
});

Deno.test("a body that breaks off is adopted by nobody, and the key is free again", async () => {
  using workers = new Workers();
  const flight = workers.lead(0);
  const follower = workers.enter(1);
  const fill = land(flight, sample(KEY, 100), Fill.ofLength(100));
  fill.push(new Uint8Array(60));
  const reading = wholeOf(follower);
  await turns(1);
  fill.fail(new Error("the upstream died"));
  workers.finish(0, flight, null);
  await assert.rejects(reading, /the upstream died/);
  await turns();
  assert.deepEqual(workers.adopted[1], []);
  assert.equal(workers.leases, 0);
  workers.lead(1);
});

Deno.test("a flight that fails tells everyone who waits, and the next request tries again", async () => {
  using workers = new Workers();
  const flight = workers.lead(0);
  const followers = [workers.enter(0), workers.enter(1)];
  await turns();
  flight.land({ kind: "failed", error: new Error("no upstream") });
  workers.finish(0, flight, null);
  for (const entry of followers) assert.equal((await followed(entry)).kind, "failed");
  await turns();
  workers.lead(1);
});

Deno.test("finish() without a result lets those who wait go on their own", async () => {
  using workers = new Workers();
  const flight = workers.lead(0);
  const followers = [workers.enter(0), workers.enter(1)];
  workers.finish(0, flight, null);
  for (const entry of followers) assert.deepEqual(await followed(entry), { kind: "solo" });
  assert.equal(workers.collapses[0]!.size, 0);
});

Deno.test("finish() twice is as good as once", () => {
  using workers = new Workers();
  const flight = workers.lead(0);
  workers.finish(0, flight, null);
  const next = workers.lead(0);
  workers.finish(0, flight, null);
  assert.equal(workers.enter(0).role, "follower", "the new flight is untouched");
  workers.finish(0, next, null);
  assert.equal(workers.leases, 0);
});

Deno.test("a leader that takes too long leads alone: followers go on their own in time", async () => {
  using workers = new Workers(2, 30);
  const flight = workers.lead(0);
  const results = await Promise.all([workers.enter(0), workers.enter(1), workers.enter(1)].map(followed));
  assert.deepEqual(results.map(({ kind }) => kind), ["solo", "solo", "solo"]);
  assert.equal(workers.enter(0).role, "follower", "the flight itself goes on");
  workers.finish(0, flight, null);
});

Deno.test("rememberSolo() lets a key's requests go side by side, for its time", () => {
  using workers = new Workers();
  const flight = workers.lead(0);
  workers.collapses[0]!.rememberSolo(new Flight(KEY), 1_000);
  workers.finish(0, flight, null);
  workers.nowMs += 999;
  assert.equal(workers.enter(0).role, "solo");
  assert.equal(workers.enter(0).role, "solo");
  workers.nowMs += 1;
  workers.lead(0);
  assert.equal(workers.enter(0).role, "follower");
  workers.collapses[0]!.rememberSolo(new Flight("other"), 0);
  assert.equal(workers.enter(0, "other").role, "leader");
});

Deno.test("rememberSolo() remembers a bounded number of keys", () => {
  using workers = new Workers(1);
  for (let at = 0; at < 10_050; at++) workers.collapses[0]!.rememberSolo(new Flight(`k${at}`), 60_000);
  assert.equal(workers.enter(0, "k10049").role, "solo");
  assert.equal(workers.enter(0, "k0").role, "leader");
});

Deno.test("a response that was just stored lingers: another worker gets it without asking the upstream", async () => {
  using workers = new Workers();
  const stored = sample(KEY, 400);
  workers.finish(0, workers.lead(0), stored);
  assert.equal(workers.leases, 1);
  assert.deepEqual(await wholeOf(workers.enter(1)), stored.body);
});

Deno.test("the worker that holds a lingering response may fetch again, and others then wait for that", async () => {
  using workers = new Workers();
  workers.finish(0, workers.lead(0), sample(KEY, 400));
  const again = workers.lead(0);
  const follower = workers.enter(1);
  await turns();
  const renewed = sample(KEY, 7);
  land(again, renewed);
  workers.finish(0, again, renewed);
  assert.deepEqual(await wholeOf(follower), renewed.body);
  assert.equal(workers.leases, 1);
});

Deno.test("what may not be used without validation does not linger: the next request asks for itself", () => {
  const fresh = sample(KEY, 1).freshness;
  const unusable: Partial<StoredResponse>[] = [
    { freshness: { ...fresh, alwaysValidate: true } },
    { freshness: { ...fresh, lifetimeMs: 0 } },
    { freshness: { ...fresh, initialAgeMs: 60_000 } },
    { responseTimeMs: 2_000 - 60_000 },
  ];
  for (const over of unusable) {
    using workers = new Workers();
    workers.finish(0, workers.lead(0), sample(KEY, 1, over));
    assert.equal(workers.leases, 0);
    workers.lead(1);
  }
});

Deno.test("a lingering response is not given out once it is stale", async () => {
  using workers = new Workers();
  const stored = sample(KEY, 1, { responseTimeMs: 2_000 });
  const freshness = { ...stored.freshness, lifetimeMs: 300 };
  workers.finish(0, workers.lead(0), stored.with({ freshness }));
  workers.nowMs += 299;
  assert.equal((await followed(workers.enter(1))).kind, "shared");
  await turns();
  workers.nowMs += 1;
  assert.equal((await followed(workers.enter(1))).kind, "solo");
});

Deno.test("a lingering response is not given out longer because the clock was set back", async () => {
  using workers = new Workers();
  const stored = sample(KEY, 1, { responseTimeMs: 2_000 });
  workers.finish(0, workers.lead(0), stored.with({ freshness: { ...stored.freshness, lifetimeMs: 900 } }));
  workers.backMs = 40_000;
  workers.nowMs += 901;
  assert.equal((await followed(workers.enter(1))).kind, "solo");
});

Deno.test("lingering ends after its time, and leaves no lease", async () => {
  using workers = new Workers(1);
  workers.finish(0, workers.lead(0), sample(KEY, 400));
  workers.nowMs += 1_001;
  while (workers.leases > 0) await new Promise((resolve) => setTimeout(resolve, 20));
});

Deno.test("a response lingers until it is written where the others look, as long as it is fresh", async () => {
  using workers = new Workers();
  const stored = sample(KEY, 400, { responseTimeMs: workers.nowMs });
  workers.finish(0, workers.lead(0), stored.with({ freshness: { ...stored.freshness, lifetimeMs: 60_000 } }));
  workers.onTheirWay.add(KEY);
  workers.nowMs += 59_000;
  assert.equal((await followed(workers.enter(1))).kind, "shared");
  await turns();
  workers.onTheirWay.clear();
  assert.equal((await followed(workers.enter(1))).kind, "solo");
  await turns();
  workers.onTheirWay.add(KEY);
  workers.nowMs += 1_000;
  assert.equal((await followed(workers.enter(1))).kind, "solo");
});

Deno.test("lingering is bounded: at most 1,000 responses and 32 MiB, and none that is larger", () => {
  using workers = new Workers(1);
  for (let at = 0; at < 1_500; at++) workers.finish(0, workers.lead(0, `k${at}`), sample(`k${at}`, 10));
  assert.ok(workers.leases <= 1_000 && workers.leases > 950, `${workers.leases} leases`);
  for (let at = 0; at < 20; at++) workers.finish(0, workers.lead(0, `m${at}`), sample(`m${at}`, 4 * MIB - 2_000));
  assert.equal(workers.leases, 8);
  workers.finish(0, workers.lead(0, "large"), sample("large", 33 * MIB));
  assert.equal(workers.leases, 8);
});

Deno.test("detachAll() lets nobody join what is under way, and lets those who wait have it", async () => {
  using workers = new Workers();
  const flight = workers.lead(0);
  const waiting = workers.enter(0);
  for (const key of ["done", "kept"]) workers.finish(0, workers.lead(0, key), sample(key, 1));
  workers.collapses[0]!.detachAll(({ key }) => key === "kept");
  const next = workers.lead(0);
  land(flight, sample(KEY, 10));
  workers.finish(0, flight, sample(KEY, 10));
  assert.deepEqual(await wholeOf(waiting), patterned(10));
  assert.equal(workers.enter(0).role, "follower", "of the new flight");
  assert.equal(workers.enter(1, "done").role, "leader");
  assert.equal(workers.enter(1, "kept").role, "follower");
  workers.finish(0, next, null);
});

Deno.test("close() frees every lease and lets others go on", async () => {
  using workers = new Workers();
  const flight = workers.lead(0);
  workers.finish(0, workers.lead(0, "lingering"), sample("lingering", 10));
  assert.equal(workers.leases, 2);
  workers.collapses[0]!.close();
  assert.equal(workers.leases, 0);
  workers.finish(0, flight, sample(KEY, 10));
  assert.equal(workers.leases, 0, "what ends afterwards takes none");
  await turns();
  workers.lead(1);
});

Deno.test("detach() of one key leaves the others as they are", () => {
  using workers = new Workers(1);
  workers.lead(0, "a");
  workers.lead(0, "b");
  workers.collapses[0]!.detach("a");
  assert.equal(workers.enter(0, "a").role, "leader");
  assert.equal(workers.enter(0, "b").role, "follower");
});

Deno.test("detach() lets nobody join what is under way for a key's variants either", () => {
  using workers = new Workers(1);
  const [collapse] = workers.collapses as [Collapse];
  const variant = variantKey(KEY, [["accept-encoding", "gzip"]]);
  for (const key of [KEY, variant, `${KEY}y`]) assert.equal(collapse.enter(key).role, "leader");
  collapse.detach(KEY);
  assert.deepEqual([KEY, variant, `${KEY}y`].map((key) => collapse.enter(key).role), ["leader", "leader", "follower"]);
});
