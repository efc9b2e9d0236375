import assert from "node:assert/strict";
import { demoApiKey, startTmdbOrigin } from "../origins/tmdb_origin.ts";
import { eventually } from "../eventually.ts";
import { type RunningGateway, startGateway } from "./_gateway.ts";
import { testConfig } from "./test_config.ts";

const PATIENCE_MS = 60_000;
const MOVIE = "/3/movie/550?append_to_response=credits,images";

/** As much of a feed's status as is read here. */
interface Feed {
  readonly state: string;
  readonly last_problem: string | null;
  readonly next_run: string | null;
  readonly last: { readonly changed: number; readonly purged: number; readonly pages: number };
  readonly total: { readonly runs: number; readonly changed: number; readonly purged: number };
}

async function feedOf(gateway: RunningGateway): Promise<Feed> {
  const { change_feeds: feeds } = await (await fetch(`${gateway.adminUrl}/change-feed`)).json();
  return feeds[0];
}

/** Has the changes looked up, and waits until that has ended. */
async function poll(gateway: RunningGateway): Promise<Feed> {
  const before = (await feedOf(gateway)).total.runs;
  const post = async () => (await fetch(`${gateway.adminUrl}/change-feed/tmdb`, { method: "POST" })).status;
  // The first look-up may be under way by itself.
  await eventually("a look-up begins", async () => await post() === 202, PATIENCE_MS);
  await eventually("it ends", async () => {
    const { state, total } = await feedOf(gateway);
    return state !== "running" && total.runs > before;
  }, PATIENCE_MS);
  return await feedOf(gateway);
}

async function ask(gateway: RunningGateway, target: string): Promise<string> {
  const response = await fetch(gateway.url + target);
  await response.body?.cancel();
  assert.equal(response.status, 200);
  return response.headers.get("cache-status") ?? "";
}

Deno.test("a changed film is served stale, then fresh, right after a look-up of changes; others are not fetched again", async () => {
  await using stack = new AsyncDisposableStack();
  const origin = await startTmdbOrigin();
  stack.defer(() => origin.close());
  let changed: Record<string, number[]> = {};
  let trouble: Response | null = null;
  origin.fault = ({ target }) => {
    const kind = /^\/3\/(movie|tv)\/changes\?/.exec(target)?.[1];
    if (kind === undefined) return undefined;
    return trouble?.clone() ?? Response.json({ results: (changed[kind] ?? []).map((id) => ({ id })), total_pages: 1 });
  };
  const options = {
    config: (places: Parameters<typeof testConfig>[0]) =>
      testConfig(places, {
        server: { workers: 1 },
        pools: {
          tmdb: {
            type: "tmdb-api",
            health: false,
            api_keys: [demoApiKey],
            upstreams: [origin.url],
            timeouts: { total: "2s" },
            change_feed: { interval: "1h", kinds: ["movie", "tv"], rate: 20 },
          },
        },
        listeners: [{ name: "api", prefix: "/3", pool: "tmdb", cache: { reuse_appends: true } }],
      }),
  };
  const gateway = await startGateway(options);
  let closed = false;
  stack.defer(async () => {
    if (!closed) await gateway.close();
  });
  const fetched = (path: string) => origin.requests.filter(({ target }) => target.startsWith(path)).length;
  for (const target of [MOVIE, "/3/movie/680", "/3/tv/1399"]) {
    for (let turn = 0; turn < 4; turn++) await ask(gateway, target);
  }
  assert.match(await ask(gateway, "/3/movie/550?append_to_response=credits"), /detail=superset/);

  changed = { movie: [550, 4_000_000, 550], tv: [4_000_001] };
  const first = await poll(gateway);
  assert.equal(first.last_problem, null);
  // The look-up that begins by itself may have been before ours.
  const { changed: listed, purged: marked } = first.total;
  assert.ok(listed >= 3 && marked >= 1 && marked < listed, JSON.stringify(first));
  assert.match(await ask(gateway, MOVIE), /^usher; hit; ttl=(?:-\d+|0)$/, "stale, while it is fetched");
  await eventually("the fresh one is there", async () => /hit; ttl=[1-9]/.test(await ask(gateway, MOVIE)), PATIENCE_MS);
  await ask(gateway, "/3/movie/680");
  await ask(gateway, "/3/tv/1399");
  assert.deepEqual([fetched("/3/movie/550"), fetched("/3/movie/680"), fetched("/3/tv/1399")], [2, 1, 1]);
  assert.ok(origin.requests.every(({ target }) => target.includes(demoApiKey)));

  const again = await poll(gateway);
  assert.deepEqual([again.last.changed, again.last.purged], [0, 0]);
  const purged = again.total.purged;
  const metrics = await (await fetch(`${gateway.adminUrl}/metrics`)).text();
  assert.ok(metrics.includes(`usher_change_feed_purged_total{pool="tmdb"} ${purged}`));
  assert.match(metrics, new RegExp(`usher_purges_total\\{kind="changes"\\} ${purged}`));
  assert.match(gateway.log(), /Looked up what has changed .*pool=tmdb/);

  trouble = Response.json({ status_code: 25 }, { status: 429, headers: { "retry-after": "400" } });
  const limited = await poll(gateway);
  assert.equal(limited.state, "backing-off");
  assert.ok(Date.parse(limited.next_run!) > Date.now() + 60_000, limited.next_run!);
  assert.equal((await fetch(`${gateway.adminUrl}/change-feed/other`, { method: "POST" })).status, 404);
  trouble = null;

  // The position survives a restart, and so does the knowledge of what is on disk.
  gateway.signal("SIGTERM");
  assert.equal(await gateway.ended(), 0);
  closed = true;
  const second = await startGateway({ ...options, directory: gateway.directory });
  stack.defer(() => second.close());
  changed = { movie: [550, 680] };
  const resumed = await poll(second);
  assert.equal(resumed.last_problem, null);
  assert.equal(resumed.total.purged, 1, "680 alone is news");
  assert.match(await ask(second, "/3/movie/680"), /hit; ttl=-\d+/);
  assert.match(await ask(second, "/3/tv/1399"), /hit; ttl=[1-9]/);
});
