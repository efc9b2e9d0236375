import assert from "node:assert/strict";
import { ConnectionGate } from "../../../lib/server/connection_gate.ts";
import { LeaseTable, newLeaseMemory } from "../../../lib/cache/flights/lease_table.ts";
import { newSharedLimits } from "../../../lib/gateway/limits.ts";
import { createLogger } from "../../../lib/logging/logger.ts";
import { Fleet } from "../../../lib/workers/supervisor/fleet.ts";
import { FleetCalls } from "../../../lib/workers/supervisor/fleet_calls.ts";
import type { FleetOptions } from "../../../lib/workers/supervisor/fleet_options.ts";
import type { WorkerHandle } from "../../../lib/workers/supervisor/worker_handle.ts";
import { ANY_CONFIG, configOf, type Mapping } from "../../gateway/config_of.ts";
import { eventually } from "../../eventually.ts";
import type { Part } from "../part.ts";
import { setStage } from "../stage.ts";

const RULE = { id: "rule", scope: { kind: "all", listener: null }, soft: false, timeMs: 1 } as const;
const ALL_FAIL: Readonly<Record<string, readonly Part[]>> = {
  "serving-0": ["fails"],
  "serving-1": ["fails"],
  health: ["fails"],
};

/** Two serving workers and a health worker, all real, in roles that the test directs. */
async function fleetOf(parts: Readonly<Record<string, readonly Part[]>> = {}, more: Partial<FleetOptions> = {}) {
  const stage = await setStage(parts);
  const lines: Record<string, unknown>[] = [];
  const lost = Promise.withResolvers<void>();
  const leaseMemory = newLeaseMemory();
  const configNamed = (name: string, more: Mapping = {}) =>
    configOf({ ...ANY_CONFIG, ...more, server: { name, data_dir: stage.directory } });
  const fleet = new Fleet({
    url: stage.url,
    servingWorkers: 2,
    silenceMs: 60_000,
    leaseMemory,
    connections: ConnectionGate.memory(4),
    descriptors: 1_024,
    diskFilter: null,
    sharedLimits: newSharedLimits(2),
    kvPath: null,
    drained: () => [],
    purges: () => [],
    instanceId: "usher-test",
    logger: createLogger({
      level: "info",
      format: "json",
      sink: (line) => lines.push(JSON.parse(line)),
      now: Date.now,
    }),
    onLost: () => lost.resolve(),
    ...more,
  }, { generation: 1, config: await configNamed("first") });
  return {
    fleet,
    lines,
    leaseMemory,
    /** A configuration to go on with. */
    next: async (name = "next") => ({ generation: 2, config: await configNamed(name) }),
    /** The same, with work for an image worker or without. */
    withPictures: async (generation: number, convert: boolean) => {
      const listeners = [{ name: "films", listen: "127.0.0.1:6635", pool: "films", images: { convert } }];
      return { generation, config: await configNamed("pictures", { listeners }) };
    },
    lost: lost.promise,
    direct: stage.direct,
    slot: (name: string) => fleet.slots.find((slot) => slot.name === name)!,
    async [Symbol.asyncDispose]() {
      await fleet.stop(0);
      await stage[Symbol.asyncDispose]();
    },
  };
}

/** What a worker has seen since it began. */
async function seenBy(handle: WorkerHandle | null): Promise<Record<string, number>> {
  return { ...(await handle!.ping(60_000))!.connections };
}

/** Waits until the place has another worker, and it is up. */
async function replaced(slot: Fleet["slots"][number], before: WorkerHandle | null): Promise<WorkerHandle> {
  await eventually(`${slot.name} is replaced`, () => slot.handle !== null && slot.handle !== before);
  return slot.handle!;
}

