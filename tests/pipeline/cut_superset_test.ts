import assert from "node:assert/strict";
import { createKvTier } from "../../lib/cache/disk/kv_tier.ts";
import { createMemoryTier } from "../../lib/cache/memory/memory_tier.ts";
import { newPurge, PurgeTable } from "../../lib/cache/purge/purge_table.ts";
import type { PurgeScope } from "../../lib/cache/purge/purge_rules.ts";
import { createTieredStore } from "../../lib/cache/tiered_store.ts";
import { demoApiKey, startTmdbOrigin, type TmdbOrigin } from "../origins/tmdb_origin.ts";
import { type GatewayParts, HandClock, type InProcessGateway, withGateway } from "./in_process_gateway.ts";
import type { Store } from "../../lib/cache/store.ts";
import { BackgroundTasks } from "../../lib/request/services.ts";
import { SupersetIndex } from "../../lib/pipeline/cut_superset.ts";
import { sample } from "../cache/stored_sample.ts";

/** One listener on TMDB's API that cuts documents down. */
function partsFor(origin: { readonly url: string }, cache: Record<string, unknown> = {}): GatewayParts {
  return {
    pools: { p: { type: "tmdb-api", health: false, upstreams: [origin.url], api_keys: [demoApiKey] } },
    listeners: [{ name: "l", pool: "p", cache: { reuse_appends: true, compress: false, ...cache } }],
  };
}

async function withTmdb(
  run: (gateway: InProcessGateway, origin: TmdbOrigin) => Promise<void>,
  more: { readonly cache?: Record<string, unknown>; readonly parts?: Partial<GatewayParts> } = {},
): Promise<void> {
  const origin = await startTmdbOrigin();
  try {
    await withGateway({ ...partsFor(origin, more.cache), ...more.parts }, (gateway) => run(gateway, origin));
  } finally {
    await origin.close();
  }
}

/** What the origin itself answers. */
async function direct(origin: TmdbOrigin, target: string): Promise<string> {
  const response = await fetch(`${origin.url}${target}${target.includes("?") ? "&" : "?"}api_key=${demoApiKey}`);
  assert.equal(response.status, 200);
  return await response.text();
}

Deno.test("SupersetCutter serves fewer parts, or none, to the byte as the origin would have sent them", () =>
  withTmdb(async ({ ask, results }, origin) => {
    for (const path of ["/3/movie/550", "/3/tv/1399", "/3/movie/550?language=de-DE"]) {
      const join = path.includes("?") ? "&" : "?";
      await ask(`${path}${join}append_to_response=videos,images,credits,external_ids`);
      origin.requests.length = 0;
      const wanted = ["credits", "external_ids,videos", "images", "videos%2Ccredits", "images,credits,external_ids"];
      const subsets = [path, ...wanted.map((parts) => `${path}${join}append_to_response=${parts}`)];
      for (const target of subsets) {
        const answer = await ask(target);
        assert.match(answer.cacheStatus, /^usher; hit; ttl=\d+; detail=superset$/, target);
        // The origin puts parts in the order they are asked for, the gateway in that of the stored document.
        assert.deepEqual(JSON.parse(answer.text), JSON.parse(await direct(origin, target)), target);
        assert.equal(answer.headers.get("content-length"), String(new TextEncoder().encode(answer.text).byteLength));
      }
      const inOrder = `${path}${join}append_to_response=videos,credits`;
      assert.equal((await ask(inOrder)).text, await direct(origin, inOrder));
      assert.equal((await ask(path)).text, await direct(origin, path));
      assert.ok(origin.requests.every(({ target }) => target.includes(demoApiKey)));
      origin.requests.length = 0;
    }
    assert.equal(results()["miss"], 3);
  }));

