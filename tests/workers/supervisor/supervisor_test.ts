import assert from "node:assert/strict";
import { join } from "node:path";
import { prepareKvFile } from "../../../lib/cache/disk/kv_open.ts";
import { loadPurges } from "../../../lib/cache/purge/saved_purges.ts";
import { KvStateStore } from "../../../lib/state/kv_state_store.ts";
import { systemClock } from "../../../lib/clock.ts";
import type { LoadResult } from "../../../lib/config/load.ts";
import { createLogger } from "../../../lib/logging/logger.ts";
import { ProblemBook } from "../../../lib/logging/problem_book.ts";
import { AcmeKeeper } from "../../../lib/workers/supervisor/acme_keeper.ts";
import { Supervisor } from "../../../lib/workers/supervisor/supervisor.ts";
import type { SupervisorOptions } from "../../../lib/workers/supervisor/supervisor_options.ts";
import { ANY_CONFIG, loadOf, type Mapping } from "../../gateway/config_of.ts";
import { eventually } from "../../eventually.ts";
import { freePort } from "../../free_port.ts";
import type { Part } from "../part.ts";
import { setStage } from "../stage.ts";

/** Where a test's gateway has its admin surface and its data. */
interface Places {
  readonly port: number;
  readonly dataDir: string;
}

/** A configuration file for a gateway at these places. */
function fileFor({ port, dataDir }: Places, server: Mapping = {}): Mapping {
  return {
    ...ANY_CONFIG,
    server: { workers: 2, shutdown_grace: "1s", data_dir: dataDir, ...server },
    admin: { listen: `127.0.0.1:${port}` },
    // As the test reads it; a reload brings it into force.
    logging: { format: "json" },
  };
}

/** Nothing is fetched here. */
const ACME = new AcmeKeeper({
  directory: "/nowhere",
  logger: createLogger({ level: "error", format: "text", sink() {}, now: Date.now }),
});

/** A supervisor over real workers in roles that the test directs, with a configuration file that the test writes. */
async function supervised(more: Partial<SupervisorOptions<Supervisor>> & { server?: Mapping } = {}) {
  const stage = await setStage();
  const places: Places = { port: freePort(), dataDir: stage.directory };
  const lines: Record<string, unknown>[] = [];
  let file = fileFor(places, more.server);
  let reads = 0;
  const read = () => (reads++, loadOf(file));
  const loaded = await loadOf(file) as LoadResult & { ok: true };
  const supervisor = new Supervisor({
    version: "1.2.3",
    configFile: "config.yaml",
    source: read,
    config: loaded.config,
    loaded,
    workerUrl: stage.url,
    kvFile: { path: null, problem: null, setAside: null },
    purgePath: null,
    acme: ACME,
    askStop: () => {},
    logger: createLogger({
      level: "info",
      format: "json",
      sink: (line) => lines.push(JSON.parse(line)),
      now: Date.now,
    }),
    problems: new ProblemBook(10),
    adminHandler: () => () => new Response("admin"),
    descriptors: 1_024,
    testHooks: false,
    ...more,
  });
  return {
    supervisor,
    lines,
    admin: `http://127.0.0.1:${places.port}/`,
    port: places.port,
    reads: () => reads,
    write: (server: Mapping, rest: Mapping = {}) => file = { ...fileFor(places, server), ...rest },
    direct: (parts: Readonly<Record<string, readonly Part[]>>) => stage.direct(parts),
    async [Symbol.asyncDispose]() {
      await supervisor.stop();
      await stage[Symbol.asyncDispose]();
    },
  };
}

// deno-lint-ignore no-explicit-any
type Shown = any;

/** Whether somebody answers there. */
async function answers(url: string): Promise<boolean> {
  try {
    const response = await fetch(url, { headers: { connection: "close" } });
    return (await response.text()) === "admin";
  } catch {
    return false;
  }
}