Deno.test("start() brings up all workers and gives each a port to each other one", async () => {
  await using set = await fleetOf();
  await set.fleet.start();
  assert.deepEqual(set.fleet.slots.map(({ name, role }) => [name, role]), [
    ["serving-0", "serving"],
    ["serving-1", "serving"],
    ["health", "health"],
  ]);
  assert.deepEqual([set.fleet.live.length, set.fleet.liveServing], [3, 2]);
  await eventually("they have met", async () => {
    await set.fleet.refresh();
    return set.fleet.live.every(({ report }) => Object.keys(report!.connections).length === 4);
  });
  assert.deepEqual(await seenBy(set.slot("serving-0").handle), {
    "met 1": 1,
    "met health": 1,
    "heard serving-1": 1,
    "heard health": 1,
  });
});

Deno.test("start() throws what kept the first worker from starting, where none starts", async () => {
  await using set = await fleetOf(ALL_FAIL);
  await assert.rejects(set.fleet.start(), /serving-0.*cannot begin/);
});

Deno.test("start() goes on without a worker that does not start, and brings it in later", async () => {
  await using set = await fleetOf({ "serving-1": ["fails"] });
  await set.fleet.start();
  assert.equal(set.fleet.liveServing, 1);
  set.direct({});
  const late = await replaced(set.slot("serving-1"), null);
  await eventually("it has met the others", async () => "heard serving-0" in await seenBy(late));
  const stopped = set.lines.filter(({ message }) => message === "A worker has stopped");
  assert.deepEqual([stopped[0]!["worker"], stopped[0]!["reason"]], ["serving-1", "serving-1 cannot begin"]);
  await eventually("it is told", () => set.lines.some(({ message }) => message === "A worker was restarted"));
});

Deno.test("a worker that dies is replaced; what it counted stays, what it had in flight is gone, its leases are free", async () => {
  await using set = await fleetOf();
  const lease = new LeaseTable(set.leaseMemory, 0).acquire("films\0/");
  const kept = new LeaseTable(set.leaseMemory, 1).acquire("films\0/other");
  assert.deepEqual([lease.kind, kept.kind], ["held", "held"]);
  await set.fleet.start();
  const first = set.slot("serving-0").handle!;
  await set.fleet.refresh();
  first.post({ type: "fault", fault: "throw" });
  await replaced(set.slot("serving-0"), first);
  await set.fleet.refresh();
  const counts = set.fleet.counts();
  assert.equal(set.slot("serving-0").policy.total, 1);
  // Two that serve, one that watches, and the dead one: 10 each.
  assert.equal(counts.listeners["films"]!.requests, 40);
  assert.equal(counts.listeners["films"]!.inFlight, 3);
  assert.equal(counts.upstreams["films"]!["http://127.0.0.1:9"]!.outcomes["ok"], 12);
  assert.equal(new LeaseTable(set.leaseMemory, 1).acquire("films\0/").kind, "held");
  assert.equal(new LeaseTable(set.leaseMemory, 0).acquire("films\0/other").kind, "taken");
  for (const name of ["serving-1", "health"]) assert.equal((await seenBy(set.slot(name).handle))["lost 0"], 1, name);
});

Deno.test("a worker that is silent for too long is replaced", async () => {
  await using set = await fleetOf({}, { silenceMs: 3_000 });
  await set.fleet.start();
  const first = set.slot("serving-1").handle!;
  set.direct({ "serving-1": ["hangs"] });
  await eventually("it is ended", () => !first.alive);
  set.direct({});
  await replaced(set.slot("serving-1"), first);
  assert.match(String(set.lines.find(({ worker }) => worker === "serving-1")!["reason"]), /^silent for \d+ ms$/);
  assert.equal(set.slot("serving-0").policy.total, 0);
});

Deno.test("workers that die again and again are lost when no serving worker is left, not before", async () => {
  await using set = await fleetOf();
  await set.fleet.start();
  set.direct({ "serving-0": ["fails"], health: ["fails"] });
  let isLost = false;
  set.lost.then(() => isLost = true);
  for (const name of ["serving-0", "health"]) set.slot(name).handle!.kill("a test");
  await eventually("two die in a row", () => set.slot("serving-0").policy.isLoop && set.slot("health").policy.isLoop);
  assert.equal(isLost, false);
  set.direct(ALL_FAIL);
  set.slot("serving-1").handle!.kill("a test");
  await set.lost;
  const loops = set.lines.filter(({ message }) => message === "A worker stops again and again");
  assert.deepEqual(new Set(loops.map(({ worker }) => worker)), new Set(["serving-0", "health", "serving-1"]));
});

