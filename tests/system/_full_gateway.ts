import { join } from "node:path";
import { madeAuthority } from "../certificates/made.ts";
import { type ScriptedOrigin, startScriptedOrigin } from "../origins/scripted_origin.ts";
import { demoApiKey, startTmdbOrigin } from "../origins/tmdb_origin.ts";
import { startCollector } from "../origins/otlp_collector.ts";
import { eventually } from "../eventually.ts";
import { freePort, type RunningGateway, startGateway } from "./_gateway.ts";
import { customPool, testConfig } from "./test_config.ts";

/** A token of the client `tv` at the listener `guarded`. */
export const TV_TOKEN = "5f3c9a1e7b2d4068aa51c0de93b7f642";

/** What the origin has done, as it counts itself. */
export interface OriginCounts {
  /** Requests by path. */
  readonly byTarget: Map<string, number>;
  /** Content bytes of its complete answers. */
  sentBytes: number;
}

/** A gateway in which everything is on that has figures, and the origin of its pool `site`. */
export interface FullGateway {
  readonly gateway: RunningGateway;
  readonly origin: ScriptedOrigin;
  readonly counts: OriginCounts;
  /** Lets the requests go on that the origin holds: those for `/held…`. */
  release(): void;
}

/** Starts it with one serving worker: which tier answers is decided by what was asked before. */
export async function startFullGateway(stack: AsyncDisposableStack): Promise<FullGateway> {
  const counts: OriginCounts = { byTarget: new Map(), sentBytes: 0 };
  const held: (() => void)[] = [];
  const origin = stack.adopt(await startCountingOrigin(counts, held), (one) => one.close());
  const tmdb = stack.adopt(await startTmdbOrigin(), (one) => one.close());
  tmdb.fault = ({ target }) =>
    target.includes("/changes?") ? Response.json({ results: [], total_pages: 1 }) : undefined;
  const collector = startCollector();
  stack.defer(() => collector.close());
  const directory = await Deno.makeTempDir({ prefix: "usher-test-" });
  const { cert, key } = await (await madeAuthority()).leaf(["localhost"]);
  await Deno.writeTextFile(join(directory, "one.pem"), cert);
  await Deno.writeTextFile(join(directory, "one.key"), key, { mode: 0o600 });
  const gateway = stack.adopt(
    await startGateway({
      directory,
      env: { CLUSTER_SECRET: "a-secret-of-the-cluster" },
      config: (places) =>
        testConfig(places, {
          forward_proxies: [{ name: "way-in", listen: `127.0.0.1:${freePort()}`, hosts: ["localhost"] }],
          server: { workers: 1 },
          // Nobody is there: this gateway is alone, and says so.
          cluster: { engine: `redis://127.0.0.1:${freePort()}`, secret: "${CLUSTER_SECRET}" },
          cache: { shared: true },
          tracing: { endpoint: collector.url, sample: "0%" },
          pools: {
            site: customPool([{ url: origin.url, max_in_flight: 200, max_rps: 5_000 }], { retry: { attempts: 2 } }),
            films: {
              ...{ type: "tmdb-api", health: false, upstreams: [tmdb.url], api_keys: [demoApiKey] },
              ...{ key_limits: { max_rps: 5_000, burst: 500 } },
              change_feed: { interval: "1h", kinds: ["movie"], rate: 20 },
            },
            posters: { type: "tmdb-image", health: false, upstreams: [tmdb.url] },
          },
          listeners: [
            {
              ...{ name: "site", prefix: "/", pool: "site", max_in_flight: 100, cache: { disk_quota: "8MiB" } },
              trace_context: "any",
            },
            { name: "guarded", prefix: "/guarded", pool: "site", auth: { tokens: { tv: TV_TOKEN } } },
            { name: "limited", prefix: "/limited", pool: "site", rate_limit: { requests: 1, per: "1h" } },
            { name: "films", prefix: "/3", pool: "films" },
            { name: "posters", prefix: "/t/p", pool: "posters", images: { convert: true } },
            {
              ...{ name: "tls", listen: `127.0.0.1:${freePort()}`, pool: "site" },
              tls: { cert: join(directory, "one.pem"), key: join(directory, "one.key") },
            },
          ],
        }),
    }),
    (one) => one.close(),
  );
  return { gateway, origin, counts, release: () => held.splice(0).forEach((go) => go()) };
}

/** Answers by its path: how long the answer may be kept, and what goes wrong. */
async function startCountingOrigin(counts: OriginCounts, held: (() => void)[]): Promise<ScriptedOrigin> {
  const controls: readonly (readonly [RegExp, string])[] = [
    [/^\/(?:no|write|left)/, "no-store"],
    [/^\/validate/, "max-age=0"],
    [/^\/stale/, "max-age=0, stale-while-revalidate=3600"],
    [/./, "max-age=3600"],
  ];
  return await startScriptedOrigin(async (exchange) => {
    const { target, method, fields } = exchange.head;
    await exchange.body();
    const times = (counts.byTarget.get(target) ?? 0) + 1;
    counts.byTarget.set(target, times);
    if (target.startsWith("/left")) return await exchange.hang();
    if (target.startsWith("/held")) await new Promise<void>((resolve) => held.push(resolve));
    if (target.startsWith("/broken") || (target.startsWith("/flaky") && times === 1)) {
      // With a part of an answer: without one a request on a connection that was idle is sent again, and is the same try.
      await exchange.write("HTTP/1.1 2");
      return exchange.reset();
    }
    const more: [string, string][] = [["cache-control", controls.find(([path]) => path.test(target))![1]], [
      "etag",
      '"one"',
    ]];
    if (fields.some(([name]) => name === "if-none-match")) return await exchange.reply({ status: 304, fields: more });
    const body = `${method} ${target}\n`.repeat(100);
    counts.sentBytes += body.length;
    await exchange.reply({ fields: more, body });
  });
}

/**
 * Reloads, prewarms something, and waits until that and the first look-up of changes have ended: from then on nothing goes on by
 * itself.
 */
export async function settle({ adminUrl }: RunningGateway): Promise<void> {
  const reloaded = await fetch(`${adminUrl}/reload`, { method: "POST" });
  if (!reloaded.ok) throw new Error(await reloaded.text());
  await reloaded.body?.cancel();
  const body = JSON.stringify({ listener: "site", paths: ["http://gateway.test/warm"] });
  const headers = { "content-type": "application/json" };
  const begun = await fetch(`${adminUrl}/prewarm`, { method: "POST", headers, body });
  if (begun.status !== 202) throw new Error(await begun.text());
  await begun.body?.cancel();
  await eventually("the prewarm has ended", async () => {
    const { prewarms } = await (await fetch(`${adminUrl}/prewarm`)).json();
    return prewarms[0]?.state === "done";
  });
  await eventually("changes were looked up", async () => {
    const { change_feeds: [feed] } = await (await fetch(`${adminUrl}/change-feed`)).json();
    return feed.last_success !== null;
  });
}
