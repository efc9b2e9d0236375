import assert from "node:assert/strict";
import { Limits, newSharedLimits, sweepLimits } from "../../lib/gateway/limits.ts";
import { upstreamTypes } from "../../lib/upstream_type/registry.ts";
import { configFor, plainPool } from "../pipeline/in_process_gateway.ts";

async function parts(limit: number) {
  const config = await configFor({
    pools: {
      p: plainPool([], {
        upstreams: [{ url: "http://192.0.2.1", max_in_flight: limit }, "http://192.0.2.2"],
        hedge: {},
      }),
    },
    listeners: [{ name: "l", pool: "p", max_in_flight: limit, rate_limit: { requests: 1 } }, {
      name: "m",
      prefix: "/m",
      pool: "p",
    }],
  });
  return { pool: config.pools[0]!, listener: config.listeners[0]!, free: config.listeners[1]! };
}

Deno.test("Limits are used on by the next snapshot where nothing changed, and begin anew where a limit did", async () => {
  const { pool, listener } = await parts(5);
  const changed = await parts(6);
  const before = new Limits(newSharedLimits(2), 0);
  const gate = before.gate("p", pool.upstreams[0]!);
  const admission = before.admission(listener);
  const made = [before.retries(pool), before.hedge(pool), before.room(pool)];
  const after = before.next();
  assert.equal(after.gate("p", pool.upstreams[0]!), gate);
  assert.equal(after.admission(listener), admission);
  assert.deepEqual([after.retries(pool), after.hedge(pool), after.room(pool)].map((one, i) => one === made[i]), [
    true,
    true,
    true,
  ]);
  assert.notEqual(after.gate("p", changed.pool.upstreams[0]!), gate);
  assert.notEqual(after.admission(changed.listener), admission);
  // Whoever waits for what is no more must not stand before those who wait for what there is.
  assert.notEqual(after.room(changed.pool), made[2]);
  const keyRoom = before.keyRoom(pool, "anybody");
  assert.equal(before.next().keyRoom(pool, "anybody"), keyRoom);
  assert.notEqual(before.keyRoom(pool, "users"), keyRoom);
  assert.notEqual(before.next().keyRoom({ ...pool, apiKeys: ["other"] }, "anybody"), keyRoom);
});

Deno.test("Limits of two workers count together, and a worker that was replaced counts anew", async () => {
  const { pool, listener } = await parts(2);
  const shared = newSharedLimits(2);
  const [one, two] = [0, 1].map((worker) => new Limits(shared, worker));
  const gates = [one!, two!].map((limits) => limits.gate("p", pool.upstreams[0]!)!);
  gates[0]!.enter(0);
  gates[0]!.enter(0);
  assert.equal(gates[1]!.hasRoom(0), false);
  const admissions = [one!, two!].map((limits) => limits.admission(listener)!);
  await admissions[0]!.enter(undefined);
  assert.equal(admissions[1]!.inFlight, 1);
  const again = new Limits(shared, 0);
  again.gate("p", pool.upstreams[0]!);
  again.admission(listener);
  assert.equal(gates[1]!.hasRoom(0), true);
  assert.equal(admissions[1]!.inFlight, 0);
});

Deno.test("Limits are nothing where none is configured", async () => {
  const { pool, free } = await parts(1);
  const limits = new Limits(newSharedLimits(1), 0);
  assert.equal(limits.gate("p", pool.upstreams[1]!), undefined);
  assert.equal(limits.admission(free), null);
  assert.equal(limits.clientRate(free), null);
});

Deno.test("sweepLimits() frees the places of a worker that has died, and no other's", async () => {
  const { pool, listener } = await parts(2);
  const shared = newSharedLimits(2);
  const [one, two] = [0, 1].map((worker) => new Limits(shared, worker));
  const gates = [one!, two!].map((limits) => limits.gate("p", pool.upstreams[0]!)!);
  const admissions = [one!, two!].map((limits) => limits.admission(listener)!);
  for (const gate of gates) gate.enter(0);
  for (const admission of admissions) await admission.enter(undefined);
  sweepLimits(shared, 0);
  assert.deepEqual([gates[1]!.inFlight, admissions[1]!.inFlight], [1, 1]);
  sweepLimits(shared, 1);
  assert.deepEqual([gates[1]!.inFlight, admissions[1]!.inFlight], [0, 0]);
});

Deno.test("Limits keep what is known of a key for all workers, through reloads and a worker's death, and each pool's apart", () => {
  const shared = newSharedLimits(2);
  const [one, two] = [0, 1].map((worker) => new Limits(shared, worker));
  one!.keyCells("p", "digest")[0] = 7;
  sweepLimits(shared, 0);
  assert.equal(two!.keyCells("p", "digest")[0], 7);
  assert.equal(two!.next().keyCells("p", "digest")[0], 7);
  assert.equal(two!.keyCells("q", "digest")[0], 0);
});

Deno.test("Limits have room for all that is known of a key, also with one worker", () => {
  const limits = new Limits(newSharedLimits(1), 0);
  const typeFor = (upstreams: number) =>
    upstreamTypes.create("tmdb-api", {
      ...{ apiKeys: ["key"], keyMode: "replace", contentTypes: null, now: () => 1_000 },
      credentials: {
        ...{ limits: { per: "key", maxPerSecond: 10, burst: 1 }, holds: true, upstreams },
        cellsOf: (digest) => limits.keyCells("p", digest),
      },
    });
  const request = { method: "GET", path: "/3/configuration", query: "", header: () => null };
  const sent = typeFor(2).outgoing(request);
  assert.ok("credential" in sent);
  typeFor(2).judge({ status: 429, fields: [] }, sent.credential);
  // It is at its limit, where one request at a time may try it.
  assert.ok("credential" in typeFor(2).outgoing(request));
  assert.ok("waitMs" in typeFor(1).outgoing(request));
});

Deno.test("Limits hold the rate of all keys of a pool for all workers together, through reloads, and each pool's apart", () => {
  const shared = newSharedLimits(2);
  let workers = [new Limits(shared, 0), new Limits(shared, 1)];
  const apiKeys = ["1", "2", "3"].map((digit) => digit.repeat(32));
  const given = (pool: string, per: "pool" | "key") => {
    const types = workers.map((limits) =>
      upstreamTypes.create("tmdb-api", {
        ...{ apiKeys, keyMode: "replace", contentTypes: null, now: () => 1_000_000 },
        credentials: {
          ...{ limits: { per, maxPerSecond: 10, burst: 2 }, holds: true },
          cellsOf: (digest) => limits.keyCells(pool, digest),
        },
      })
    );
    let count = 0;
    for (let turn = 0; turn < 40; turn++) {
      const request = { method: "GET", path: `/3/movie/${turn}`, query: "", header: () => null };
      if (!("waitMs" in types[turn % 2]!.outgoing(request))) count++;
    }
    return count;
  };
  assert.equal(given("p", "pool"), 2);
  workers = workers.map((limits) => limits.next());
  assert.equal(given("p", "pool"), 0);
  assert.equal(given("q", "pool"), 2);
  assert.equal(given("r", "key"), 6);
});
