import assert from "node:assert/strict";
import { join } from "node:path";
import { eventually } from "../eventually.ts";
import { fetched, type GatewayPlaces, type RunningGateway, startGateway } from "./_gateway.ts";
import { customPool, testConfig } from "./test_config.ts";

const MIB = 1024 * 1024;
const LIMIT_BYTES = 64 * MIB;
/** `USHER_SOAK=1` asks for a GiB. */
const WRITTEN_BYTES = (Deno.env.get("USHER_SOAK") === "1" ? 1024 : 160) * MIB;

/** Between two MiB: uses are noted by the second, so the disk's whole content must not turn over within one. */
const BATCH_MS = 45;

/** An origin whose bodies follow from their targets; `/x?bytes=N`. */
function startBodyOrigin() {
  const asked = new Map<string, number>();
  const { promise, resolve } = Promise.withResolvers<number>();
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: ({ port }) => resolve(port) }, (request) => {
    const url = new URL(request.url);
    asked.set(url.pathname, (asked.get(url.pathname) ?? 0) + 1);
    const body = bodyOf(url.pathname, Number(url.searchParams.get("bytes")));
    return new Response(body, { headers: { "cache-control": "max-age=86400", etag: `"${url.pathname}"` } });
  });
  return promise.then((port) => ({ url: `http://127.0.0.1:${port}`, asked, close: () => server.shutdown() }));
}

/** Bytes that tell which target they belong to, at every place. */
function bodyOf(path: string, lengthBytes: number): Uint8Array<ArrayBuffer> {
  let state = 17;
  for (const letter of path) state = Math.imul(state ^ letter.charCodeAt(0), 0x01000193);
  const words = new Uint32Array(Math.ceil(lengthBytes / 4));
  for (let index = 0; index < words.length; index++) words[index] = state = Math.imul(state, 1664525) + 1013904223;
  return new Uint8Array(words.buffer, 0, lengthBytes);
}

type Mapping = Record<string, unknown>;

async function start(stack: AsyncDisposableStack, cache: Mapping = {}, ofBusy: Mapping = {}) {
  const origin = stack.adopt(await startBodyOrigin(), (running) => running.close());
  let places: GatewayPlaces | null = null;
  const config = (busy: Mapping, given: GatewayPlaces = places!, changed: Mapping = {}) =>
    testConfig(given, {
      logging: { access: "errors" },
      cache: { memory: "4MiB", disk: "64MiB", ...cache, ...changed },
      pools: { any: customPool([origin.url]) },
      listeners: [
        { name: "busy", prefix: "/busy", pool: "any", cache: busy },
        { name: "calm", prefix: "/calm", pool: "any" },
      ],
    });
  const gateway = stack.adopt(
    await startGateway({ config: (given) => (places = given, config(ofBusy)) }),
    (running) => running.close(),
  );
  return { origin, gateway, config };
}

async function get(gateway: RunningGateway, path: string, lengthBytes: number): Promise<string> {
  const { status, bytes, cacheStatus } = await fetched(`${gateway.url}${path}?bytes=${lengthBytes}`);
  assert.equal(status, 200);
  assert.deepEqual(bytes, bodyOf(path, lengthBytes), `the body of ${path} is another's`);
  return cacheStatus;
}

/** The file and its companions. */
function diskBytes(gateway: RunningGateway): number {
  const directory = join(gateway.directory, "data");
  let bytes = 0;
  for (const { name } of Deno.readDirSync(directory)) {
    try {
      bytes += Deno.statSync(join(directory, name)).size;
    } catch {
      // Gone since it was listed.
    }
  }
  return bytes;
}

/** What `/status` says of a listener, as far as a test looks. */
interface Listed {
  readonly cache: { readonly disk: { readonly quota_bytes: number | null } };
}

async function diskStatus(gateway: RunningGateway) {
  const { cache, listeners } = await (await fetch(`${gateway.adminUrl}/status`)).json();
  return { ...cache.disk, problem: cache.disk_problem, listeners };
}

