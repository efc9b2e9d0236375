import assert from "node:assert/strict";
import { createMemoryTier } from "../../lib/cache/memory/memory_tier.ts";
import { createKvTier } from "../../lib/cache/disk/kv_tier.ts";
import { createTieredStore } from "../../lib/cache/tiered_store.ts";
import type { Store } from "../../lib/cache/store.ts";
import { upstreamTypes } from "../../lib/upstream_type/registry.ts";
import { findTmdbRoute, tmdbRoutes } from "../../lib/upstream_type/_tmdb_routes.ts";
import { PrewarmFetcher } from "../../lib/workers/operations/prewarm_fetch.ts";
import type { ScriptedExchange, ScriptedHandler } from "../origins/scripted_origin.ts";
import { type GatewayParts, withGateway, withOrigins } from "../pipeline/in_process_gateway.ts";

const KEY = "0123456789abcdef0123456789abcdef";
const APP = `Bearer ${jwt({ aud: KEY, sub: "1", scopes: ["api_read"], version: 1 })}`;
const USER = `Bearer ${jwt({ aud: KEY, sub: "1", scopes: ["api_read", "api_write"], version: 1 })}`;

/** Says that everybody may keep it: what is kept private must be so by the gateway's own table. */
const PUBLIC: [string, string][] = [["content-type", "application/json"], ["cache-control", "public, max-age=3600"]];

/** A request to be shown private. */
interface Case {
  readonly method: string;
  readonly target: string;
  readonly authorization?: string;
}

/** Every private pattern as a path, alternatives spelled out and wildcards filled. */
const privatePaths = tmdbRoutes.filter((route) => route.private !== null).flatMap((route) => route.paths)
  .flatMap(expand).flatMap(filled);

/** Every pattern that may be shared, one path each. */
const sharedPaths = tmdbRoutes.filter((route) => route.private === null).flatMap((route) => route.paths)
  .flatMap((pattern) => filled(expand(pattern)[0]!));

const CASES: readonly Case[] = [
  ...privatePaths.flatMap((target) => ["GET", "HEAD"].map((method) => ({ method, target }))),
  ...[...privatePaths, ...sharedPaths].flatMap((target) =>
    ["POST", "PUT", "PATCH", "DELETE"].map((method) => ({ method, target }))
  ),
  ...sharedPaths.flatMap((path) => [
    { method: "GET", target: `${path}?session_id=of-alice` },
    { method: "GET", target: `${path}?language=de&guest%5Fsession%5Fid=of-alice` },
    { method: "HEAD", target: path, authorization: USER },
    { method: "GET", target: path, authorization: USER },
    { method: "GET", target: `${path}?append_to_response=credits,account_states&session_id=of-alice` },
    { method: "GET", target: `${path}?append_to_response=account%5fstates,images`, authorization: USER },
  ]),
  { method: "GET", target: "/3/movie/550", authorization: "Basic YWxpY2U6c2VjcmV0" },
  { method: "GET", target: "/3/a_path_that_nobody_knows" },
  { method: "GET", target: "/4/a_path_that_nobody_knows" },
];

Deno.test("private paths: the table holds what the field notes list, and every kind of request", () => {
  for (
    const [method, path] of [
      ...["/3/authentication/token/new", "/3/authentication/guest_session/new", "/4/list/1/clear"].map((
        path,
      ) => ["GET", path]),
      ["GET", "/3/account/1/rated/movies"],
      ["GET", "/3/guest_session/1/rated/tv/episodes"],
      ["GET", "/3/movie/1/account_states"],
      ["GET", "/3/tv/1/season/1/account_states"],
      ["GET", "/3/tv/1/season/1/episode/1/account_states"],
      ["DELETE", "/3/authentication/session"],
      ["POST", "/3/tv/1/season/1/episode/1/rating"],
      ["POST", "/3/list/1/remove_item"],
      ["GET", "/3/list/1/item_status"],
      ["GET", "/4/account/1/tv/recommendations"],
      ["PUT", "/4/list/1/items"],
      ["POST", "/4/auth/access_token"],
    ]
  ) {
    const { classify } = upstreamTypes.create("tmdb-api", { ...TYPE_OPTIONS, keyMode: "pass" });
    assert.notEqual(classify({ method: method!, path: path!, query: "", header: () => null }).private, null, path);
  }
  assert.ok(privatePaths.length >= 30 && CASES.length >= 500, `${privatePaths.length} paths, ${CASES.length} cases`);
});

const TYPE_OPTIONS = { apiKeys: [], contentTypes: null, now: () => 0 };