Deno.test("reload() brings a configuration into every worker", async () => {
  await using set = await fleetOf();
  await set.fleet.start();
  const next = await set.next();
  assert.equal(await set.fleet.reload(next), null);
  assert.equal(set.fleet.current, next);
  await set.fleet.refresh();
  assert.deepEqual(set.fleet.live.map(({ report }) => report!.generation), [2, 2, 2]);
});

Deno.test("reload() brings it into none where one cannot use it, and says why", async () => {
  await using set = await fleetOf();
  await set.fleet.start();
  set.direct({ "serving-1": ["refuses"] });
  assert.equal(await set.fleet.reload(await set.next("bad")), 'serving-1 cannot use "bad"');
  assert.equal(set.fleet.current.generation, 1);
  await set.fleet.refresh();
  assert.deepEqual(set.fleet.live.map(({ report }) => report!.generation), [1, 1, 1]);
  assert.deepEqual(set.fleet.live.map(({ report }) => report!.connections["aborted"]), [1, 1, 1]);
});

Deno.test("reload() does not wait for a worker that dies meanwhile; it comes back with the new configuration", async () => {
  await using set = await fleetOf();
  await set.fleet.start();
  const first = set.slot("serving-0").handle;
  set.direct({ "serving-0": ["dies-preparing"] });
  assert.equal(await set.fleet.reload(await set.next()), null);
  set.direct({});
  const second = await replaced(set.slot("serving-0"), first);
  assert.equal((await second.ping(60_000))!.generation, 2);
});

Deno.test("a worker that starts during a reload comes up with the new configuration", async () => {
  await using set = await fleetOf();
  await set.fleet.start();
  const first = set.slot("serving-0").handle!;
  set.direct({ "serving-0": ["slow"] });
  first.kill("a test");
  // Longer than the pause before a restart, shorter than the slow start.
  await new Promise((resolve) => setTimeout(resolve, 150));
  assert.equal(await set.fleet.reload(await set.next()), null);
  const second = await replaced(set.slot("serving-0"), first);
  assert.equal((await second.ping(60_000))!.generation, 2);
});

Deno.test("a worker that came up while the others prepared gets the new configuration, or is replaced", async () => {
  await using set = await fleetOf();
  await set.fleet.start();
  const first = set.slot("serving-0").handle!;
  set.direct({ "serving-1": ["slow-preparing"], "serving-0": ["refuses"] });
  first.kill("a test");
  const reloading = set.fleet.reload(await set.next());
  const second = await replaced(set.slot("serving-0"), first);
  assert.equal(set.fleet.current.generation, 1, "it is up before the others have prepared");
  set.direct({ "serving-0": ["refuses"] });
  assert.equal(await reloading, null);
  // It was asked to prepare and refused.
  const third = await replaced(set.slot("serving-0"), second);
  assert.equal((await third.ping(60_000))!.generation, 2);
  assert.ok(set.lines.some(({ reason }) => /^did not take the configuration: serving-0 cannot/.test(String(reason))));
});

Deno.test("an image worker is there while a listener has work for it, and known to serving workers alone", async () => {
  await using set = await fleetOf();
  await set.fleet.start();
  const first = set.slot("serving-0").handle;
  assert.equal(await set.fleet.reload(await set.withPictures(2, true)), null);
  const image = set.slot("image");
  await eventually("it is up", () => image.handle !== null);
  await eventually("it has met the serving workers", async () => {
    return "heard image" in await seenBy(first) && "heard serving-0" in await seenBy(image.handle);
  });
  assert.equal("met health" in await seenBy(image.handle), false);

  const before = image.handle;
  before!.post({ type: "fault", fault: "throw" });
  const next = await replaced(image, before);
  assert.equal((await seenBy(first))["lost image"], 1);
  assert.equal((await next.ping(60_000))!.generation, 2);

  assert.equal(await set.fleet.reload(await set.withPictures(3, false)), null);
  assert.equal(next.alive, false);
  assert.deepEqual(set.fleet.slots.map(({ name }) => name), ["serving-0", "serving-1", "health"]);
  assert.equal((await seenBy(first))["lost image"], 2);

  assert.equal(await set.fleet.reload(await set.withPictures(4, true)), null);
  await replaced(image, next);
});

