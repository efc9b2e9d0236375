import assert from "node:assert/strict";
import type { PrewarmResult } from "../../../lib/workers/messages.ts";
import { PrewarmJob, type PrewarmJobOptions } from "../../../lib/workers/operations/prewarm_job.ts";

const FETCHED: PrewarmResult = { outcome: "fetched", detail: null, bytes: 10 };
const targets = Array.from({ length: 40 }, (_, n) => `/${n}`);

/** A job whose pauses take no time; what it paused for, and what it asked for. */
function jobOf(fetch: (url: string, job: PrewarmJob) => Promise<PrewarmResult>, more: Partial<PrewarmJobOptions> = {}) {
  const pausesMs: number[] = [];
  const asked: string[] = [];
  const job: PrewarmJob = new PrewarmJob({
    listener: "films",
    targets,
    concurrency: 4,
    ratePerSecond: 10_000,
    fetch: (_, url) => (asked.push(url), fetch(url, job)),
    pause: (ms) => (pausesMs.push(ms), Promise.resolve()),
    onProgress: () => {},
    ...more,
  });
  return { job, pausesMs, asked };
}

Deno.test("PrewarmJob.run() fetches each target once and counts what became of it", async () => {
  const outcomes = ["fetched", "fresh", "skipped", "failed"] as const;
  const { job, asked } = jobOf((url) =>
    Promise.resolve({ ...FETCHED, outcome: outcomes[Number(url.slice(1)) % 4]!, detail: "why" })
  );
  await job.run();
  // Several are under way at a time: those may overtake each other.
  assert.deepEqual(asked.toSorted(), targets.toSorted());
  assert.deepEqual({ ...job.counts, bytes: job.bytes }, {
    fetched: 10,
    fresh: 10,
    skipped: 10,
    failed: 10,
    bytes: 400,
  });
  assert.deepEqual([job.state, job.done], ["done", 40]);
  assert.match(job.lastProblem ?? "", /^\/\d+: why$/);
});

Deno.test("PrewarmJob.run() has so many under way, and begins no more than its rate", async () => {
  let [atOnce, most] = [0, 0];
  const { job, pausesMs } = jobOf(async () => {
    most = Math.max(most, ++atOnce);
    await new Promise((resolve) => setTimeout(resolve, 1));
    atOnce--;
    return FETCHED;
  }, { ratePerSecond: 5 });
  await job.run();
  assert.equal(most, 4);
  assert.ok(Math.max(...pausesMs) > 39 * 200 - 1_000, "the last of 40 at five a second begins after eight seconds");
});

Deno.test("PrewarmJob.done counts what is behind it, resumeAt is a place from which nothing before it is missing", async () => {
  const gate = Promise.withResolvers<void>();
  const { job } = jobOf(async (url) => {
    if (url === "/5") await gate.promise;
    return FETCHED;
  });
  const running = job.run();
  while (job.counts.fetched < 39) await new Promise((resolve) => setTimeout(resolve, 1));
  assert.deepEqual([job.done, job.resumeAt], [39, 5]);
  gate.resolve();
  await running;
  assert.deepEqual([job.done, job.resumeAt], [40, 40]);
});

Deno.test("PrewarmJob.run() begins where it was told to", async () => {
  const { job, asked } = jobOf(() => Promise.resolve(FETCHED), { done: 38 });
  await job.run();
  assert.deepEqual(asked, ["/38", "/39"]);
  assert.equal(job.done, 40);
});

Deno.test("PrewarmJob.run() asks again later while clients need the room, and says that it pauses", async () => {
  let busy = 3;
  const states: string[] = [];
  const { job } = jobOf(
    () => Promise.resolve(busy-- > 0 ? { outcome: "busy", detail: null, bytes: 0 } : FETCHED),
    {
      targets: ["/a", "/b"],
      concurrency: 2,
      pause: (ms): Promise<void> => {
        if (ms === 500) states.push(job.state);
        return Promise.resolve();
      },
    },
  );
  await job.run();
  assert.equal(job.counts.fetched, 2);
  assert.deepEqual(states, ["paused", "paused", "paused"]);
});

