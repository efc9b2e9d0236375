import { beginKvFile } from "../../../lib/cache/disk/kv_inspect.ts";
import { openKvFile } from "../../../lib/cache/disk/kv_open.ts";
import { createKvTier } from "../../../lib/cache/disk/kv_tier.ts";
import { createMemoryTier } from "../../../lib/cache/memory/memory_tier.ts";
import { heldBytes, type StoredResponse } from "../../../lib/cache/stored_response.ts";
import { bestHits, lruHits, TRACES } from "../../cache/memory/traces.ts";
import { sampleResponse } from "../../cache/store_suite.ts";
import { seededRandom } from "../../seeded_random.ts";
import { temporaryFolder } from "./holdings.ts";

const ROOM = 2_500;
const REQUESTS = 300_000;

const DISK_REQUESTS = 30_000;
const DISK_BODY_BYTES = 6_000;
const DISK_BYTES = 16 * 1024 * 1024;
/** A look-up on disk takes its time. */
const DISK_KINDS = new Set([
  "Zipf 0.9",
  "scans between",
  "loop",
  "other keys each time",
  "asked for again soon or never",
]);
/** Between two requests of a trace on disk, whose uses are noted by the second. */
const APART_MS = 100;

/** Hits of one kind of requests, as shares of all. */
export interface WorkingSet {
  readonly name: string;
  /** With what will be asked for known. */
  readonly best: number;
  readonly lru: number;
  readonly memory: number;
}

/** The same of the disk tier, which holds what it can in 16 MiB. */
export interface DiskWorkingSet {
  readonly name: string;
  /** Entries that there was room for. */
  readonly room: number;
  readonly best: number;
  readonly lru: number;
  readonly disk: number;
}

/** Hit ratios of the memory tier, with room for 2,500 entries, beside an ideal and a plain LRU. */
export function workingSets(): WorkingSet[] {
  return TRACES.map((kind) => {
    const trace = kind.keys({ room: ROOM, requests: REQUESTS, random: seededRandom(1) });
    const [best, lru] = [bestHits(trace, ROOM), lruHits(trace, ROOM)];
    return { name: kind.name, best: best / REQUESTS, lru: lru / REQUESTS, memory: memoryHits(trace) / REQUESTS };
  });
}

function memoryHits(trace: Int32Array): number {
  const bytes = heldBytes(sample(0));
  const memory = createMemoryTier({ limitBytes: ROOM * bytes, random: seededRandom(2) });
  const made = new Map<number, StoredResponse>();
  let hits = 0;
  for (const n of trace) {
    if (memory.get(sampleKey(n)) !== undefined) {
      hits++;
      continue;
    }
    if (!made.has(n)) made.set(n, sample(n));
    memory.put(made.get(n)!, 0);
  }
  return hits;
}

function sampleKey(n: number): string {
  return `api\0\0/${String(n).padStart(8, "0")}`;
}

function sample(n: number, bodyLength = 100): StoredResponse {
  return sampleResponse(sampleKey(n), { bodyLength });
}

/** Hit ratios of the disk tier. */
export async function diskWorkingSets(): Promise<DiskWorkingSet[]> {
  const room = await diskRoom();
  const sets: DiskWorkingSet[] = [];
  for (const kind of TRACES.filter(({ name }) => DISK_KINDS.has(name))) {
    const trace = kind.keys({ room, requests: DISK_REQUESTS, random: seededRandom(1) });
    const [best, lru] = [bestHits(trace, room), lruHits(trace, room)];
    const disk = await diskHits(trace);
    sets.push({
      name: kind.name,
      room,
      best: best / DISK_REQUESTS,
      lru: lru / DISK_REQUESTS,
      disk: disk / DISK_REQUESTS,
    });
  }
  return sets;
}

/** Entries that are held once more was put than there is room for. */
async function diskRoom(): Promise<number> {
  await using opened = await openTier();
  for (let n = 0; n < 2 * DISK_BYTES / DISK_BODY_BYTES; n++) {
    opened.tier.put(sample(n, DISK_BODY_BYTES));
    if (n % 50 === 0) await opened.tier.flush();
  }
  await opened.tier.flush();
  return opened.tier.stats().entries;
}

async function diskHits(trace: Int32Array): Promise<number> {
  await using opened = await openTier();
  let hits = 0;
  let missed = 0;
  for (const n of trace) {
    opened.clock.nowMs += APART_MS;
    if (await opened.tier.get(sampleKey(n)) !== undefined) {
      hits++;
      continue;
    }
    opened.tier.put(sample(n, DISK_BODY_BYTES));
    if (++missed % 50 === 0) await opened.tier.flush();
  }
  return hits;
}

async function openTier() {
  const folder = await temporaryFolder();
  const clock = { nowMs: 1_000_000_000_100, now: () => clock.nowMs };
  const log = {
    warn: (message: string) => {
      throw new Error(message);
    },
  };
  beginKvFile(`${folder.path}/cache.kv`);
  const kv = (await openKvFile(`${folder.path}/cache.kv`, { clock, log }))!;
  const tier = createKvTier({ kv, clock, log, limitBytes: DISK_BYTES, logReserveBytes: 0 });
  return {
    tier,
    clock,
    async [Symbol.asyncDispose]() {
      await tier.close(10_000);
      kv.close();
      await folder[Symbol.asyncDispose]();
    },
  };
}