Deno.test("SupersetCutter gives what it cuts an entity tag of its own, good for conditions and ranges", () =>
  withTmdb(async ({ ask }, origin) => {
    const whole = await ask("/3/movie/550?append_to_response=credits,images");
    const cut = await ask("/3/movie/550?append_to_response=credits");
    const tag = cut.headers.get("etag")!;
    assert.match(tag, /^"[\w-]{32}"$/);
    assert.notEqual(tag, whole.headers.get("etag"));
    assert.equal((await ask("/3/movie/550")).headers.get("etag") === tag, false);
    const target = "/3/movie/550?append_to_response=credits";
    assert.equal((await ask(target, { headers: { "if-none-match": tag } })).status, 304);
    assert.equal((await ask(target, { headers: { "if-none-match": whole.headers.get("etag")! } })).status, 200);
    const part = await ask(target, { headers: { range: "bytes=0-9", "if-range": tag } });
    assert.deepEqual([part.status, part.text], [206, cut.text.slice(0, 10)]);
    const head = await ask(target, { method: "HEAD" });
    assert.deepEqual([head.text, head.headers.get("etag")], ["", tag]);
    assert.equal(origin.requests.length, 1);
  }));

Deno.test("SupersetCutter takes age, lifetime and an end from the document that it cuts", () =>
  withTmdb(async ({ ask, clock }, origin) => {
    await ask("/3/movie/550?append_to_response=credits,images");
    clock.advance(60_000);
    const cut = await ask("/3/movie/550?append_to_response=credits");
    const whole = await ask("/3/movie/550?append_to_response=credits,images");
    for (const name of ["age", "cache-control", "date", "expires", "last-modified"]) {
      assert.equal(cut.headers.get(name), name === "last-modified" ? null : whole.headers.get(name), name);
    }
    assert.equal(cut.headers.get("age"), "60");
    // Six hours after it came the document is stale: served while a new one is fetched, but not cut.
    clock.advance(6 * 3_600_000);
    assert.match((await ask("/3/movie/550?append_to_response=credits")).cacheStatus, /fwd=uri-miss/);
    assert.equal(origin.count(/append_to_response=credits(?:&|$)/), 1);
  }));

Deno.test("SupersetCutter cuts nothing where it is not certain what the origin would send", () =>
  withTmdb(async ({ ask }) => {
    const cases = [
      // A season stays where it is, and so does what nobody knows.
      ["/3/tv/1399?append_to_response=credits,season/1", "/3/tv/1399?append_to_response=credits"],
      ["/3/movie/550?append_to_response=credits,nonsense", "/3/movie/550?append_to_response=credits"],
      // Another language, page, path or spelling is another document.
      ["/3/movie/551?append_to_response=credits,images&language=de", "/3/movie/551?append_to_response=credits"],
      ["/3/movie/551?append_to_response=credits,images", "/3/movie/551?append_to_response=credits&language=de"],
      ["/3/movie/680?append_to_response=credits", "/3/movie/680?append_to_response=images"],
      ["/3/movie/680?append_to_response=credits", "/3/movie/680?append_to_response=credits,images"],
      ["/3/movie/13?append_to_response=credits&append_to_response=images", "/3/movie/13?append_to_response=credits"],
      ["/3/movie/155?Append_to_response=credits,images", "/3/movie/155"],
      ["/3/search/movie?query=a&append_to_response=credits,images", "/3/search/movie?query=a"],
      ["/3/movie/603?append_to_response=credits,images", "/3/movie/603?"],
    ];
    for (const [held, wanted] of cases) {
      await ask(held!);
      assert.doesNotMatch((await ask(wanted!)).cacheStatus, /superset/, `${held} for ${wanted}`);
    }
  }));

Deno.test("SupersetCutter keeps a part that it does not know, where it is wanted", () =>
  withTmdb(async ({ ask }, origin) => {
    await ask("/3/movie/550?append_to_response=credits,images,nonsense");
    const target = "/3/movie/550?append_to_response=credits,nonsense";
    const answer = await ask(target);
    assert.match(answer.cacheStatus, /superset/);
    assert.equal(answer.text, await direct(origin, target));
  }));