for (const keyMode of ["inject-missing", "replace", "pass"] as const) {
  Deno.test(`private paths: nothing of them is stored, in memory or on disk, and each request is asked again (${keyMode})`, () =>
    withStore(async ({ store, wasPut, rows }) => {
      await withOrigins(
        [(exchange) => exchange.reply({ fields: PUBLIC, body: "{}" })],
        (origin) =>
          withGateway(partsFor([origin!.url], { key_mode: keyMode }, { store }), async (gateway) => {
            for (const one of CASES) {
              const before = origin!.heads.length;
              for (let turn = 0; turn < 2; turn++) {
                const { cacheStatus, headers } = await gateway.ask(one.target, initOf(one));
                assert.doesNotMatch(cacheStatus, /stored|hit|collapsed/, nameOf(one));
                assert.match(headers.get("cache-control") ?? "", /private|no-store/, nameOf(one));
              }
              assert.equal(origin!.heads.length - before, 2, nameOf(one));
            }
            assert.deepEqual(wasPut, []);
            assert.deepEqual(await rows(), []);
            // The same store keeps what may be shared: its emptiness was the table's doing.
            for (const path of sharedPaths) {
              assert.match((await gateway.ask(path, { headers: { authorization: APP } })).cacheStatus, /stored/, path);
              assert.match((await gateway.ask(path)).cacheStatus, /hit/, path);
            }
            assert.equal(wasPut.length, sharedPaths.length);
          }),
      );
    }));
}

Deno.test("private paths: two requests at once are two at the origin", async () => {
  const pairs = new Pairs();
  await withOrigins(
    [(exchange) => pairs.meet(exchange)],
    (origin) =>
      withGateway(partsFor([origin!.url]), async (gateway) => {
        for (const one of CASES) {
          const before = origin!.heads.length;
          await Promise.all([gateway.ask(one.target, initOf(one)), gateway.ask(one.target, initOf(one))]);
          assert.equal(origin!.heads.length - before, 2, nameOf(one));
        }
        assert.equal(pairs.alone, 0, "every request met its twin at the origin");
      }),
  );
});

Deno.test("private paths: none is hedged, where a shared one is", async () => {
  const pairs = new Pairs();
  const late: ScriptedHandler = async (exchange) => {
    // What may be hedged is answered only once its hedge has come too.
    if (exchange.head.target.startsWith("/3/movie/9")) return await pairs.meet(exchange);
    await exchange.wait(15);
    await exchange.reply({ fields: PUBLIC, body: "{}" });
  };
  const hedge = { hedge: { after: "5ms", max_extra: "100%" } };
  await withOrigins(
    [late, late],
    (one, other) =>
      withGateway(partsFor([one!.url, other!.url], hedge), async (gateway) => {
        const { hedges } = gateway.gateway.counts.pools["films"]!;
        assert.equal(hedges, 0);
        const reads = CASES.filter(({ method }) => method === "GET");
        await Promise.all(reads.map((read) => gateway.ask(read.target, initOf(read))));
        assert.equal(one!.heads.length + other!.heads.length, reads.length);
        assert.equal(gateway.gateway.counts.pools["films"]!.hedges, 0);
        await gateway.ask("/3/movie/9");
        assert.equal(gateway.gateway.counts.pools["films"]!.hedges, 1);
        assert.equal(pairs.alone, 0);
      }),
  );
});

Deno.test("private paths: none is sent again once it was sent, where a shared one is", () => {
  const cuts: ScriptedHandler = async (exchange) => {
    await exchange.body();
    exchange.reset();
  };
  return withOrigins(
    [cuts, cuts],
    (one, other) =>
      withGateway(partsFor([one!.url, other!.url], { outliers: { max_ejected: 0 } }), async (gateway) => {
        const count = () => one!.heads.length + other!.heads.length;
        for (const each of CASES) {
          const before = count();
          assert.equal((await gateway.ask(each.target, initOf(each))).status, 502, nameOf(each));
          assert.equal(count() - before, 1, nameOf(each));
        }
        const before = count();
        assert.equal((await gateway.ask("/3/movie/9")).status, 502);
        assert.ok(count() - before > 1);
      }),
  );
});

Deno.test("private paths: none is sent again on another connection when the one it went out on dies, where a shared one is", () => {
  const once: ScriptedHandler = async (exchange) => {
    await exchange.body();
    if (exchange.turn > 1) return exchange.reset();
    await exchange.reply({ fields: PUBLIC, body: "{}" });
  };
  return withOrigins(
    [once],
    (origin) =>
      withGateway(
        partsFor([origin!.url], { outliers: { max_ejected: 0 }, retry: { attempts: 1 } }),
        async (gateway) => {
          // A request that is answered leaves its connection behind for the next one.
          const behind = () => gateway.ask("/3/first_of_a_connection");
          for (const each of CASES) {
            assert.equal((await behind()).status, 200);
            const before = origin!.heads.length;
            assert.equal((await gateway.ask(each.target, initOf(each))).status, 502, nameOf(each));
            assert.equal(origin!.heads.length - before, 1, nameOf(each));
          }
          await behind();
          assert.equal((await gateway.ask("/3/movie/9")).status, 200);
        },
      ),
  );
});

