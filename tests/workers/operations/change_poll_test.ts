import assert from "node:assert/strict";
import { upstreamTypes } from "../../../lib/upstream_type/registry.ts";
import type { ChangePosition } from "../../../lib/workers/operations/change_memory.ts";
import { ChangePoll, ChangePollError, type ChangePollOptions } from "../../../lib/workers/operations/change_poll.ts";
import type { ReadResult } from "../../../lib/workers/messages.ts";

const NOON = Date.UTC(2026, 1, 2, 12);
const BUSY: ReadResult = { outcome: "busy", body: null, detail: null, retryAfterMs: null };

function page(ids: readonly number[], pages = 1): ReadResult {
  const body = new TextEncoder().encode(JSON.stringify({ results: ids.map((id) => ({ id })), total_pages: pages }));
  return { outcome: "read", body, detail: null, retryAfterMs: null };
}

function failed(detail: string, retryAfterMs: number | null = null): ReadResult {
  return { outcome: "failed", body: null, detail, retryAfterMs };
}

/** A place to look changes up in: what was asked, purged and saved, in order. */
function placeOf(answer: (target: string, turn: number) => ReadResult, more: Partial<ChangePollOptions> = {}) {
  const targets: string[] = [];
  const purged: string[][] = [];
  const saved: ChangePosition[] = [];
  const pauses: number[] = [];
  const options: ChangePollOptions = {
    source: upstreamTypes.traits("tmdb-api")!.changes!,
    kind: "movie",
    ratePerSecond: 2,
    maxPages: 10,
    read: (target) => Promise.resolve(answer(target, targets.push(target) - 1)),
    purge: (tags) => (purged.push([...tags]), Promise.resolve()),
    mayHold: () => true,
    save: ({ seen, ...rest }) => (saved.push({ ...rest, seen: new Set(seen) }), Promise.resolve()),
    now: () => NOON,
    pause: (ms) => (pauses.push(ms), Promise.resolve()),
    signal: new AbortController().signal,
    ...more,
  };
  return { options, targets, purged, saved, pauses };
}

function today(page = 1, seen: readonly number[] = []): ChangePosition {
  return { day: "2026-02-02", page, seen: new Set(seen) };
}

Deno.test("ChangePoll.run() reads every page at the given pace, purges what is news, and notes where it is", async () => {
  const { options, targets, purged, saved, pauses } = placeOf((_, turn) => page([turn * 2 + 1, turn * 2 + 2, 7], 3));
  const poll = new ChangePoll(options, today(1, [1]));
  await poll.run();
  assert.deepEqual(targets, [1, 2, 3].map((n) => `/3/movie/changes?start_date=2026-02-02&page=${n}`));
  assert.deepEqual(purged, [["movie:2", "movie:7", "movie:3", "movie:4", "movie:5", "movie:6"]]);
  assert.deepEqual(saved, [today(1, [1, 2, 7, 3, 4, 5, 6])]);
  assert.deepEqual(pauses, [500, 500]);
  assert.deepEqual(poll.counts, { changed: 6, purged: 6, pages: 3 });
  const again = new ChangePoll(options, saved.at(-1)!);
  targets.length = 0;
  await again.run();
  assert.deepEqual([purged.length, again.counts.changed], [1, 0]);
});

Deno.test("ChangePoll.run() purges only what may be stored, and remembers the rest too", async () => {
  const mayHold = (tag: string) => tag === "movie:2";
  const { options, purged, saved } = placeOf(() => page([1, 2, 3]), { mayHold });
  const poll = new ChangePoll(options, today());
  await poll.run();
  assert.deepEqual(purged, [["movie:2"]]);
  assert.deepEqual(poll.counts, { changed: 3, purged: 1, pages: 1 });
  assert.deepEqual(saved.at(-1), today(1, [1, 2, 3]));
});

Deno.test("ChangePoll.run() closes each day that is over, and purges once more what had changed in it before", async () => {
  const answer = (target: string) => page(target.includes("start_date=2026-01-31") ? [1, 2] : [3]);
  const { options, targets, purged, saved } = placeOf(answer);
  await new ChangePoll(options, { day: "2026-01-31", page: 1, seen: new Set([1]) }).run();
  assert.deepEqual(targets, [
    "/3/movie/changes?start_date=2026-01-31&end_date=2026-02-01&page=1",
    "/3/movie/changes?start_date=2026-02-01&end_date=2026-02-02&page=1",
    "/3/movie/changes?start_date=2026-02-02&page=1",
  ]);
  assert.deepEqual(purged, [["movie:2"], ["movie:1"], ["movie:3"], ["movie:3"]]);
  assert.deepEqual(saved.at(-1), today(1, [3]));
});