Deno.test("SupersetCutter serves nobody from a user's document", () =>
  withTmdb(async ({ ask }) => {
    const user = "session_id=session-of-alice";
    assert.match((await ask(`/3/movie/550?append_to_response=credits,images&${user}`)).cacheStatus, /user-query/);
    const states = `append_to_response=credits,account_states&${user}`;
    assert.match((await ask(`/3/movie/550?${states}`)).cacheStatus, /user-query/);
    assert.match((await ask("/3/movie/550?append_to_response=credits")).cacheStatus, /fwd=uri-miss/);
    await ask("/3/movie/550?append_to_response=credits,images");
    assert.match((await ask(`/3/movie/550?${user}`)).cacheStatus, /fwd=bypass/);
    // These are nobody's, and no part that could be cut out of another document.
    assert.match((await ask("/3/movie/550?append_to_response=account_states")).cacheStatus, /fwd=uri-miss; .*stored/);
  }));

Deno.test("SupersetCutter ends with what it cut: by purges, invalidation and what is asked of it", async () => {
  const purges = new PurgeTable();
  const clock = new HandClock(Date.UTC(2026, 0, 2, 3, 4, 5));
  const store = createTieredStore({ memory: createMemoryTier({ limitBytes: 8 << 20 }), disk: null, clock, purges });
  await withTmdb(async ({ ask, gateway, clock: own }) => {
    const wanted = "/3/movie/550?append_to_response=credits";
    const held = "/3/movie/550?append_to_response=credits,images";
    const target = "/3/movie/550?append_to_response=credits,images";
    const scopes: [PurgeScope, boolean][] = [
      [{ kind: "url", listener: "l", target }, true],
      [{ kind: "url", listener: "l", target }, false],
      [{ kind: "tag", listener: null, tag: "movie:550" }, true],
      [{ kind: "all", listener: "l" }, false],
    ];
    for (const [scope, soft] of scopes) {
      own.advance(1_000);
      await ask(held);
      assert.match((await ask(wanted)).cacheStatus, /superset/, scope.kind);
      own.advance(1_000);
      purges.add(newPurge(scope, { soft, nowMs: own.now() }));
      assert.match((await ask(wanted)).cacheStatus, /fwd=uri-miss/, `${scope.kind} ${soft}`);
      own.advance(1_000);
      purges.add(newPurge({ kind: "all", listener: null }, { soft: false, nowMs: own.now() }));
    }
    own.advance(1_000);
    await ask(held);
    assert.match((await ask(wanted, { headers: { "cache-control": "only-if-cached" } })).cacheStatus, /superset/);
    own.advance(1_000);
    gateway.services.invalidations.add(`l\0\0${target}`, own.now());
    assert.match((await ask(wanted)).cacheStatus, /fwd=uri-miss/);
  }, { parts: { store } });
});

Deno.test("SupersetCutter serves nothing for a URL that was purged, or changed by an unsafe request, itself", async () => {
  const purges = new PurgeTable();
  const clock = new HandClock(Date.UTC(2026, 0, 2, 3, 4, 5));
  const store = createTieredStore({ memory: createMemoryTier({ limitBytes: 8 << 20 }), disk: null, clock, purges });
  await withTmdb(async ({ ask, gateway, clock: own }) => {
    const parts = ["credits", "images", "videos"];
    const targetOf = (part: string) => `/3/movie/550?append_to_response=${part}`;
    await ask(targetOf(parts.join(",")));
    for (const part of parts) assert.match((await ask(targetOf(part))).cacheStatus, /superset/);
    own.advance(1_000);
    for (const [soft, part] of [[true, "credits"], [false, "images"]] as const) {
      purges.add(newPurge({ kind: "url", listener: "l", target: targetOf(part) }, { soft, nowMs: own.now() }));
    }
    gateway.services.invalidations.add(`l\0\0${targetOf("videos")}`, own.now());
    own.advance(1_000);
    for (const part of parts) {
      assert.match((await ask(targetOf(part))).cacheStatus, /fwd=uri-miss; stored/, part);
      assert.match((await ask(targetOf(part))).cacheStatus, /detail=memory$/);
    }
  }, { parts: { store } });
});

