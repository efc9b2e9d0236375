import assert from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { startScriptedOrigin } from "../origins/scripted_origin.ts";
import { type RunningGateway, startGateway } from "./_gateway.ts";
import { rawRequest, type RawResponse, requestText, textOf } from "./_raw_client.ts";
import { customPool, testConfig } from "./_test_config.ts";

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
  more: { directory?: string; dataDir?: string } = {},
) {
  return stack.adopt(
    await startGateway({
      directory: more.directory,
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

Deno.test("a file that another program has locked is left alone, and memory serves", async () => {
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
  assert.match(second.log(), /WARN.*serving from memory alone/);
  await servesFromCache(second, "/e");
  second.signal("SIGTERM");
  assert.equal(await second.ended(), 0);
  database.exec("ROLLBACK; PRAGMA locking_mode = NORMAL");
  database.close();
  const third = await start(stack, origin, { directory });
  assert.match(cacheStatusOf(await ask(third, "/d")), /hit; .*detail=kv/, "the file kept what it held");
});

Deno.test("a second gateway on the same directory does no harm to the first one's file", async () => {
  await using stack = new AsyncDisposableStack();
  const origin = await startOrigin(stack);
  const directory = await Deno.makeTempDir({ prefix: "usher-test-" });
  const first = await start(stack, origin, { directory });
  await servesFromCache(first, "/f");
  const second = await start(stack, origin, { dataDir: join(directory, "data") });
  await servesFromCache(second, "/g");
  second.signal("SIGKILL");
  await second.ended();
  await servesFromCache(first, "/h");
  assert.doesNotMatch(first.log(), /ERROR|damaged/);
  first.signal("SIGTERM");
  assert.equal(await first.ended(), 0);
  const third = await start(stack, origin, { directory });
  for (const path of ["/f", "/h"]) assert.match(cacheStatusOf(await ask(third, path)), /hit; .*detail=kv/);
});
