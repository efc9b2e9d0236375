/**
 * What the stores come to at size, in three tables: hit rates of the memory tier beside a plain LRU, on a Zipf trace and on one with
 * scans; the cost of the KV tier's calls at 10^3, 10^5 and, with `--million`, 10^6 entries; and its file beside its limit after
 * sixteen times as much was written.
 *
 *     deno run --allow-read --allow-write --unstable-kv tests/bench/store_scale.ts [--million]
 */
import { LRUCache } from "lru-cache";
import { systemClock } from "../../lib/clock.ts";
import { createKvJanitor } from "../../lib/cache/disk/kv_janitor.ts";
import { createKvTier, type KvTier } from "../../lib/cache/disk/kv_tier.ts";
import { createMemoryTier } from "../../lib/cache/memory/memory_tier.ts";
import { heldBytes } from "../../lib/cache/stored_response.ts";
import { sampleResponse } from "../cache/store_suite.ts";
import { seededRandom } from "../seeded_random.ts";

const MIB = 1024 * 1024;
const log = { warn: (message: string) => print(message) };

function print(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
}

/** Draws ranks from 0 with the frequencies of Zipf's law. */
function zipf(count: number, exponent: number, random: () => number): () => number {
  const upTo = new Float64Array(count);
  let sum = 0;
  for (let rank = 0; rank < count; rank++) upTo[rank] = sum += 1 / (rank + 1) ** exponent;
  return () => {
    const at = random() * sum;
    let low = 0;
    for (let high = count - 1; low < high;) {
      const middle = (low + high) >> 1;
      if (upTo[middle]! < at) low = middle + 1;
      else high = middle;
    }
    return low;
  };
}

function* trace(kind: "zipf" | "scans", exponent: number): Generator<string> {
  const random = seededRandom(1);
  const draw = zipf(50_000, exponent, random);
  let scanned = 0;
  for (let step = 0; step < 600_000; step++) {
    yield `api\0\0/${draw()}`;
    if (kind === "scans" && step % 60_000 === 59_999) {
      for (let n = 0; n < 20_000; n++) yield `api\0\0/scan/${scanned++}`;
    }
  }
}

function hitRates(): void {
  const body = new Uint8Array(2000);
  const limitBytes = 2500 * heldBytes(sampleResponse("api\0\0/12345", { body }));
  for (const exponent of [0.7, 0.9, 1.1]) {
    for (const kind of ["zipf", "scans"] as const) {
      const memory = createMemoryTier({ limitBytes });
      const plain = new LRUCache<string, true>({ maxSize: limitBytes, sizeCalculation: () => limitBytes / 2500 | 0 });
      const hits = { memory: 0, plain: 0 };
      let asked = 0;
      for (const key of trace(kind, exponent)) {
        if (!key.includes("scan")) asked++;
        if (memory.get(key) !== undefined) hits.memory++;
        else memory.put(sampleResponse(key, { body }), 0);
        if (plain.get(key)) hits.plain++;
        else plain.set(key, true);
      }
      const percent = (count: number) => `${(count / asked * 100).toFixed(1)} %`;
      print(`${kind.padEnd(6)} ${exponent}   memory tier ${percent(hits.memory)}   plain LRU ${percent(hits.plain)}`);
    }
  }
}

interface OpenedTier extends AsyncDisposable {
  readonly kv: Deno.Kv;
  readonly path: string;
  readonly tier: KvTier;
}

async function openTier(limitBytes: number): Promise<OpenedTier> {
  const directory = await Deno.makeTempDir();
  const path = `${directory}/cache.kv`;
  const [kv, writeKv] = [await Deno.openKv(path), await Deno.openKv(path)];
  const tier = createKvTier({ kv, writeKv, clock: systemClock, log, limitBytes });
  return {
    kv,
    path,
    tier,
    async [Symbol.asyncDispose]() {
      await tier.close(10_000);
      for (const opened of [kv, writeKv]) opened.close();
      await Deno.remove(directory, { recursive: true });
    },
  };
}

function sample(key: string, bodyLength: number) {
  const nowMs = Date.now();
  return sampleResponse(key, { bodyLength, requestTimeMs: nowMs, responseTimeMs: nowMs });
}

