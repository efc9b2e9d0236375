import assert from "node:assert/strict";
import { join } from "node:path";
import { demoApiKey, startTmdbOrigin } from "../origins/tmdb_origin.ts";
import { runMain } from "./_command.ts";
import { eventually } from "../eventually.ts";
import { type RunningGateway, startGateway } from "./_gateway.ts";
import { customPool, testConfig } from "./test_config.ts";
import { ask, postAdmin, startVersioned, startVersionedOrigin, type VersionedOrigin } from "./_versioned_origin.ts";

interface Progress {
  readonly listener: string;
  readonly state: string;
  readonly total: number;
  readonly done: number;
  readonly fetched: number;
  readonly fresh: number;
  readonly skipped: number;
  readonly failed: number;
  readonly last_problem: string | null;
}

async function progress(gateway: RunningGateway, listener = "any"): Promise<Progress | undefined> {
  const { prewarms } = await (await fetch(`${gateway.adminUrl}/prewarm`)).json();
  return prewarms.find((shown: Progress) => shown.listener === listener);
}

async function ended(gateway: RunningGateway, listener = "any"): Promise<Progress> {
  await eventually("the prewarm ends", async () => (await progress(gateway, listener))?.state === "done");
  return (await progress(gateway, listener))!;
}

/** Targets that the origin was asked for, each as often as it was. */
function asked(origin: VersionedOrigin): string[] {
  return origin.heads.map(({ target }) => target);
}

const paths = (count: number) => Array.from({ length: count }, (_, n) => `http://gateway.test/p/${n}`);

Deno.test("what is configured is prewarmed at the start, from the list and the file, within its rate", async () => {
  await using stack = new AsyncDisposableStack();
  const origin = stack.adopt(await startVersionedOrigin(), (running) => running.close());
  const gateway = stack.adopt(
    await startGateway({
      config: (places) => {
        const file = join(places.dataDir, "..", "list.txt");
        Deno.writeTextFileSync(file, "# posters\nhttp://gateway.test/f/1\n\nhttp://gateway.test/f/2 # the second\n");
        return testConfig(places, {
          pools: { any: customPool([origin.url]) },
          listeners: [{
            name: "any",
            prefix: "/",
            pool: "any",
            prewarm: { paths: paths(20), file, rate: 20, concurrency: 2 },
          }],
        });
      },
    }),
    (running) => running.close(),
  );
  const end = await ended(gateway);
  assert.deepEqual([end.total, end.done, end.fetched, end.failed], [22, 22, 22, 0]);
  assert.equal(asked(origin).length, 22);
  for (const target of ["/p/7", "/f/1", "/f/2"]) {
    assert.match((await ask(gateway, target)).cacheStatus, /; hit/, target);
  }
  await gateway.logged("Prewarmed listener=any done=22 total=22 fetched=22");
  assert.equal((await gateway.status()).listeners[0]!.requests, 3, "what nobody asked for is not counted");
  const metrics = await (await fetch(`${gateway.adminUrl}/metrics`)).text();
  assert.match(metrics, /usher_prewarm_paths\{listener="any",outcome="fetched"\} 22/);
  const { prewarms: [job] } = await (await fetch(`${gateway.adminUrl}/api/v1/jobs`)).json();
  assert.deepEqual([job.state, job.total, job.done, job.eta_seconds], ["done", 22, 22, null]);
  // Of the whole time: no faster than it may be, but for the one that begins at once.
  assert.ok(job.rate > 0 && job.rate <= 22, `${job.rate}`);
});

Deno.test("prewarm asks TMDB for nothing that belongs to a user or changes something", async () => {
  await using stack = new AsyncDisposableStack();
  const origin = stack.adopt(await startTmdbOrigin(), (running) => running.close());
  const gateway = stack.adopt(
    await startGateway({
      config: (places) =>
        testConfig(places, {
          pools: { api: { type: "tmdb-api", api_keys: [demoApiKey], health: false, upstreams: [origin.url] } },
          listeners: [{ name: "api", prefix: "/3", pool: "api" }],
        }),
    }),
    (running) => running.close(),
  );
  const before = origin.requests.length;
  const refused = [
    ...["/3/authentication/token/new", "/3/account/1/favorite/movies", "/3/movie/550/account_states"],
    ...[
      "/3/movie/550?session_id=abc",
      "/3/unknown/path",
      "/4/list/1",
      "/3/../4/list/1",
      "/3/list/1/clear?confirm=true",
    ],
  ];
  const { status } = await postAdmin(gateway, "/prewarm", {
    listener: "api",
    paths: [...refused, "/3/movie/550?language=de"],
    rate: 500,
  });
  assert.equal(status, 202);
  const end = await ended(gateway, "api");
  assert.equal(end.skipped + end.failed, refused.length, JSON.stringify(end));
  assert.equal(end.skipped, refused.length);
  assert.deepEqual(
    origin.requests.slice(before).map(({ target }) => target.split("?")[0]),
    ["/3/movie/550"],
  );
});

