import assert from "node:assert/strict";
import { createKvTier } from "../../lib/cache/disk/kv_tier.ts";
import { createMemoryTier } from "../../lib/cache/memory/memory_tier.ts";
import { createTieredStore } from "../../lib/cache/tiered_store.ts";
import { filePath } from "../origins/artwork.ts";
import { demoApiKey, startTmdbOrigin, type TmdbOrigin } from "../origins/tmdb_origin.ts";
import { type GatewayParts, HandClock, type InProcessGateway, withGateway } from "./in_process_gateway.ts";

/** What a household asks for: each kind of path that may be stored. */
const targets = [
  "/3/configuration",
  "/3/genre/movie/list?language=de-DE",
  ...[550, 603, 27205, 155, 13, 680].flatMap((
    id,
  ) => [`/3/movie/${id}`, `/3/movie/${id}?language=de-DE&append_to_response=credits`]),
  "/3/movie/900001?language=zh-CN",
  "/3/tv/1399",
  "/3/tv/1399/season/1",
  "/3/tv/1399/season/1/episode/1",
  "/3/tv/900010/season/1?language=zh-CN",
  "/3/person/popular",
  "/3/movie/popular",
  "/3/search/movie?query=matrix",
  "/3/discover/movie",
  "/3/trending/all/day",
  "/3/find/tt0137523?external_source=imdb_id",
  "/3/movie/changes",
  `/t/p/w92${filePath("poster", "movie/550")}`,
];

const HOUR_MS = 3_600_000;
/** Requests a second that TMDB's key is good for. */
const RATE = 8;

function partsFor(origin: TmdbOrigin, more: Partial<GatewayParts>): GatewayParts {
  const pool = {
    health: false,
    upstreams: [origin.url],
    timeouts: { total: "10m", first_byte: "2m" },
    retry: { attempts: 1 },
  };
  const api = { ...pool, type: "tmdb-api", api_keys: [demoApiKey], key_limits: { max_rps: RATE, burst: RATE } };
  return {
    pools: { api, images: { ...pool, type: "tmdb-image" } },
    listeners: [
      { name: "api", prefix: "/3", pool: "api", offline: "auto", fill_language: ["zh-TW", "en-US"], fill_wait: "1m" },
      { name: "images", prefix: "/t/p", pool: "images", offline: "auto" },
    ],
    ...more,
  };
}

type Texts = Map<string, { readonly status: number; readonly text: string }>;

/** A gateway, and the clock of its store, which goes on with the gateway's. */
interface Home {
  readonly gateway: InProcessGateway;
  readonly storeClock: HandClock;
}

function advance({ gateway, storeClock }: Home, ms: number): void {
  gateway.clock.advance(ms);
  storeClock.advance(ms);
}

/** Waits for a promise; what waits for the key's rate gets it as the clock goes on, a second at a time. */
async function ticking<T>(home: Home, promise: Promise<T>): Promise<T> {
  let isOver = false;
  void promise.finally(() => isOver = true);
  for (let waits = 0; !isOver; waits++) {
    await new Promise((resolve) => setTimeout(resolve, 5));
    if (!isOver && waits > 2) advance(home, 1_000);
  }
  return await promise;
}

async function askAll(home: Home): Promise<Texts> {
  const { ask } = home.gateway;
  const asking = targets.map((target) => ask(target).then(({ status, text }) => [target, { status, text }] as const));
  return new Map(await ticking(home, Promise.all(asking)));
}

/** Everything is there as it was, and says that it is old, or is still fresh. */
async function seeAll(home: Home, first: Texts, when: string): Promise<void> {
  for (const target of targets) {
    const { status, text, cacheStatus, headers } = await ticking(home, home.gateway.ask(target));
    assert.deepEqual({ status, text }, first.get(target), `${target} ${when}`);
    const isFresh = /; ttl=\d+/.test(cacheStatus);
    assert.ok(isFresh || /; ttl=-\d+/.test(cacheStatus), `${target} ${when}: ${cacheStatus}`);
    assert.ok(isFresh || Number(headers.get("age")) > 0, target);
  }
}

Deno.test("a week without TMDB: everything seen once is served and marked, over a restart, and comes back in the background", async () => {
  const origin = await startTmdbOrigin();
  const directory = await Deno.makeTempDir();
  const kv = await Deno.openKv(`${directory}/kv`);
  const storeClock = new HandClock(Date.UTC(2026, 0, 2, 3, 4, 5));
  const storeOf = () => {
    const disk = createKvTier({ kv, clock: storeClock, log: { warn: () => {} }, limitBytes: 64 << 20 });
    const store = createTieredStore({ memory: createMemoryTier({ limitBytes: 8 << 20 }), disk, clock: storeClock });
    return { disk, store };
  };
  const faults = [() => new Response("<h1>gone</h1>", { status: 503 }), () => "reset" as const];
  let first: Texts = new Map();
  try {
    const before = storeOf();
    await withGateway(partsFor(origin, { store: before.store }), async (gateway) => {
      const home = { gateway, storeClock };
      first = await askAll(home);
      assert.ok([...first.values()].every(({ status }) => status === 200));
      await ticking(home, gateway.idle());
      await before.disk.flush();
      for (let day = 0; day < 3; day++) {
        origin.fault = faults[day % 2]!;
        advance(home, 24 * HOUR_MS);
        await seeAll(home, first, `on day ${day + 1}`);
        await ticking(home, gateway.idle());
      }
    });
    const after = storeOf();
    await withGateway(partsFor(origin, { store: after.store }), async (gateway) => {
      const home = { gateway, storeClock };
      gateway.clock.advance(storeClock.now() - gateway.clock.now());
      for (let day = 3; day < 7; day++) {
        origin.fault = faults[day % 2]!;
        if (day > 3) advance(home, 24 * HOUR_MS);
        await seeAll(home, first, `on day ${day + 1}, restarted`);
        await ticking(home, gateway.idle());
      }
      await comesBack(home, origin, first);
    });
  } finally {
    kv.close();
    await origin.close();
    await Deno.remove(directory, { recursive: true });
  }
});

/** TMDB is back: clients wait for nothing, and what they ask for becomes fresh within the key's rate. */
async function comesBack(home: Home, origin: TmdbOrigin, first: Texts): Promise<void> {
  const { gateway: { ask, idle, gateway, clock } } = home;
  // The key's rate is earned again, and the breaker lets somebody try.
  advance(home, 60_000);
  origin.fault = null;
  origin.requests.length = 0;
  const sent = () => origin.requests.filter(({ target }) => target.startsWith("/3/")).length;
  const startMs = clock.now();
  for (const target of targets) {
    const { status, text, cacheStatus } = await ask(target);
    assert.deepEqual({ status, text }, first.get(target), `${target} when TMDB is back`);
    assert.match(cacheStatus, /^usher; hit; ttl=/, target);
  }
  assert.equal(clock.now(), startMs, "nobody has waited");
  const { background } = gateway.services;
  while (background.size > 0) {
    const allowed = RATE + RATE * (clock.now() - startMs) / 1_000;
    assert.ok(sent() <= allowed, `${sent()} requests in ${clock.now() - startMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 20));
    advance(home, 500);
  }
  await idle();
  for (const target of targets) {
    const { cacheStatus, status, text } = await ask(target);
    assert.match(cacheStatus, /^usher; hit; ttl=\d+/, target);
    assert.deepEqual({ status, text }, first.get(target), target);
  }
}