function fileBytes(path: string): number {
  return ["", "-wal"].reduce((sum, suffix) => sum + (Deno.statSync(path + suffix).size ?? 0), 0);
}

async function fill(tier: KvTier, from: number, to: number): Promise<number> {
  const startedMs = performance.now();
  for (let n = from; n < to; n++) {
    tier.put(sample(`api\0\0/${n}`, 1000));
    if (n % 1000 === 999) await tier.flush();
  }
  await tier.flush();
  return (to - from) / (performance.now() - startedMs) * 1000;
}

async function meanMicroseconds(count: number, call: (n: number) => Promise<void>): Promise<string> {
  const startedMs = performance.now();
  for (let n = 0; n < count; n++) await call(n);
  return ((performance.now() - startedMs) / count * 1000).toFixed(0);
}

async function scale(sizes: readonly number[]): Promise<void> {
  await using opened = await openTier(8 * 1024 * MIB);
  let held = 0;
  for (const size of sizes) {
    const putsPerSecond = await fill(opened.tier, held, size);
    held = size;
    const random = seededRandom(size);
    const getMicroseconds = await meanMicroseconds(3000, async () => {
      const key = `api\0\0/${Math.floor(random() * size)}`;
      if (await opened.tier.get(key) === undefined) throw new Error(`Cannot find ${JSON.stringify(key)}`);
    });
    const putMicroseconds = await meanMicroseconds(1000, async (n) => {
      opened.tier.put(sample(`api\0\0/${n * 7 % size}`, 1000));
      await opened.tier.flush();
    });
    const startedMs = performance.now();
    const again = await Deno.openKv(opened.path);
    const late = createKvTier({ kv: again, clock: systemClock, log, limitBytes: 8 * 1024 * MIB });
    if (await late.get("api\0\0/1") === undefined) throw new Error("Cannot find the first entry after opening");
    const openMs = performance.now() - startedMs;
    again.close();
    const mib = (fileBytes(opened.path) / MIB).toFixed(0);
    print(
      `${String(size).padStart(8)} entries   get ${getMicroseconds} µs   put ${putMicroseconds} µs alone, ` +
        `${putsPerSecond.toFixed(0)}/s in batches   open and first get ${openMs.toFixed(0)} ms   file ${mib} MiB`,
    );
  }
}

/** Sixteen times the limit goes in while a hot set is asked for now and then, with a janitor at work. */
async function overflow(limitBytes: number): Promise<void> {
  await using opened = await openTier(limitBytes);
  const janitor = createKvJanitor({ kv: opened.kv, path: opened.path, clock: systemClock, log, limitBytes });
  const ending = new AbortController();
  const running = janitor.run(ending.signal, 200);
  const random = seededRandom(3);
  const hot = Array.from({ length: 50 }, (_, n) => `api\0\0/hot/${n}`);
  for (const key of hot) opened.tier.put(sample(key, 40_000));
  let written = 0;
  let largest = 0;
  for (let n = 0; written < 16 * limitBytes; n++) {
    const bodyLength = Math.floor(500 + random() ** 3 * 300_000);
    opened.tier.put(sample(`api\0\0/${n}`, bodyLength));
    written += bodyLength;
    if (n % 20 === 0) await opened.tier.flush();
    if (n % 20 === 0) largest = Math.max(largest, fileBytes(opened.path));
    if (n % 100 === 0) { for (const key of hot) await opened.tier.get(key); }
  }
  await opened.tier.flush();
  let kept = 0;
  for (const key of hot) if (await opened.tier.get(key) !== undefined) kept++;
  ending.abort();
  await running;
  janitor.close();
  print(
    `limit ${limitBytes / MIB} MiB, ${(written / MIB).toFixed(0)} MiB written: file and log at most ` +
      `${(largest / limitBytes).toFixed(2)} of the limit, ${kept} of ${hot.length} hot entries kept`,
  );
}

print("Hit rates of 600,000 requests over 50,000 keys, room for 2,500; scans of 20,000 keys not counted");
hitRates();
print("\nKV tier, bodies of 1,000 bytes");
await scale(Deno.args.includes("--million") ? [1000, 100_000, 1_000_000] : [1000, 100_000]);
print("\nKV tier over its limit");
await overflow(64 * MIB);