Deno.test("purge() reaches every serving worker and those that are starting, before it returns", async () => {
  const purges: (typeof RULE)[] = [];
  await using set = await fleetOf({ "serving-1": ["slow"] }, { purges: () => purges });
  const starting = set.fleet.start();
  await eventually("the quick ones are up", () => set.slot("serving-0").handle !== null);
  assert.equal(set.slot("serving-1").handle, null);
  purges.push(RULE);
  assert.deepEqual(await set.fleet.purge([RULE], true), { workers: 2, named: 1 });
  await starting;
  for (const name of ["serving-0", "serving-1"]) {
    assert.equal((await seenBy(set.slot(name).handle))["purged rule"], 1, name);
  }
  assert.equal((await seenBy(set.slot("health").handle))["purged rule"], undefined);
});

Deno.test("purge() replaces a worker that does not take it; the next one begins with it", async () => {
  const purges: (typeof RULE)[] = [];
  await using set = await fleetOf({}, { silenceMs: 1_500, purges: () => purges });
  await set.fleet.start();
  const first = set.slot("serving-0").handle!;
  set.direct({ "serving-0": ["hangs-purging"] });
  purges.push(RULE);
  assert.deepEqual(await set.fleet.purge([RULE]), { workers: 1, named: null });
  assert.equal(first.alive, false);
  const second = await replaced(set.slot("serving-0"), first);
  assert.equal((await seenBy(second))["knew rule"], 1);
});

Deno.test("stop() ends all workers and starts none again", async () => {
  await using set = await fleetOf();
  await set.fleet.start();
  const handles = set.fleet.live;
  await set.fleet.stop(1_000);
  assert.deepEqual(handles.map(({ alive }) => alive), [false, false, false]);
  assert.deepEqual(set.lines.filter(({ message }) => message === "A worker has stopped"), []);
});

Deno.test("stop() waits for a worker no longer than the grace and a second", async () => {
  await using set = await fleetOf({ "serving-0": ["never-stops"] });
  await set.fleet.start();
  const handles = set.fleet.live;
  // The worker never says that it has stopped.
  await set.fleet.stop(100);
  assert.deepEqual(handles.map(({ alive }) => alive), [false, false, false]);
});

Deno.test("stop() ends workers that are still starting", async () => {
  await using set = await fleetOf({ "serving-0": ["never-ready"] });
  const starting = set.fleet.start();
  await eventually("the quick ones are up", () => set.fleet.live.length === 2);
  await set.fleet.stop(100);
  // It waits for a worker that will never be ready, unless that was ended.
  const outcome = await Promise.race([starting.then(() => "over", () => "over"), later(120_000)]);
  assert.equal(outcome, "over");
  assert.deepEqual(set.fleet.live, []);
});

/** Answers after a time that is too long. */
function later(delayMs: number): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  Deno.unrefTimer(setTimeout(() => resolve("still waiting"), delayMs));
  return promise;
}

Deno.test("read() has the serving workers ask in turn, and is busy where none is up", async () => {
  await using set = await fleetOf();
  const calls = new FleetCalls(set.fleet);
  assert.equal((await calls.read("films", "/a")).outcome, "busy");
  await set.fleet.start();
  const texts = await Promise.all([1, 2].map(async (number) => {
    const { outcome, body } = await calls.read("films", `/a?page=${number}`);
    assert.equal(outcome, "read");
    return new TextDecoder().decode(body!);
  }));
  assert.deepEqual(texts.map((text) => text.replace(/^serving-[01]/, "")), [" films /a?page=1", " films /a?page=2"]);
  assert.equal(new Set(texts.map((text) => text.slice(0, 9))).size, 2);
});
