import assert from "node:assert/strict";
import type { Config } from "../../../lib/config/config.ts";
import { createLogger } from "../../../lib/logging/logger.ts";
import { ChangeFeed } from "../../../lib/workers/operations/change_feed.ts";
import type { ReadResult } from "../../../lib/workers/messages.ts";
import { configOf, type Mapping } from "../../gateway/config_of.ts";
import { eventually } from "../../eventually.ts";
import type { StateStore } from "../../../lib/state/state_store.ts";
import { MapStateStore } from "../../state/map_state_store.ts";

const NOON = Date.UTC(2026, 1, 2, 12);
const LIMITED: ReadResult = { outcome: "failed", body: null, detail: "status 429", retryAfterMs: 100_000 };

function withFeed(feed: unknown, more: Mapping = {}): Promise<Config> {
  const upstreams = ["http://127.0.0.1:9"];
  return configOf({
    pools: {
      tmdb: { type: "tmdb-api", health: false, upstreams, change_feed: feed },
      other: { type: "custom", health: false, upstreams, ...more },
    },
    listeners: [
      { name: "api", listen: "127.0.0.1:6635", prefix: "/3", pool: "tmdb" },
      { name: "v4", listen: "127.0.0.1:6635", prefix: "/4", pool: "tmdb" },
      { name: "other", listen: "127.0.0.1:6635", prefix: "/other", pool: "other" },
    ],
  });
}

function page(ids: readonly number[]): ReadResult {
  const body = new TextEncoder().encode(JSON.stringify({ results: ids.map((id) => ({ id })), total_pages: 1 }));
  return { outcome: "read", body, detail: null, retryAfterMs: null };
}

/** A feed over real KV, and what it did. */
function feedOf(first: Config, state: StateStore | null, answer: (target: string) => ReadResult | Promise<ReadResult>) {
  const asked: string[] = [];
  const purged: (readonly [tags: string, listeners: string])[] = [];
  const lines: Record<string, unknown>[] = [];
  const sink = (line: string) => void lines.push(JSON.parse(line));
  const place = { config: first };
  const feed = new ChangeFeed({
    ...{
      state,
      logger: createLogger({ level: "info", format: "json", sink, now: () => 0 }),
      config: () => place.config,
    },
    read: (pool, target) => {
      asked.push(`${pool} ${target}`);
      return Promise.resolve(answer(target));
    },
    purge: (tags, listeners) => (purged.push([tags.join(), listeners.join()]), Promise.resolve()),
    mayHold: () => true,
    whenKnown: () => Promise.resolve(),
    now: () => NOON,
  });
  feed.reconfigure();
  const look = async () => {
    const { runs } = feed.status()[0]!.total;
    assert.equal(feed.poll("tmdb"), true);
    await eventually("it ends", () => {
      const { state, total } = feed.status()[0]!;
      return state !== "running" && total.runs > runs;
    });
    return feed.status()[0]!;
  };
  return { feed, asked, purged, lines, look, place };
}

Deno.test("ChangeFeed looks each kind up and has it purged on all listeners of the pool, once", async () => {
  const state = new MapStateStore();
  const config = await withFeed({ kinds: ["movie", "person"], rate: 20 });
  const { feed, asked, purged, lines, look } = feedOf(
    config,
    state,
    (target) => page(target.includes("movie") ? [550] : []),
  );
  const status = await look();
  assert.ok(asked.every((line) => /^tmdb \/3\/(movie|person)\/changes\?/.test(line)), asked.join("\n"));
  assert.deepEqual(
    new Set(purged.map(([tags, listeners]) => `${tags} on ${listeners}`)),
    new Set(["movie:550 on api,v4"]),
  );
  assert.deepEqual([status.lastProblem, status.lastSuccessMs, status.nextRunMs], [null, NOON, NOON + 900_000]);
  const before = purged.length;
  assert.deepEqual((await look()).last, { changed: 0, purged: 0, pages: 2 });
  assert.equal(purged.length, before);
  await feed.close();
  assert.match(String(lines.at(-1)!["message"]), /Looked up what has changed/);
  // The next process goes on where this one was.
  const next = feedOf(config, state, () => page([550]));
  assert.deepEqual((await next.look()).last, { changed: 1, purged: 1, pages: 2 });
  assert.deepEqual(next.purged, [["person:550", "api,v4"]]);
  await next.feed.close();
});

Deno.test("ChangeFeed backs off after failures, for as long as it is asked to, and goes on where it was", async () => {
  let answers: ReadResult[] = [];
  const config = await withFeed({ kinds: ["movie"], interval: "10s" });
  const { feed, lines, look, asked } = feedOf(config, null, () => answers.shift() ?? page([]));
  answers = [page([1]), { ...LIMITED, retryAfterMs: null }];
  const first = await look();
  assert.deepEqual([first.state, first.lastProblem, first.nextRunMs], ["backing-off", "status 429", NOON + 30_000]);
  answers = [LIMITED];
  assert.equal((await look()).nextRunMs, NOON + 100_000);
  answers = [{ ...LIMITED, retryAfterMs: null }];
  const third = await look();
  assert.equal(third.nextRunMs, NOON + 120_000);
  assert.deepEqual([third.total.failures, third.total.runs, third.lastSuccessMs], [3, 3, null]);
  assert.ok(asked.slice(2).every((line) => line.includes("start_date=2026-02-02")), "yesterday is done with");
  const good = await look();
  assert.deepEqual([good.state, good.lastProblem, good.nextRunMs], ["waiting", null, NOON + 10_000]);
  answers = [{ ...LIMITED, retryAfterMs: null }];
  assert.equal((await look()).nextRunMs, NOON + 30_000, "it begins anew");
  const problems = lines.filter(({ message }) => message === "Cannot look up what has changed");
  assert.deepEqual(problems.map(({ retry_in_ms }) => retry_in_ms), [30_000, 100_000, 120_000, 30_000]);
  await feed.close();
});

Deno.test("ChangeFeed.poll() begins one look-up at a time, where there is a feed", async () => {
  const gate = Promise.withResolvers<ReadResult>();
  const { feed } = feedOf(await withFeed({ kinds: ["movie"] }), null, () => gate.promise);
  assert.equal(feed.poll("other"), false);
  assert.equal(feed.poll("nowhere"), false);
  assert.equal(feed.poll("tmdb"), true);
  assert.equal(feed.poll("tmdb"), null);
  assert.equal(feed.status()[0]!.state, "running");
  gate.resolve(page([]));
  await feed.close();
});

Deno.test("ChangeFeed.reconfigure() ends feeds that are gone, begins new ones, and lets the others be", async () => {
  const { feed, place, look } = feedOf(await withFeed({ kinds: ["movie"] }), null, () => page([]));
  await look();
  place.config = await withFeed({ kinds: ["movie"] }, { preserve_host: true });
  feed.reconfigure();
  assert.equal(feed.status()[0]!.total.runs, 1);
  place.config = await withFeed({ kinds: ["tv"] });
  feed.reconfigure();
  assert.deepEqual(feed.status().map(({ pool, total }) => [pool, total.runs]), [["tmdb", 0]]);
  place.config = await withFeed(false);
  feed.reconfigure();
  assert.deepEqual(feed.status(), []);
  await feed.close();
});
