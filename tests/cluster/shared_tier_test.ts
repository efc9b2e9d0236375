import assert from "node:assert/strict";
import type { StoredResponse } from "../../lib/cache/stored_response.ts";
import { varyMarker } from "../../lib/cache/variants.ts";
import { entryName } from "../../lib/cluster/entry_names.ts";
import { openRedisEngine } from "../../lib/cluster/redis_engine.ts";
import { SharedTier, type SharedTierOptions } from "../../lib/cluster/shared_tier.ts";
import { assertSameResponse } from "../cache/store_suite.ts";
import { patterned, sample } from "../cache/stored_sample.ts";
import { eventually } from "../eventually.ts";
import { HAS_REDIS, type Redis, startRedis } from "./redis_server.ts";

const KEY = "api\0\0/3/movie/550";
const SHARING = { fingerprint: "f0" };

/** One gateway's tier, with a clock of its own. */
interface Gateway extends AsyncDisposable {
  readonly tier: SharedTier;
  readonly warnings: string[];
  nowMs: number;
}

async function gateway(redis: Redis, over: Partial<SharedTierOptions> = {}): Promise<Gateway> {
  const place = { kind: "server", address: { host: "127.0.0.1", port: redis.port }, database: 0 } as const;
  const engine = openRedisEngine({ place, user: null, password: null, tls: null });
  assert.ok(await engine.ready(10_000));
  const own: Gateway = {
    nowMs: 2_000,
    warnings: [],
    tier: new SharedTier({
      engine,
      cluster: "test",
      secret: "a secret of the tests",
      encrypts: false,
      leases: true,
      maxEntryBytes: 1024 * 1024,
      // Far more than a busy machine needs.
      timeoutMs: 5_000,
      putTimeoutMs: 60_000,
      ttlMs: 3_600_000,
      clock: { now: () => own.nowMs },
      warnings: { warn: (kind) => void own.warnings.push(kind) },
      ...over,
    }),
    async [Symbol.asyncDispose]() {
      await own.tier.close(5_000);
      engine.close();
    },
  };
  return own;
}

function shared(key: string, bytes: number, over: Parameters<typeof sample>[2] = {}): StoredResponse {
  return sample(key, bytes, { tiers: { memory: true, disk: true, shared: true }, ...over });
}

const look = async ({ tier }: Gateway, key = KEY, ignored: StoredResponse | null = null) =>
  (await tier.look({ sharing: SHARING, key, claim: null, ignored })).response ?? undefined;

/** Puts, and waits until that is done. */
async function put({ tier }: Gateway, response: StoredResponse, marker: StoredResponse | null = null): Promise<void> {
  const { puts, older, dropped } = tier.counts;
  tier.put(SHARING, response, marker);
  const entries = marker === null ? 1 : 2;
  await eventually(
    "it is put",
    () => tier.counts.puts + tier.counts.older + tier.counts.dropped >= puts + older + dropped + entries,
  );
}

function tierTest(criterion: string, body: (redis: Redis) => Promise<void>, settings: readonly string[] = []): void {
  Deno.test(`SharedTier ${criterion}`, { ignore: !HAS_REDIS }, async () => {
    await using redis = await startRedis({ settings });
    await body(redis);
  });
}

tierTest("gives one gateway what another has put, whole, in parts and encrypted", async (redis) => {
  await using a = await gateway(redis);
  await using b = await gateway(redis, { encrypts: true });
  assert.ok(await look(b) === undefined);
  for (const [bytes, tags] of [[0, []], [10, ["movie:550"]], [300_000, []], [1_048_576, ["a", "b"]]] as const) {
    for (const [from, to] of [[a, b], [b, a]] as const) {
      const response = shared(`${KEY}?${bytes}`, bytes, { tags, requestTimeMs: ++from.nowMs, purgePosition: 9 });
      await put(from, response);
      assertSameResponse(await look(to, response.key), response);
    }
  }
  assert.deepEqual([a.tier.counts.hits, a.tier.counts.puts, b.tier.counts.misses], [4, 4, 1]);
  assert.equal(a.tier.counts.lookUps.reduce((sum, n) => sum + n), 4);
});

tierTest("shares nothing between clusters, listeners that differ, or secrets", async (redis) => {
  await using a = await gateway(redis);
  await using other = await gateway(redis, { cluster: "other" });
  await using stranger = await gateway(redis, { secret: "another secret of the tests" });
  await put(a, shared(KEY, 10));
  assert.ok(await look(other) === undefined);
  assert.equal((await a.tier.look({ sharing: { fingerprint: "f1" }, key: KEY, claim: null })).response, null);
  assert.ok(await look(stranger) === undefined);
  assert.equal(stranger.tier.counts.corrupt, 1);
  assert.equal(stranger.warnings.length, 1);
  assert.ok(await look(a));
});

