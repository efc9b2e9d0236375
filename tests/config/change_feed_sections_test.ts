import assert from "node:assert/strict";
import { configOf, problemsOf } from "./load_text.ts";

function file(feed: string): string {
  return `pools: { p: { type: tmdb-api, upstreams: [http://a.example], change_feed: ${feed} } }
listeners: [{ name: l, pool: p }]
`;
}

Deno.test("change_feed is off unless it is asked for, and may be a boolean", async () => {
  const feed = async (text: string) => (await configOf(file(text))).pools[0]!.changeFeed;
  const usual = { intervalMs: 900_000, kinds: ["movie", "tv", "person"], ratePerSecond: 2, maxPages: 100 };
  assert.deepEqual(await feed("true"), usual);
  assert.deepEqual(await feed("{}"), usual);
  assert.equal(await feed("false"), null);
  assert.equal(await feed("{ enabled: false, interval: 1m }"), null);
  assert.deepEqual(await feed("{ interval: 1h, kinds: [tv, tv], rate: 5, max_pages: 3 }"), {
    intervalMs: 3_600_000,
    kinds: ["tv"],
    ratePerSecond: 5,
    maxPages: 3,
  });
});

Deno.test("change_feed is checked with its place in the file", async () => {
  const lines = await problemsOf(file("{ interval: 1s, kinds: [films], rate: 0, max_pages: 501 }"));
  assert.deepEqual(lines.map((line) => line.split(": ")[0]), [
    "1:87 pools.p.change_feed.interval",
    "1:99 pools.p.change_feed.kinds[0]",
    "1:113 pools.p.change_feed.rate",
    "1:127 pools.p.change_feed.max_pages",
  ]);
  assert.equal((await problemsOf(file("{ kinds: [] }"))).length, 1);
});