Deno.test("private paths: no prewarm asks for one, and no check of the type's own does", () =>
  withOrigins(
    [(exchange) => exchange.reply({ fields: PUBLIC, body: "{}" })],
    (origin) =>
      withGateway(partsFor([origin!.url]), async ({ gateway }) => {
        const fetcher = new PrewarmFetcher();
        const place = { services: gateway.services, snapshot: gateway.snapshot };
        for (const { method, target, authorization } of CASES) {
          // A list of paths can name neither a method nor a token.
          if (method !== "GET" || authorization !== undefined) continue;
          const result = await fetcher.fetch(place, {
            listener: target.startsWith("/3") ? "three" : "four",
            url: target,
          });
          assert.equal(result.outcome, "skipped", target);
          assert.match(result.detail ?? "", /belongs to one user/, target);
        }
        assert.equal(origin!.heads.length, 0);
        const { check } = upstreamTypes.create("tmdb-api", { ...TYPE_OPTIONS, keyMode: "pass" });
        assert.equal(findTmdbRoute(check!.target).private, null);
      }),
  ));

for (const keyMode of ["inject-missing", "replace", "pass"] as const) {
  Deno.test(`shared paths: clients with different application keys have one stored response (${keyMode})`, () =>
    withOrigins(
      [(exchange) => exchange.reply({ fields: PUBLIC, body: `{"at":"${exchange.head.target}"}` })],
      (origin) =>
        withGateway(partsFor([origin!.url], { key_mode: keyMode }), async ({ ask }) => {
          const other = `Bearer ${jwt({ aud: "f".repeat(32), sub: "2", scopes: ["api_read"], version: 1 })}`;
          const first = await ask("/3/movie/550?language=de&api_key=" + "a".repeat(32));
          assert.match(first.cacheStatus, /stored/);
          for (
            const [target, authorization] of [
              ["/3/movie/550?api_key=" + "b".repeat(32) + "&language=de"],
              ["/3/movie/550?language=de", APP],
              ["/3/movie/550?language=de", other],
              ["/3/movie/550?language=de"],
            ] as const
          ) {
            const { cacheStatus, text } = await ask(
              target,
              authorization === undefined ? {} : { headers: { authorization } },
            );
            assert.match(cacheStatus, /hit/, target);
            assert.equal(text, first.text);
          }
          assert.equal(origin!.heads.length, 1);
        }),
    ));

  Deno.test(`shared paths: users never share, not with each other and not with those who name nobody (${keyMode})`, () => {
    const tells: ScriptedHandler = (exchange) => {
      const said = exchange.head.target + exchange.head.fields.filter(([name]) => name === "authorization").join();
      return exchange.reply({ fields: PUBLIC, body: `"${/alice|bob/.exec(said)?.[0] ?? "nobody"}"` });
    };
    const bearer = (user: string) =>
      `Bearer ${jwt({ aud: KEY, sub: user, scopes: ["api_read", "api_write"] })}.${user}`;
    const ways: readonly ((user: string) => readonly [target: string, authorization?: string])[] = [
      (user) => [`/3/movie/550?session_id=${user}`],
      (user) => [`/3/movie/550?guest_session_id=${user}&api_key=${KEY}`],
      (user) => [`/3/movie/550?Session_ID=${user}`],
      (user) => ["/3/movie/550", bearer(user)],
      (user) => ["/3/movie/550?api_key=" + KEY, bearer(user)],
      (user) => ["/3/movie/550?append_to_response=account_states&session_id=" + user],
      (user) => ["/3/movie/550/account_states", bearer(user)],
    ];
    return withOrigins(
      [tells],
      (origin) =>
        withGateway(partsFor([origin!.url], { key_mode: keyMode }), async ({ ask }) => {
          assert.equal((await ask("/3/movie/550")).text, '"nobody"');
          for (const way of ways) {
            for (const user of ["alice", "bob", "alice"]) {
              const [target, authorization] = way(user);
              const { text } = await ask(target, authorization === undefined ? {} : { headers: { authorization } });
              // With `replace` a user's own token still goes along: no key stands in for it.
              assert.equal(text, `"${user}"`, `${target} ${authorization ?? ""}`);
            }
          }
          const { text, cacheStatus } = await ask("/3/movie/550");
          assert.equal(text, '"nobody"');
          assert.match(cacheStatus, /hit/);
        }),
    );
  });
}