async function written(gateway: RunningGateway): Promise<void> {
  await eventually("the write queue is empty", async () => (await diskStatus(gateway)).queuedWrites === 0);
}

Deno.test(`${WRITTEN_BYTES / MIB} MiB through 64 MiB of disk: the file keeps its limit, the hot set stays`, async () => {
  await using stack = new AsyncDisposableStack();
  const { origin, gateway } = await start(stack);
  const bodyBytes = 128 * 1024;
  const hot = Array.from({ length: 80 }, (_, n) => `/busy/hot/${n}`);
  for (const path of hot) await get(gateway, path, bodyBytes);
  let largest = 0;
  const watch = setInterval(() => largest = Math.max(largest, diskBytes(gateway)), 50);
  try {
    const total = WRITTEN_BYTES / bodyBytes;
    for (let n = 0; n < total; n += 8) {
      const paced = new Promise((resolve) => setTimeout(resolve, BATCH_MS));
      await Promise.all(Array.from({ length: 8 }, (_, index) => get(gateway, `/busy/cold/${n + index}`, bodyBytes)));
      // Five times in a turnover of the disk, of which the order of use is known to a second.
      const used = Array.from({ length: 8 }, (_, index) => hot[(n + index) % hot.length]!);
      await Promise.all(used.map((path) => get(gateway, path, bodyBytes)));
      await paced;
    }
    await written(gateway);
  } finally {
    clearInterval(watch);
  }
  assert.ok(largest <= LIMIT_BYTES * 1.2, `the file took ${(largest / MIB).toFixed(1)} MiB`);
  assert.ok(largest >= LIMIT_BYTES * 0.6, `the disk was hardly used: ${(largest / MIB).toFixed(1)} MiB`);
  const { corrupt, droppedWrites, evictions } = await diskStatus(gateway);
  assert.equal(corrupt, 0);
  let kept = 0;
  // A look that stores nothing: else each that is missing would evict the next.
  const look = { headers: { "cache-control": "only-if-cached" } };
  for (const path of hot) {
    if ((await fetched(`${gateway.url}${path}?bytes=${bodyBytes}`, look)).status === 200) kept++;
  }
  // What a busy machine evicts too early is fetched again with its next use; the sum below tells an order by use from one by age,
  // which would fetch each of them three times more.
  assert.ok(kept >= hot.length * 0.75, `${kept} of ${hot.length} hot responses are still there`);
  const again = hot.reduce((sum, path) => sum + (origin.asked.get(path) ?? 0), 0) - hot.length;
  assert.ok(again < hot.length, `hot responses were fetched ${again} times more`);
  assert.ok(evictions > 0 || droppedWrites > 0);
});

Deno.test("one listener's flood leaves another's responses in both tiers", async () => {
  await using stack = new AsyncDisposableStack();
  const { origin, gateway } = await start(stack);
  const calm = Array.from({ length: 40 }, (_, n) => `/calm/${n}`);
  for (const path of calm) await get(gateway, path, 20_000);
  await written(gateway);
  for (let n = 0; n < 800; n += 8) {
    await Promise.all(Array.from({ length: 8 }, (_, index) => get(gateway, `/busy/${n + index}`, 150_000)));
  }
  await written(gateway);
  for (const path of calm) assert.match(await get(gateway, path, 20_000), /; hit/, path);
  for (const path of calm) assert.equal(origin.asked.get(path), 1, path);
});

/** Bytes of a listener's bodies that the file really holds, found by the rows that tell what belongs to whom. */
async function bodyBytesIn(gateway: RunningGateway, listener: string): Promise<number> {
  using kv = await Deno.openKv(join(gateway.directory, "data", "usher.kv"));
  let bytes = 0;
  for await (const use of kv.list({ prefix: ["x", listener] })) {
    const id = use.key[3]!;
    for await (const { value } of kv.list<Uint8Array>({ prefix: ["b", id] })) bytes += value.byteLength;
  }
  return bytes;
}