Deno.test("ChangePoll begins yesterday where nothing is known, and no earlier than the lists reach", async () => {
  const begun = async (from: ChangePosition | null) => {
    const { options, targets } = placeOf(() => page([]));
    await new ChangePoll(options, from).run();
    return [targets.length, /start_date=([\d-]+).*page=(\d+)/.exec(targets[0]!)!.slice(1)];
  };
  assert.deepEqual(await begun(null), [2, ["2026-02-01", "1"]]);
  assert.deepEqual(await begun({ day: "2025-11-01", page: 9, seen: new Set([1]) }), [13, ["2026-01-21", "1"]]);
  assert.deepEqual(await begun(today(4)), [1, ["2026-02-02", "4"]]);
});

Deno.test("ChangePoll.run() keeps what it has read when an upstream fails, and resumes at the page", async () => {
  const { options, purged, saved } = placeOf((_, turn) => turn < 2 ? page([turn + 1], 4) : failed("status 429", 7_000));
  await assert.rejects(new ChangePoll(options, today()).run(), (error) => {
    assert.ok(error instanceof ChangePollError);
    assert.deepEqual([error.message, error.retryAfterMs], ["status 429", 7_000]);
    return true;
  });
  assert.deepEqual(purged, [["movie:1", "movie:2"]]);
  assert.deepEqual(saved.at(-1), today(3, [1, 2]));
  const later = placeOf(() => page([3], 4));
  await new ChangePoll(later.options, saved.at(-1)!).run();
  assert.deepEqual(later.targets.map((target) => target.at(-1)), ["3", "4"]);
  assert.deepEqual(later.saved.at(-1), today(1, [1, 2, 3]));
});

Deno.test("ChangePoll.run() does not take for seen what could not be purged", async () => {
  const purge = () => Promise.reject(new Error("no worker takes it"));
  const { options, saved } = placeOf(() => page([1, 2]), { purge });
  await assert.rejects(new ChangePoll(options, today()).run(), /no worker takes it/);
  assert.deepEqual(saved, []);
});

Deno.test("ChangePoll.run() moves past no page whose changes could not be purged", async () => {
  let calls = 0;
  const purge = () => calls++ === 0 ? Promise.reject(new Error("no worker takes it")) : Promise.resolve();
  const ids = Array.from({ length: 1_000 }, (_, id) => id + 1);
  const { options, saved } = placeOf(() => page(ids, 3), { purge });
  await assert.rejects(new ChangePoll(options, today()).run(), /no worker takes it/);
  for (const { page, seen } of saved) {
    assert.ok(page === 1 || seen.size === 1_000, `at page ${page}, ${seen.size} seen`);
  }
});

Deno.test("ChangePoll does not go on from a day that is yet to come: the clock was wrong when it was noted", async () => {
  const { options, targets } = placeOf(() => page([]));
  await new ChangePoll(options, { day: "2036-05-01", page: 3, seen: new Set([1]) }).run();
  assert.deepEqual(targets.map((target) => /start_date=([\d-]+)/.exec(target)![1]), ["2026-02-01", "2026-02-02"]);
});

Deno.test("ChangePoll.run() is bounded, whatever is answered", async () => {
  const cases: [ReadResult, RegExp][] = [
    [{ ...page([]), body: new TextEncoder().encode("<html>busy</html>") }, /no list of changes/],
    [{ ...page([]), body: null }, /no list of changes/],
    [failed("the answer is larger than 1048576 bytes"), /larger/],
  ];
  for (const [result, problem] of cases) {
    await assert.rejects(new ChangePoll(placeOf(() => result).options, today()).run(), problem);
  }
  const endless = placeOf((_, turn) => page([turn + 1], 1e9));
  const poll = new ChangePoll(endless.options, today());
  await poll.run();
  assert.deepEqual([endless.targets.length, poll.isCut], [10, true]);
  const empty = placeOf(() => page([], 1e9));
  const short = new ChangePoll(empty.options, today());
  await short.run();
  assert.deepEqual([empty.targets.length, short.isCut], [1, false]);
});

Deno.test("ChangePoll.run() purges in batches", async () => {
  const answer = (_: string, turn: number) => page(Array.from({ length: 900 }, (_, id) => turn * 900 + id + 1), 3);
  const { options, purged } = placeOf(answer);
  await new ChangePoll(options, today()).run();
  assert.deepEqual(purged.map(({ length }) => length), [1_000, 800, 900]);
});

Deno.test("ChangePoll.run() waits while clients need the room, but not for ever", async () => {
  const { options, pauses, targets } = placeOf((_, turn) => turn < 3 ? BUSY : page([1]));
  await new ChangePoll(options, today()).run();
  assert.deepEqual([targets.length, pauses], [4, [500, 500, 500]]);
  const never = placeOf(() => BUSY);
  await assert.rejects(new ChangePoll(never.options, today()).run(), /no answer/);
  assert.equal(never.targets.length, 600);
});

Deno.test("ChangePoll.run() ends where it is when all is to end", async () => {
  const ending = new AbortController();
  const answer = (_: string, turn: number) => {
    if (turn === 1) ending.abort();
    return page([turn + 1], 5);
  };
  const { options, saved, targets } = placeOf(answer, { signal: ending.signal });
  await new ChangePoll(options, today()).run();
  assert.equal(targets.length, 2);
  assert.deepEqual(saved.at(-1), today(3, [1, 2]));
});