Deno.test("start() brings up workers and the admin surface, stop() ends both", async () => {
  await using set = await supervised();
  assert.equal(set.supervisor.readiness(), "no worker serves");
  await set.supervisor.start();
  assert.equal(set.supervisor.readiness(), "ready");
  assert.equal(await answers(set.admin), true);
  const status: Shown = await set.supervisor.status();
  assert.deepEqual(status.workers.map(({ name, state }: Shown) => `${name} ${state}`), [
    "serving-0 up",
    "serving-1 up",
    "health up",
  ]);
  assert.match(await set.supervisor.metrics("prometheus"), /^usher_build_info\{version="1\.2\.3"\} 1$/m);
  await set.supervisor.stop();
  assert.equal(set.supervisor.readiness(), "stopping");
  assert.equal(await answers(set.admin), false);
});

Deno.test("start() throws where the admin address is taken, and stop() cleans up after it", async () => {
  await using set = await supervised();
  const taken = Deno.listen({ hostname: "127.0.0.1", port: set.port });
  await assert.rejects(set.supervisor.start(), /in use|AddrInUse/i);
  taken.close();
});

Deno.test("stop() does not wait without end for an admin request", async () => {
  const asked = Promise.withResolvers<void>();
  const adminHandler = () => () => (asked.resolve(), new Promise<Response>(() => {}));
  await using set = await supervised({ adminHandler });
  await set.supervisor.start();
  const asking = new AbortController();
  const answer = fetch(set.admin, { signal: asking.signal }).catch(() => null);
  await asked.promise;
  const outcome = await Promise.race([set.supervisor.stop().then(() => "stopped"), later(10_000)]);
  assert.equal(outcome, "stopped");
  asking.abort();
  await answer;
});

Deno.test("reload() brings the file's new contents into the workers", async () => {
  await using set = await supervised();
  await set.supervisor.start();
  set.write({ name: "renamed" });
  const changes = ["server.name: usher → renamed"];
  assert.deepEqual(await set.supervisor.tryReload(), { ok: true, generation: 1, changes, needsRestart: [] });
  assert.equal(set.supervisor.config.server.name, "usher");
  assert.deepEqual(await set.supervisor.reload("test"), { ok: true, generation: 2, changes, needsRestart: [] });
  assert.equal(set.supervisor.config.server.name, "renamed");
  assert.deepEqual(set.lines.filter(({ audit }) => audit !== undefined).map(({ time: _, ...rest }) => rest), [
    { audit: "reload", actor: "test", outcome: "in force", generation: 2 },
  ]);
  const status: Shown = await set.supervisor.status();
  assert.deepEqual([status.config.generation, status.config.last_reload.problems], [2, []]);
  assert.deepEqual(status.workers.map(({ generation }: Shown) => generation), [2, 2, 2]);
});

Deno.test("reload() keeps the configuration in force where the file has mistakes, and tells all of them", async () => {
  await using set = await supervised();
  await set.supervisor.start();
  set.write({ name: 5, wrokers: 2 });
  const result = await set.supervisor.reload("test");
  assert.ok(!result.ok);
  assert.deepEqual(result.problems.length, 2);
  for (const problem of result.problems) assert.match(problem, /^config\.yaml:\d+:\d+ server\./);
  const status: Shown = await set.supervisor.status();
  assert.deepEqual([status.config.generation, status.config.last_reload.problems], [1, result.problems]);
  const errors = set.lines.filter(({ level }) => level === "error").map(({ message }) => message);
  assert.deepEqual(errors.slice(0, 2), result.problems);
});

Deno.test("reload() keeps the configuration in force where a worker cannot use it, and can go through later", async () => {
  await using set = await supervised();
  await set.supervisor.start();
  set.direct({ "serving-0": ["refuses"] });
  set.write({ name: "next" });
  assert.deepEqual(await set.supervisor.reload("test"), { ok: false, problems: ['serving-0 cannot use "next"'] });
  assert.equal(set.supervisor.config.server.name, "usher");
  assert.deepEqual(await set.supervisor.tryReload(), { ok: false, problems: ['serving-0 cannot use "next"'] });
  set.direct({});
  assert.equal((await set.supervisor.tryReload()).ok, true);
  const changes = ["server.name: usher → next"];
  assert.deepEqual(await set.supervisor.reload("test"), { ok: true, generation: 2, changes, needsRestart: [] });
});