Deno.test("a listener keeps its disk quota, at its own cost, and a reload changes it", async () => {
  await using stack = new AsyncDisposableStack();
  const { origin, gateway, config } = await start(stack, {}, { disk_quota: "3MiB" });
  const calm = Array.from({ length: 40 }, (_, n) => `/calm/${n}`);
  for (const path of calm) await get(gateway, path, 100_000);
  for (let n = 0; n < 100; n += 4) {
    await Promise.all([0, 1, 2, 3].map((index) => get(gateway, `/busy/${n + index}`, 100_000)));
  }
  await written(gateway);
  // The workers hold it as they write, what two of them write at once is put right by the janitor.
  const isWithin = (quota: number) => async () => await bodyBytesIn(gateway, "busy") <= quota;
  await eventually("it holds its quota", isWithin(3 * MIB));
  assert.ok(await bodyBytesIn(gateway, "busy") > MIB, "it makes use of its quota");
  const figures = async () => (await diskStatus(gateway)).listeners.map(({ cache }: Listed) => cache.disk.quota_bytes);
  assert.deepEqual(await figures(), [3 * MIB, null]);
  await gateway.writeConfig(config({ disk_quota: "1MiB" }));
  gateway.signal("SIGHUP");
  await gateway.logged("Configuration reloaded");
  await eventually("it gives back what is too much now", isWithin(MIB));
  assert.deepEqual(await figures(), [MIB, null]);
  assert.ok(await bodyBytesIn(gateway, "calm") >= calm.length * 100_000);
  for (const path of calm) assert.match(await get(gateway, path, 100_000), /; hit/, path);
  for (const path of calm) assert.equal(origin.asked.get(path), 1, path);
});

Deno.test("a reload that lowers the limits of both tiers takes effect without a restart, and one that raises them too", async () => {
  await using stack = new AsyncDisposableStack();
  const { gateway, config } = await start(stack, { memory: "32MiB", disk: "64MiB" });
  const store = async (from: number) => {
    for (let n = from; n < from + 400; n += 8) {
      await Promise.all(Array.from({ length: 8 }, (_, index) => get(gateway, `/busy/${n + index}`, 60_000)));
    }
    await written(gateway);
  };
  const limit = async (memory: string, disk: string) => {
    const reloads = gateway.log().split("Configuration reloaded").length;
    await gateway.writeConfig(config({}, undefined, { memory, disk }));
    gateway.signal("SIGHUP");
    await eventually("it is reloaded", () => gateway.log().split("Configuration reloaded").length > reloads);
  };
  const held = async () => {
    const { cache } = await (await fetch(`${gateway.adminUrl}/status`)).json();
    return { memory: cache.memory.bytes as number, disk: cache.disk.bytes as number };
  };
  await store(0);
  const before = await held();
  assert.ok(before.memory > 16 * MIB && before.disk > 16 * MIB, JSON.stringify(before));
  await limit("8MiB", "8MiB");
  await eventually("both tiers are within their limits", async () => {
    const now = await held();
    return now.memory <= 8 * MIB && now.disk <= 8 * MIB;
  });
  await store(1000);
  const lowered = await held();
  assert.ok(lowered.memory <= 8 * MIB && lowered.disk <= 8 * MIB, JSON.stringify(lowered));
  await limit("32MiB", "64MiB");
  await store(2000);
  await eventually("both hold more again", async () => {
    const now = await held();
    return now.memory > 12 * MIB && now.disk > 12 * MIB;
  });
  assert.doesNotMatch(gateway.log(), /cache\.(memory|disk) .*restart|restart.*cache\.(memory|disk)/i);
});