tierTest("keeps to itself what is too large, made here, a part, or not to be shared", async (redis) => {
  await using a = await gateway(redis);
  a.tier.put(SHARING, shared(KEY, 1_048_577), null);
  a.tier.put(SHARING, sample(KEY, 10), null);
  a.tier.put(SHARING, shared(KEY, 10, { kind: "part" }), null);
  a.tier.put(SHARING, shared(`${KEY}\0~gzip`, 10), null);
  a.nowMs = 70_000;
  // Its time is over.
  await put({ ...a }, shared("api\0\0/put-last", 10, { requestTimeMs: 69_000, responseTimeMs: 69_000 }));
  const size = await redis.command("DBSIZE");
  assert.equal(size, 1);
});

tierTest("answers nothing that was changed in the engine", async (redis) => {
  await using a = await gateway(redis);
  const response = shared(KEY, 600_000);
  await put(a, response);
  const { hash } = entryName(SHARING, KEY);
  const keys = (await redis.command("KEYS", "*") as Uint8Array[]).map((key) => new TextDecoder().decode(key)).sort();
  assert.equal(keys.length, 3);
  assert.ok(keys.every((key) => key.includes(`{${hash}}`)), "keys of one entry are in one slot");
  // In a part, in the entry, in its header, at its end.
  for (
    const [times, [pattern, at]] of ([["*:b:*:0", 700], ["*:b:*:1", 5], ["*:e:*", 90_000], ["*:e:*", 30]] as const)
      .entries()
  ) {
    await put(a, response);
    const [key] = await redis.command("KEYS", pattern) as [Uint8Array];
    await redis.command("SETRANGE", textOf(key), at, "\x7f\x7f");
    assert.ok(await look(a) === undefined, `${pattern} ${at}`);
    assert.equal(a.tier.counts.corrupt, times + 1);
    await redis.command("FLUSHALL");
  }
  await put(a, response);
  await redis.command("DEL", (await redis.command("KEYS", "*:b:*") as Uint8Array[]).map(textOf)[0]!);
  assert.ok(await look(a) === undefined);
  // Evicted, not damaged.
  assert.equal(a.tier.counts.corrupt, 4);
});

const textOf = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

tierTest("lets no older response replace a newer one, by purge positions before times", async (redis) => {
  await using a = await gateway(redis);
  const at = (purgePosition: number, requestTimeMs: number, bytes = 10) =>
    shared(KEY, bytes, { purgePosition, requestTimeMs, body: patterned(bytes + requestTimeMs) });
  await put(a, at(5, 1_500, 300_000));
  await put(a, at(5, 1_400, 400_000));
  await put(a, at(4, 1_900));
  assertSameResponse(await look(a), at(5, 1_500, 300_000));
  assert.equal(a.tier.counts.older, 2);
  assert.equal((await redis.command("KEYS", "*:b:*") as unknown[]).length, 1, "parts of the refused one are gone");
  await put(a, at(6, 1_000));
  assertSameResponse(await look(a), at(6, 1_000));
  assert.deepEqual(await redis.command("KEYS", "*:b:*"), [], "parts of the replaced one are gone");
});

tierTest("keeps the earlier one of two markers of the same names", async (redis) => {
  await using a = await gateway(redis);
  const variant = (value: string, requestTimeMs: number, purgePosition = 1) =>
    shared(`${KEY}\0accept:${value}`, 10, { selectedBy: [["accept", value]], requestTimeMs, purgePosition });
  const marker = (one: StoredResponse) => varyMarker(KEY, one);
  await put(a, variant("x", 1_000), marker(variant("x", 1_000)));
  await put(a, variant("y", 1_500), marker(variant("y", 1_500)));
  assert.equal((await look(a))?.requestTimeMs, 1_000);
  assertSameResponse(await look(a, `${KEY}\0accept:y`), variant("y", 1_500));
  const other = shared(`${KEY}\0dnt:1`, 10, { selectedBy: [["dnt", "1"]], requestTimeMs: 1_600, purgePosition: 1 });
  await put(a, other, marker(other));
  assert.deepEqual((await look(a))?.selectedBy, [["dnt", null]]);
  await put(a, variant("z", 1_700, 2), marker(variant("z", 1_700, 2)));
  assert.equal((await look(a))?.requestTimeMs, 1_700);
});

tierTest("gives one of those who miss the lease; a put wakes the others with its response", async (redis) => {
  await using a = await gateway(redis);
  await using b = await gateway(redis);
  const claimOf = ({ tier }: Gateway) => tier.claim(SHARING, KEY);
  const [first, second] = [claimOf(a), claimOf(b)];
  assert.equal((await a.tier.look({ sharing: SHARING, key: KEY, claim: first })).lease, "held");
  const refused = await b.tier.look({ sharing: SHARING, key: KEY, claim: second });
  assert.equal(refused.lease, "taken");
  assert.ok(refused.leaseMs > 0 && refused.leaseMs <= 2_000);
  const response = shared(KEY, 10);
  const began = performance.now();
  let woken = false;
  const waiting = b.tier.changed(SHARING, KEY, 60_000).then(() => woken = true);
  await eventually(
    "the other hears",
    async () => textOf((await redis.command("PUBSUB", "CHANNELS") as Uint8Array[])[0] ?? new Uint8Array()) !== "",
  );
  await put(a, response);
  await waiting;
  assert.ok(woken && performance.now() - began < 60_000);
  const found = await b.tier.look({ sharing: SHARING, key: KEY, claim: second });
  assertSameResponse(found.response ?? undefined, response);
  assert.equal(found.lease, "none");
  assert.equal(await redis.command("EXISTS", `u:test:l:{${entryName(SHARING, KEY).hash}}`), 0);
});