Deno.test("reload() fails, and harms nothing, where the file cannot even be looked for", async () => {
  const source = () => Promise.reject(new Error("the disk is gone"));
  await using set = await supervised({ source });
  await set.supervisor.start();
  assert.deepEqual(await set.supervisor.reload("test"), { ok: false, problems: ["the disk is gone"] });
  assert.equal(set.supervisor.readiness(), "ready");
});

Deno.test("reload() that is asked for during one leads to one more, however often", async () => {
  await using set = await supervised();
  await set.supervisor.start();
  const first = set.supervisor.reload("test");
  set.write({ name: "last" });
  const others = Array.from({ length: 5 }, () => set.supervisor.reload("test"));
  const results = await Promise.all([first, ...others]);
  assert.equal(set.reads(), 2);
  assert.equal(set.supervisor.config.server.name, "last");
  assert.deepEqual(new Set(results.map((result) => JSON.stringify(result))).size, 1);
  await set.supervisor.reload("test");
  assert.equal(set.reads(), 3);
});

Deno.test("reload() warns of a changed setting that only a restart applies", async () => {
  await using set = await supervised();
  await set.supervisor.start();
  set.write({ workers: 3 }, { cache: { fill_memory: "5MiB" } });
  assert.ok((await set.supervisor.reload("test")).ok);
  const warned = set.lines.filter(({ message }) => /takes effect at the next start/.test(String(message)));
  assert.deepEqual(warned.map(({ setting }) => setting).sort(), ["cache.fill_memory", "server.workers"]);
});

Deno.test("D2: reload() compares what a restart applies with the start, not with the reload before", async () => {
  await using set = await supervised();
  await set.supervisor.start();
  const workers = set.supervisor.config.server.workers;
  const asked = [[3, ["server.workers"]], [3, ["server.workers"]], [workers, []]] as const;
  for (const [count, atRestart] of asked) {
    set.write({ workers: count });
    const result = await set.supervisor.reload("test");
    assert.ok(result.ok);
    assert.deepEqual(result.needsRestart, atRestart);
  }
});

Deno.test("purge() reaches the workers and outlives the process", async () => {
  const directory = await Deno.makeTempDir();
  const kvFile = await prepareKvFile(join(directory, "usher.kv"), { clock: systemClock, log: { warn: assert.fail } });
  {
    await using set = await supervised({ kvFile, purgePath: kvFile.path });
    await set.supervisor.start();
    const outcome = await set.supervisor.purging.purge({ by: "all", value: "", listener: null, hard: true }, "a test");
    assert.ok(outcome.ok);
    assert.deepEqual([outcome.workers, outcome.persisted, outcome.soft], [2, true, false]);
    assert.match(await set.supervisor.metrics("prometheus"), /^usher_purges_total\{kind="all"\} 1$/m);
  }
  using kv = await Deno.openKv(kvFile.path!);
  assert.deepEqual((await loadPurges(new KvStateStore(kv))).map(({ scope }) => scope), [{
    kind: "all",
    listener: null,
  }]);
  await Deno.remove(directory, { recursive: true });
});

Deno.test("fault() breaks a worker where tests may, and is refused elsewhere", async () => {
  await using set = await supervised();
  await set.supervisor.start();
  assert.equal(set.supervisor.fault(0, "throw"), false);
  await using open = await supervised({ testHooks: true });
  await open.supervisor.start();
  assert.equal(open.supervisor.fault(9, "throw"), false);
  assert.equal(open.supervisor.fault(0, "throw"), true);
  await eventually("it is replaced", async () => {
    const { workers }: Shown = await open.supervisor.status();
    return workers[0].restarts === 1 && workers[0].state === "up";
  });
});

Deno.test("lost settles when all serving workers die again and again", async () => {
  await using set = await supervised({ testHooks: true });
  await set.supervisor.start();
  set.direct({ "serving-0": ["fails"], "serving-1": ["fails"] });
  for (const worker of [0, 1]) set.supervisor.fault(worker, "throw");
  await set.supervisor.lost;
  assert.equal(set.supervisor.readiness(), "no worker serves");
});

/** Answers after a time that is too long. */
function later(delayMs: number): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  Deno.unrefTimer(setTimeout(() => resolve("still waiting"), delayMs));
  return promise;
}
