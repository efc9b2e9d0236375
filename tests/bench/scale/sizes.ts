import { beginKvFile } from "../../../lib/cache/disk/kv_inspect.ts";
import { openKvFile } from "../../../lib/cache/disk/kv_open.ts";
import { createKvTier } from "../../../lib/cache/disk/kv_tier.ts";
import { systemClock } from "../../../lib/clock.ts";
import { sampleResponse } from "../../cache/store_suite.ts";
import { rest, type ScaleGateway, startOrigin, startScaleGateway } from "./gateway.ts";
import { temporaryFolder } from "./holdings.ts";

/** Writes that are waited for together. */
const BATCH = 1_000;
/** Entries that are looked at after a purge. */
const LOOKED_AT = 200;
const DISK = "16GiB";
const FRESH = {
  initialAgeMs: 0,
  lifetimeMs: 86_400_000,
  staleWhileRevalidateMs: 0,
  staleIfErrorMs: 0,
  mustRevalidate: false,
  alwaysValidate: false,
};

/** What a gateway over a file of so many entries costs. */
export interface SizeFigures {
  readonly entries: number;
  /** From the start of the process to its first answer, a hit on disk. */
  readonly firstAnswerMs: number;
  readonly residentBytes: number;
  readonly fileBytes: number;
  /** From its call to its return, in milliseconds, by what is purged. */
  readonly purgeMs: { readonly url: number; readonly tag: number; readonly all: number };
  /** Of {@linkcode LOOKED_AT} entries that were purged, those that a restart answered from the store. */
  readonly servedAfterPurge: number;
}

/** Fills a file, starts a gateway over it, purges, and starts another. */
export async function sizeFigures(entries: number): Promise<SizeFigures> {
  await using folder = await temporaryFolder();
  const origin = startOrigin();
  const fileBytes = await fill(`${folder.path}/data`, entries);
  const options = { directory: folder.path, originPort: origin.port, cache: { memory: "64MiB", disk: DISK } };
  const first = await startScaleGateway({ ...options, firstPath: "/m/1" });
  const { firstAnswerMs } = first;
  await rest(5);
  const residentBytes = await first.residentBytes();
  const purgeMs = {
    url: await purged(first, { url: "/m/2", hard: true }),
    tag: await purged(first, { tag: "even", hard: true }),
    all: await purged(first, { all: true, hard: true }),
  };
  await first[Symbol.asyncDispose]();
  await using second = await startScaleGateway({ ...options, firstPath: "/m/first" });
  let servedAfterPurge = 0;
  for (let n = 0; n < LOOKED_AT; n++) if (await isHit(second, Math.floor(n * entries / LOOKED_AT))) servedAfterPurge++;
  origin.close();
  return { entries, firstAnswerMs, residentBytes, fileBytes, purgeMs, servedAfterPurge };
}

async function purged(gateway: ScaleGateway, order: unknown): Promise<number> {
  const startedMs = performance.now();
  const response = await gateway.admin("/purge", order);
  if (!response.ok) throw new Error(`The purge was refused: ${await response.text()}`);
  await response.body?.cancel();
  return performance.now() - startedMs;
}

async function isHit(gateway: ScaleGateway, n: number): Promise<boolean> {
  const response = await fetch(`http://127.0.0.1:${gateway.port}/m/${n}`);
  await response.body?.cancel();
  return /; hit/.test(response.headers.get("cache-status") ?? "");
}

/** Puts entries on disk as a gateway's listener `api` does; answers the bytes of the file. */
async function fill(folder: string, entries: number): Promise<number> {
  await Deno.mkdir(folder);
  const path = `${folder}/usher.kv`;
  const log = {
    warn: (message: string) => {
      throw new Error(message);
    },
  };
  beginKvFile(path);
  const kv = (await openKvFile(path, { clock: systemClock, log }))!;
  const tier = createKvTier({ kv, clock: systemClock, log, limitBytes: 16 * 1024 ** 3 });
  const nowMs = Date.now();
  for (let n = 0; n < entries; n++) {
    const tags = n % 2 === 0 ? ["even"] : ["odd"];
    const facts = { requestTimeMs: nowMs, responseTimeMs: nowMs, tags, selectedBy: [], freshness: FRESH };
    tier.put(sampleResponse(`api\0\0/m/${n}`, { bodyLength: 1024, ...facts }));
    if (n % BATCH === BATCH - 1) await tier.flush();
  }
  await tier.flush();
  await tier.close(10_000);
  kv.close();
  return Deno.statSync(path).size;
}
