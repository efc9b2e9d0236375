import assert from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { startScriptedOrigin } from "../origins/scripted_origin.ts";
import { eventually } from "../eventually.ts";
import { type RunningGateway, startGateway } from "./_gateway.ts";
import { rawRequest, type RawResponse, requestText, textOf } from "./_raw_client.ts";
import { giveAway, hasUnprivileged, takeBack, unprivileged } from "../unprivileged.ts";
import { customPool, testConfig } from "./test_config.ts";

async function startOrigin(stack: AsyncDisposableStack) {
  return stack.adopt(
    await startScriptedOrigin((exchange) =>
      exchange.reply({ fields: [["cache-control", "max-age=600"]], body: exchange.head.target })
    ),
    (running) => running.close(),
  );
}

async function start(
  stack: AsyncDisposableStack,
  origin: { url: string },
  more: { directory?: string; dataDir?: string; program?: readonly string[] } = {},
) {
  return stack.adopt(
    await startGateway({
      directory: more.directory,
      program: more.program,
      config: (places) =>
        testConfig(places, {
          server: more.dataDir === undefined ? {} : { data_dir: more.dataDir },
          pools: { any: customPool([origin.url]) },
          listeners: [{ name: "any", prefix: "/", pool: "any" }],
        }),
    }),
    (running) => running.close(),
  );
}

/** Asks with a host that stays the same, since it is in the key: the port changes with each start. */
function ask(gateway: RunningGateway, path: string): Promise<RawResponse> {
  return rawRequest(gateway.port, requestText(`GET ${path}`));
}

function cacheStatusOf(response: RawResponse): string {
  return response.field("cache-status") ?? "";
}

/** Asks until every worker has the response in memory or on disk. */
async function servesFromCache(gateway: RunningGateway, path: string): Promise<void> {
  let hits = 0;
  for (let turn = 0; turn < 8; turn++) {
    const response = await ask(gateway, path);
    assert.equal(response.status, 200);
    assert.equal(textOf(response.body), path);
    if (/; hit/.test(cacheStatusOf(response))) hits++;
  }
  assert.ok(hits >= 4, `${hits} hits`);
}

async function diskOf(gateway: RunningGateway): Promise<{ entries: number } | null> {
  return (await (await fetch(`${gateway.adminUrl}/status`)).json()).cache.disk;
}

/** Purges one target; returns whether the purge outlives the process. */
async function purge(gateway: RunningGateway, target: string): Promise<boolean> {
  const body = JSON.stringify({ url: target, hard: true });
  const response = await fetch(`${gateway.adminUrl}/purge`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body,
  });
  assert.equal(response.status, 200);
  return (await response.json()).persisted;
}

Deno.test("a data directory that cannot be written leaves memory to serve from, with a warning", async () => {
  await using stack = new AsyncDisposableStack();
  const directory = await Deno.makeTempDir({ prefix: "usher-test-" });
  const notADirectory = join(directory, "file");
  await Deno.writeTextFile(notADirectory, "x");
  const gateway = await start(stack, await startOrigin(stack), { directory, dataDir: join(notADirectory, "data") });
  assert.match(gateway.log(), /WARN.*serving from memory alone/);
  await servesFromCache(gateway, "/a");
  assert.equal((await gateway.status()).pools.length, 1);
});

Deno.test("a damaged file is put aside and a new one begun, and nothing fails", async () => {
  await using stack = new AsyncDisposableStack();
  const origin = await startOrigin(stack);
  const directory = await Deno.makeTempDir({ prefix: "usher-test-" });
  const file = join(directory, "data/usher.kv");
  await Deno.mkdir(join(directory, "data"));
  await Deno.writeTextFile(file, "this is no database, it is a text that somebody put here\n".repeat(500));
  const first = await start(stack, origin, { directory });
  assert.match(first.log(), /WARN.*damaged disk cache aside/);
  await servesFromCache(first, "/b");
  first.signal("SIGTERM");
  assert.equal(await first.ended(), 0);
  assert.ok([...Deno.readDirSync(join(directory, "data"))].some(({ name }) => name.startsWith("usher.kv.corrupt-")));

  // A page in the middle of a file in good order.
  const bytes = await Deno.readFile(file);
  for (let at = 4096; at + 4096 <= bytes.length; at += 8192) bytes.fill(0xa5, at, at + 4096);
  await Deno.writeFile(file, bytes);
  for (const suffix of ["-wal", "-shm"]) await Deno.remove(file + suffix).catch(() => {});
  const second = await start(stack, origin, { directory });
  await servesFromCache(second, "/b");
  await servesFromCache(second, "/c");
});