Deno.test("PrewarmJob.run() does not ask for a target for ever", async () => {
  const { job, asked } = jobOf(() => Promise.resolve({ outcome: "busy", detail: null, bytes: 0 }), { targets: ["/a"] });
  await job.run();
  assert.deepEqual([job.counts.failed, job.state], [1, "done"]);
  assert.ok(asked.length <= 600);
});

Deno.test("PrewarmJob.stop() leaves open what was not fetched, a fetch that its end broke off included", async () => {
  const { job } = jobOf((url, running) => {
    if (url !== "/10") return Promise.resolve(FETCHED);
    running.stop();
    return Promise.resolve({ outcome: "failed", detail: "the worker has stopped", bytes: 0 });
  }, { concurrency: 1 });
  await job.run();
  assert.deepEqual([job.state, job.done, job.resumeAt, job.counts.failed], ["stopped", 10, 10, 0]);
});

Deno.test("PrewarmJob says how fast it is and how long the rest takes, and shows no secret of a path", async () => {
  const half = Promise.withResolvers<void>();
  const { job } = jobOf(async (url) => {
    if (Number(url.slice(1)) >= 20) await half.promise;
    return FETCHED;
  }, { targets: [...targets, "/last?api_key=very-secret"], concurrency: 1 });
  assert.deepEqual([job.pacePerSecond, job.leftMs], [0, null]);
  const running = job.run();
  while (job.counts.fetched < 20) await new Promise((resolve) => setTimeout(resolve, 1));
  const { leftMs, pacePerSecond } = job;
  assert.ok(pacePerSecond > 0);
  // The pace falls while nothing comes: the time that is left was asked for first.
  assert.ok(leftMs !== null && leftMs > 0 && leftMs <= 21 / pacePerSecond * 1_000, `${leftMs} at ${pacePerSecond}`);
  half.resolve();
  await running;
  assert.equal(job.leftMs, null);
  assert.ok(job.pacePerSecond > 0);
  const refused = jobOf(() => Promise.resolve({ outcome: "skipped", detail: "?token=very-secret", bytes: 0 }), {
    targets: ["/last?api_key=very-secret"],
  }).job;
  await refused.run();
  assert.equal(refused.lastProblem, "/last?api_key=[redacted]: ?token=[redacted]");
});

Deno.test("PrewarmJob.run() fetches the pictures that documents name, each once, and a document is behind it when they are", async () => {
  const gate = Promise.withResolvers<void>();
  const asked: string[] = [];
  const job: PrewarmJob = new PrewarmJob({
    ...{ listener: "films", targets: ["/1", "/2", "/3"], concurrency: 1, ratePerSecond: 10_000 },
    pictures: { listener: "images", clients: ["kodi"] },
    async fetch(listener, url, clients) {
      asked.push(`${listener} ${url} ${clients}`);
      if (url === "/late.jpg") await gate.promise;
      if (url === "/broken.jpg") return { outcome: "failed", detail: "status 404", bytes: 1 };
      const named = { "/1": ["/a.jpg", "/broken.jpg"], "/2": ["/a.jpg", "/late.jpg"] }[url];
      return { ...FETCHED, ...named === undefined ? {} : { pictures: named } };
    },
    pause: () => Promise.resolve(),
    onProgress: () => {},
  });
  const running = job.run();
  while (!asked.includes("images /late.jpg ")) await new Promise((resolve) => setTimeout(resolve, 1));
  assert.deepEqual([job.done, job.resumeAt], [1, 1], "a stop here would fetch the second document's pictures again");
  gate.resolve();
  await running;
  assert.deepEqual(asked, [
    ...["films /1 kodi", "images /a.jpg ", "images /broken.jpg "],
    ...["films /2 kodi", "images /late.jpg ", "films /3 kodi"],
  ]);
  assert.deepEqual(job.counts, { fetched: 3, fresh: 0, skipped: 0, failed: 0 });
  assert.deepEqual(job.pictureCounts, { fetched: 2, fresh: 0, skipped: 0, failed: 1 });
  assert.deepEqual([job.bytes, job.lastProblem], [51, "/broken.jpg: status 404"]);
});