Deno.test("SupersetCutter compresses what it cuts", () =>
  withTmdb(async ({ ask, send, idle }, origin) => {
    await ask("/3/movie/550?append_to_response=credits,images,videos");
    const target = "/3/movie/550?append_to_response=credits,videos";
    await ask(target, { headers: { "accept-encoding": "gzip" } });
    await idle();
    const response = await send(target, { headers: { "accept-encoding": "gzip" } });
    assert.equal(response.headers.get("content-encoding"), "gzip");
    const text = await new Response(response.body!.pipeThrough(new DecompressionStream("gzip"))).text();
    assert.equal(text, await direct(origin, target));
  }, { cache: { compress: { min_size: "1" } } }));

Deno.test("SupersetCutter leaves overrides to whoever serves: they hold for what is cut as for what is fetched", async () => {
  const origin = await startTmdbOrigin();
  const overrides = [{ path: "/3/movie/550", merge: { title: "Ours", credits: { cast: [] } } }];
  const withReuse = (reuse: boolean) => {
    const { pools, listeners } = partsFor(origin, { reuse_appends: reuse });
    return { pools, listeners: [{ ...listeners[0], overrides }] };
  };
  const targets = ["/3/movie/550?append_to_response=credits", "/3/movie/550"];
  const served: string[][] = [];
  try {
    for (const reuse of [true, false]) {
      await withGateway(withReuse(reuse), async ({ ask }) => {
        await ask("/3/movie/550?append_to_response=credits,images");
        const texts = [];
        for (const target of targets) {
          const answer = await ask(target);
          assert.equal(/superset/.test(answer.cacheStatus), reuse, answer.cacheStatus);
          texts.push(answer.text);
        }
        served.push(texts);
      });
    }
    assert.deepEqual(served[0], served[1]);
    assert.equal(JSON.parse(served[0]![0]!).title, "Ours");
  } finally {
    await origin.close();
  }
});

Deno.test("SupersetCutter finds after a restart what was stored before", async () => {
  const directory = await Deno.makeTempDir();
  const kv = await Deno.openKv(`${directory}/kv`);
  const origin = await startTmdbOrigin();
  const clock = new HandClock(Date.UTC(2026, 0, 2, 3, 4, 5));
  const storeOf = () => {
    const disk = createKvTier({ kv, clock, log: { warn: () => {} }, limitBytes: 64 << 20 });
    const memory = createMemoryTier({ limitBytes: 8 << 20 });
    return { disk, store: createTieredStore({ memory, disk, clock }) };
  };
  try {
    const { disk, store } = storeOf();
    await withGateway({ ...partsFor(origin), store }, async ({ ask, idle }) => {
      await ask("/3/movie/550?append_to_response=credits,images");
      await ask("/3/movie/550?append_to_response=videos,images");
      await idle();
      await disk.flush();
    });
    origin.requests.length = 0;
    await withGateway({ ...partsFor(origin), store: storeOf().store }, async ({ ask }) => {
      assert.match((await ask("/3/movie/550?append_to_response=credits")).cacheStatus, /detail=superset/);
      assert.match((await ask("/3/movie/550?append_to_response=videos")).cacheStatus, /detail=superset/);
      assert.match((await ask("/3/movie/550")).cacheStatus, /detail=superset/);
    });
    assert.equal(origin.requests.length, 0);
  } finally {
    await origin.close();
    kv.close();
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("a listener without reuse_appends fetches each set of parts", () =>
  withTmdb(async ({ ask }, origin) => {
    await ask("/3/movie/550?append_to_response=credits,images");
    assert.match((await ask("/3/movie/550?append_to_response=credits")).cacheStatus, /fwd=uri-miss/);
    assert.equal(origin.requests.length, 2);
  }, { cache: { reuse_appends: false } }));

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