Deno.test({
  name: "a file that this user may not write is somebody else's: it is told whose, left alone, and memory serves",
  ignore: !hasUnprivileged,
  async fn() {
    await using stack = new AsyncDisposableStack();
    const origin = await startOrigin(stack);
    const directory = await Deno.makeTempDir({ prefix: "usher-test-" });
    const file = join(directory, "data/usher.kv");
    const first = await start(stack, origin, { directory, program: unprivileged });
    await servesFromCache(first, "/owned");
    await eventually("it is on disk", async () => (await diskOf(first))?.entries === 1);
    first.signal("SIGTERM");
    assert.equal(await first.ended(), 0);
    giveAway(file);
    const before = await Deno.readFile(file);
    const second = await start(stack, origin, { directory, program: unprivileged });
    assert.match(
      second.log(),
      /WARN.*memory alone.*this user may not write .*usher\.kv, which belongs to .*uid \d+, mode/,
    );
    await servesFromCache(second, "/memory");
    assert.equal((await (await fetch(`${second.adminUrl}/status`)).json()).cache.disk, null);
    second.signal("SIGTERM");
    assert.equal(await second.ended(), 0);
    assert.deepEqual(await Deno.readFile(file), before);
    assert.deepEqual([...Deno.readDirSync(join(directory, "data"))].filter(({ name }) => /corrupt|-2/.test(name)), []);
    takeBack(file);
    const third = await start(stack, origin, { directory, program: unprivileged });
    assert.match(cacheStatusOf(await ask(third, "/owned")), /hit; .*detail=kv/, "the file kept what it held");
  },
});

Deno.test("a file that another program has locked is left alone, and memory serves until it is free", async () => {
  await using stack = new AsyncDisposableStack();
  const origin = await startOrigin(stack);
  const directory = await Deno.makeTempDir({ prefix: "usher-test-" });
  const first = await start(stack, origin, { directory });
  await servesFromCache(first, "/d");
  first.signal("SIGTERM");
  await first.ended();
  using database = new DatabaseSync(join(directory, "data/usher.kv"));
  database.exec("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE");
  const second = await start(stack, origin, { directory });
  assert.match(second.log(), /WARN.*serving from memory alone.*locked/);
  await servesFromCache(second, "/e");
  assert.equal(await purge(second, "/e"), false, "it is told that the purge ends with the process");
  second.signal("SIGTERM");
  assert.equal(await second.ended(), 0);
  database.exec("ROLLBACK; PRAGMA locking_mode = NORMAL");
  database.close();
  const third = await start(stack, origin, { directory });
  assert.match(cacheStatusOf(await ask(third, "/d")), /hit; .*detail=kv/, "the file kept what it held");
});

Deno.test("a second gateway on the same directory serves from memory, and takes the disk up when the first one stops", async () => {
  await using stack = new AsyncDisposableStack();
  const origin = await startOrigin(stack);
  const directory = await Deno.makeTempDir({ prefix: "usher-test-" });
  const first = await start(stack, origin, { directory });
  const stored = ["/f", "/gone", "/purged-there", "/changed"];
  for (const path of stored) await servesFromCache(first, path);
  await eventually("all are on disk", async () => (await diskOf(first))?.entries === stored.length);
  const second = await start(stack, origin, { directory });
  assert.match(second.log(), /WARN.*serving from memory alone.*another gateway uses/);
  await servesFromCache(second, "/g");
  const { cache } = await (await fetch(`${second.adminUrl}/status`)).json();
  assert.deepEqual([cache.disk, cache.kv_file.path], [null, null]);
  assert.match(cache.kv_file.problem, /another gateway uses/);
  assert.equal(await purge(second, "/gone"), true);
  assert.equal(await purge(first, "/purged-there"), true);
  // An unsafe request invalidates what the disk holds from before.
  assert.equal((await rawRequest(second.port, requestText("POST /changed"))).status, 200);
  await servesFromCache(first, "/h");
  await eventually("it is on disk", async () => (await diskOf(first))?.entries === stored.length + 1);
  assert.doesNotMatch(first.log(), /ERROR|damaged/);
  first.signal("SIGTERM");
  assert.equal(await first.ended(), 0);
  await second.logged("The disk cache is free and in use from now on");
  const before = origin.heads.length;
  for (let turn = 0; turn < 6; turn++) {
    for (const path of ["/f", "/h"]) assert.match(cacheStatusOf(await ask(second, path)), /; hit/);
  }
  assert.equal(origin.heads.length, before, "every worker reads the disk");
  for (const path of ["/gone", "/purged-there", "/changed"]) {
    assert.match(cacheStatusOf(await ask(second, path)), /fwd=/, path);
  }
  const status = await (await fetch(`${second.adminUrl}/status`)).json();
  assert.equal(status.cache.kv_file.path, join(directory, "data/usher.kv"));
  assert.ok(status.cache.disk.entries > 0);
  assert.equal(status.pools[0].upstreams.length, 1);
  second.signal("SIGKILL");
  await second.ended();
  const third = await start(stack, origin, { directory });
  assert.match(cacheStatusOf(await ask(third, "/f")), /hit; .*detail=kv/);
  assert.deepEqual([...Deno.readDirSync(join(directory, "data"))].filter(({ name }) => /\.kv$/.test(name)).length, 1);
});