/** Answers requests in twos: each waits for its twin, or until the patience ends and it is counted as alone. */
class Pairs {
  alone = 0;
  #waiting: (() => void) | null = null;

  async meet(exchange: ScriptedExchange): Promise<void> {
    await exchange.body();
    if (this.#waiting !== null) {
      this.#waiting();
      this.#waiting = null;
    } else {
      await this.#patience();
    }
    await exchange.reply({ fields: PUBLIC, body: "{}" });
  }

  #patience(): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        this.alone++;
        this.#waiting = null;
        resolve();
      }, 20_000);
      this.#waiting = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

/** A store of memory and disk that tells what was put into it, and what is on disk. */
interface WatchedStore {
  readonly store: Store;
  readonly wasPut: readonly string[];
  readonly rows: () => Promise<Deno.KvKey[]>;
}

async function withStore(run: (watched: WatchedStore) => Promise<void>): Promise<void> {
  const directory = await Deno.makeTempDir();
  const kv = await Deno.openKv(`${directory}/cache.kv`);
  const clock = { now: () => Date.UTC(2026, 0, 2, 3, 4, 5) };
  const disk = createKvTier({ kv, clock, log: { warn: () => {} }, limitBytes: 64 << 20, logReserveBytes: 0 });
  const tiered = createTieredStore({ memory: createMemoryTier({ limitBytes: 32 << 20 }), disk, clock });
  const wasPut: string[] = [];
  const store: Store = {
    get: (key) => tiered.get(key),
    put: (response) => {
      wasPut.push(response.key);
      tiered.put(response);
    },
    adopt: (response) => tiered.adopt(response),
    takeOver: (response) => tiered.takeOver(response),
    isOnItsWay: (key) => tiered.isOnItsWay(key),
    purgePosition: tiered.purgePosition,
    isTrusted: tiered.isTrusted,
    trusted: (response) => tiered.trusted(response),
    isPurged: (response) => tiered.isPurged(response),
    delete: (key) => tiered.delete(key),
    stats: () => tiered.stats(),
    close: (graceMs) => tiered.close(graceMs),
  };
  // What begins with "n" are the tier's sums, not responses.
  const rows = async () =>
    (await Array.fromAsync(kv.list({ prefix: [] }))).map(({ key }) => key).filter(([kind]) => kind !== "n");
  try {
    await run({ store, wasPut, rows });
    await tiered.close(10_000);
    assert.ok((await rows()).length >= wasPut.length);
  } finally {
    kv.close();
    await Deno.remove(directory, { recursive: true });
  }
}

/** A pool of TMDB's API over the origins, on both versions' prefixes. */
function partsFor(urls: readonly string[], pool = {}, more: Partial<GatewayParts> = {}): GatewayParts {
  return {
    pools: {
      films: { type: "tmdb-api", health: false, strategy: "round-robin", upstreams: urls, api_keys: [KEY], ...pool },
    },
    listeners: [{ name: "three", prefix: "/3" }, { name: "four", prefix: "/4" }].map((one) => ({
      ...one,
      pool: "films",
      // All that may make a response be kept longer, or used for more.
      offline: "auto",
      cache: { reuse_appends: true, rules: [{ status: "200-599", ttl: "1h", min_ttl: "1h", stale_if_error: "1h" }] },
    })),
    access: "off",
    ...more,
  };
}

function initOf({ method, authorization }: Case): RequestInit {
  const body = method === "GET" || method === "HEAD" ? undefined : '{"value":8.5}';
  const headers: Record<string, string> = body === undefined ? {} : { "content-type": "application/json" };
  if (authorization !== undefined) headers["authorization"] = authorization;
  return { method, headers, body };
}

function nameOf({ method, target, authorization }: Case): string {
  return `${method} ${target}${authorization === undefined ? "" : " as a user"}`;
}

/** All combinations of the alternatives in a pattern. */
function expand(pattern: string): string[] {
  const choice = /\{([^}]*)\}/.exec(pattern);
  if (choice === null) return [pattern];
  return choice[1]!.split(",").flatMap((one) => expand(pattern.replace(choice[0], one)));
}

/** A pattern with an id for each `*`, and for `**` nothing, one segment and two. */
function filled(pattern: string): string[] {
  const path = pattern.replaceAll(/\/\*(?=\/|$)/g, "/17");
  return path.endsWith("/**") ? ["", "/17", "/17/rated"].map((rest) => path.replace("/**", rest)) : [path];
}

function jwt(claims: Record<string, unknown>): string {
  const part = (value: unknown) => btoa(JSON.stringify(value)).replaceAll("=", "");
  return `${part({ alg: "HS256" })}.${part(claims)}.signature`;
}