/** How far the listener's prewarm has come, as a restart would find it. */
async function writtenDown(gateway: RunningGateway): Promise<number> {
  using kv = await Deno.openKv(join(gateway.directory, "data", "usher.kv"));
  return (await kv.get<{ readonly done: number }>(["prewarm", "any", "cursor"])).value?.done ?? 0;
}

Deno.test("prewarm goes on after kill -9 where it was, and what was fetched is not fetched again", async () => {
  await using stack = new AsyncDisposableStack();
  const origin = stack.adopt(await startVersionedOrigin(), (running) => running.close());
  const config = (places: Parameters<typeof testConfig>[0]) =>
    testConfig(places, {
      pools: { any: customPool([origin.url]) },
      listeners: [{ name: "any", prefix: "/", pool: "any" }],
    });
  const first = await startGateway({ config });
  await postAdmin(first, "/prewarm", { listener: "any", paths: paths(120), rate: 40, concurrency: 4 });
  await eventually("half of it is done", async () => ((await progress(first))?.done ?? 0) >= 60);
  await eventually("that is written down", async () => await writtenDown(first) >= 60);
  first.signal("SIGKILL");
  await first.ended();
  const before = asked(origin).length;
  const kept = await writtenDown(first);
  const second = stack.adopt(await startGateway({ config, directory: first.directory }), (running) => running.close());
  await second.logged("Prewarming goes on");
  const end = await ended(second);
  assert.deepEqual([end.total, end.done], [120, 120]);
  assert.ok(end.fetched + end.fresh <= 120 - kept, `it began before ${kept}: ${JSON.stringify(end)}`);
  const counts = Map.groupBy(asked(origin), (target) => target);
  assert.equal(counts.size, 120);
  const twice = [...counts.values()].filter((targets) => targets.length > 1).length;
  assert.ok(twice <= before - kept, `${twice} paths were fetched twice, ${before} before the end and ${kept} noted`);
  const third = await progress(second);
  assert.equal(third?.state, "done");
});

Deno.test("prewarm waits while clients need the upstreams", async () => {
  await using stack = new AsyncDisposableStack();
  const { origin, gateway } = await startVersioned(stack, { server: { workers: 1 } });
  origin.latencyMs = 2_500;
  const clients = Array.from({ length: 24 }, (_, n) => ask(gateway, `/client/${n}`));
  await eventually("clients wait for the origin", () => asked(origin).length >= 24);
  await postAdmin(gateway, "/prewarm", { listener: "any", paths: paths(5), rate: 1000 });
  await eventually("it pauses", async () => (await progress(gateway))?.state === "paused");
  assert.equal(asked(origin).filter((target) => target.startsWith("/p/")).length, 0);
  origin.latencyMs = 0;
  await Promise.all(clients);
  assert.equal((await ended(gateway)).fetched, 5);
});

Deno.test("usher prewarm shows how far it comes; one prewarm a listener at a time, which can be ended", async () => {
  await using stack = new AsyncDisposableStack();
  const { origin, gateway } = await startVersioned(stack);
  const access = ["--config", gateway.configPath, "--listener", "any"];
  const done = await runMain(["prewarm", ...access, "--rate", "100", "http://gateway.test/a", "http://gateway.test/b"]);
  assert.equal(done.stderr, "");
  assert.match(done.stdout, /^Prewarming 2 paths of listener any\n/);
  assert.match(done.stdout, /done: 2 of 2, 2 fetched, 0 fresh, 0 skipped, 0 failed/);
  assert.equal(done.code, 0);
  assert.match((await ask(gateway, "/b")).cacheStatus, /; hit/);
  const skipped = await runMain(["prewarm", ...access, "/a"]);
  assert.match(skipped.stdout, /1 skipped.*the host is part of its cache key/);
  assert.match((await runMain(["prewarm", ...access])).stderr, /422.*Nothing is configured/);
  assert.match((await runMain(["prewarm", "--config", gateway.configPath])).stderr, /give --listener/);
  await postAdmin(gateway, "/prewarm", { listener: "any", paths: paths(1000), rate: 5 });
  assert.equal((await postAdmin(gateway, "/prewarm", { listener: "any", paths: paths(1) })).status, 409);
  const stop = () => fetch(`${gateway.adminUrl}/prewarm/any`, { method: "DELETE" });
  assert.deepEqual([(await stop()).status, (await stop()).status], [204, 404]);
  assert.equal((await progress(gateway))?.state, "stopped");
  assert.ok(asked(origin).length < 50);
});