tierTest("gives the lease with what is stale, and again when it was given back", async (redis) => {
  await using a = await gateway(redis);
  await using b = await gateway(redis);
  const stale = shared(KEY, 10, { fields: [["etag", '"1"']] });
  await put(a, stale);
  a.nowMs = b.nowMs = 500_000;
  const claim = a.tier.claim(SHARING, KEY);
  const looked = await a.tier.look({ sharing: SHARING, key: KEY, claim });
  assertSameResponse(looked.response ?? undefined, stale);
  assert.equal(looked.lease, "held");
  // Who holds it already is not sent it again.
  const known = await b.tier.look({ sharing: SHARING, key: KEY, claim: b.tier.claim(SHARING, KEY), ignored: stale });
  assert.deepEqual([known.response, known.lease], [null, "taken"]);
  claim.end();
  await eventually(
    "it is free",
    async () => await redis.command("EXISTS", `u:test:l:{${entryName(SHARING, KEY).hash}}`) === 0,
  );
  const next = b.tier.claim(SHARING, KEY);
  assert.equal((await b.tier.look({ sharing: SHARING, key: KEY, claim: next, ignored: stale })).lease, "held");
  next.solo(30_000);
  await eventually(
    "nobody waits",
    async () =>
      (await a.tier.look({ sharing: SHARING, key: KEY, claim: a.tier.claim(SHARING, KEY), ignored: stale })).lease ===
        "solo",
  );
});

tierTest("deletes for all, and takes nothing that was asked for before that", async (redis) => {
  await using a = await gateway(redis);
  await using b = await gateway(redis);
  await put(a, shared(KEY, 300_000, { purgePosition: 3 }));
  b.nowMs = 5_000;
  b.tier.delete(SHARING, KEY, 3);
  await b.tier.deleted(10_000);
  assert.ok(await look(a) === undefined);
  assert.deepEqual(await redis.command("KEYS", "*:b:*"), []);
  await put(a, shared(KEY, 10, { purgePosition: 3, requestTimeMs: 4_999 }));
  assert.ok(await look(a) === undefined);
  assert.equal((await a.tier.look({ sharing: SHARING, key: KEY, claim: a.tier.claim(SHARING, KEY) })).lease, "held");
  await put(a, shared(KEY, 10, { purgePosition: 3, requestTimeMs: 5_001 }));
  assert.ok(await look(a));
});

tierTest("stops to put for ten seconds where the engine is full, and goes on to read", async (redis) => {
  await using a = await gateway(redis);
  await put(a, shared(KEY, 1_000));
  await redis.command("CONFIG", "SET", "maxmemory-policy", "noeviction");
  await redis.command("CONFIG", "SET", "maxmemory", "1");
  await put(a, shared(`${KEY}?2`, 1_000));
  assert.equal(a.tier.counts.dropped, 1);
  assert.equal(a.warnings.length, 1);
  assert.ok(await look(a));
  // A lease is a write too.
  const { response, lease } = await a.tier.look({ sharing: SHARING, key: KEY, claim: a.tier.claim(SHARING, KEY) });
  assert.ok(response !== null && lease === "none");
  await redis.command("CONFIG", "SET", "maxmemory", "0");
  a.nowMs = 11_999;
  await put(a, shared(`${KEY}?2`, 1_000));
  assert.equal(a.tier.counts.dropped, 2);
  a.nowMs = 12_001;
  await put(a, shared(`${KEY}?2`, 1_000, { requestTimeMs: 12_000, responseTimeMs: 12_000 }));
  assert.equal(a.tier.counts.puts, 2);
});

tierTest("answers nothing while the engine hangs, by the timeout, and then at once", async (redis) => {
  await using a = await gateway(redis, { timeoutMs: 100, putTimeoutMs: 100 });
  await using patient = await gateway(redis);
  await put(patient, shared(KEY, 10));
  redis.pause();
  for (let time = 0; time < 20; time++) {
    a.tier.put(SHARING, shared(`${KEY}?${time}`, 1_000), null);
    assert.ok(await look(a) === undefined);
  }
  assert.ok(a.tier.counts.late >= 1 && a.tier.counts.late <= 10, `${a.tier.counts.late} were late`);
  assert.equal(a.tier.counts.late + a.tier.counts.skipped, 20);
  redis.resume();
  await eventually("it is asked again", async () => await look(a) !== undefined);
});