Deno.test("with little free disk nothing more is stored there, and everyone is still served", async () => {
  await using stack = new AsyncDisposableStack();
  const { gateway } = await start(stack, { min_free_disk: "1000000GiB" });
  for (let n = 0; n < 20; n++) await get(gateway, `/busy/${n}`, 10_000);
  await eventually("the guard is seen", async () => (await diskStatus(gateway)).problem !== null);
  const { problem, entries, droppedWrites } = await diskStatus(gateway);
  assert.match(problem, /free space/);
  assert.equal(entries, 0);
  assert.ok(droppedWrites > 0);
  const metrics = await (await fetch(`${gateway.adminUrl}/metrics`)).text();
  assert.match(metrics, /usher_cache_disk_problem 1/);
  let hits = 0;
  for (let n = 0; n < 20; n++) if (/; hit/.test(await get(gateway, `/busy/${n}`, 10_000))) hits++;
  assert.ok(hits > 0, "memory goes on serving");
});

Deno.test("a file that is no database is put aside at the start, told, and replaced", async () => {
  await using stack = new AsyncDisposableStack();
  const origin = stack.adopt(await startBodyOrigin(), (running) => running.close());
  const directory = await Deno.makeTempDir({ prefix: "usher-test-" });
  await Deno.mkdir(join(directory, "data"));
  await Deno.writeTextFile(join(directory, "data", "usher.kv"), "this is no database\n".repeat(1000));
  const gateway = stack.adopt(
    await startGateway({
      directory,
      config: (places) =>
        testConfig(places, {
          pools: { any: customPool([origin.url]) },
          listeners: [{ name: "busy", prefix: "/", pool: "any" }],
        }),
    }),
    (running) => running.close(),
  );
  await get(gateway, "/a", 1000);
  const { cache } = await (await fetch(`${gateway.adminUrl}/status`)).json();
  assert.match(cache.kv_file.setAside, /usher\.kv\.corrupt-/);
  await gateway.logged("Put a damaged disk cache aside");
  await eventually("the new file is used", async () => (await diskStatus(gateway)).entries === 1);
});

Deno.test("what was stored before a restart is served from disk, and what was not asks no disk", async () => {
  await using stack = new AsyncDisposableStack();
  const { origin, gateway: first, config } = await start(stack);
  const stored = Array.from({ length: 30 }, (_, n) => `/calm/stored/${n}`);
  for (const path of stored) await get(first, path, 2_000);
  await written(first);
  first.signal("SIGTERM");
  assert.equal(await first.ended(), 0);
  // At the same address: it is a part of the keys.
  const again = stack.adopt(
    await startGateway({
      directory: first.directory,
      config: (places) => config({}, { ...places, port: first.port }),
    }),
    (running) => running.close(),
  );
  const gateway = { ...again, url: first.url };
  for (const path of stored) assert.match(await get(gateway, path, 2_000), /; hit;.*detail=kv/, path);
  for (const path of stored) assert.equal(origin.asked.get(path), 1, path);
  let asked = 0;
  await eventually("the filter is complete", async () => {
    await get(gateway, `/busy/early/${asked++}`, 100);
    return (await diskStatus(gateway)).sparedReads > 0;
  });
  const before = await diskStatus(gateway);
  const cold = Array.from({ length: 100 }, (_, n) => `/busy/cold/${n}`);
  for (const path of cold) await get(gateway, path, 100);
  const after = await diskStatus(gateway);
  assert.ok(after.sparedReads >= before.sparedReads + cold.length, `${after.sparedReads - before.sparedReads} spared`);
  assert.equal(after.emptyReads, before.emptyReads, "nothing is asked for in vain");
  const metrics = await (await fetch(`${gateway.adminUrl}/metrics`)).text();
  assert.match(metrics, /usher_cache_spared_reads_total\{tier="disk"\} [1-9]/);
  // The workers' memories hold what they fetched themselves; each finds what the other has written.
  await written(gateway);
  for (const path of cold) assert.match(await get(gateway, path, 100), /; hit/, path);
});
