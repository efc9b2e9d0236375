import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { integer } from "../seeded_random.ts";
import { kvFile } from "./chaos_gateway.ts";
import { type Fault, wait, type World } from "./fault.ts";

const PAGE_BYTES = 4_096;

/** Faults of the KV file and of what it lies on. No request may notice any of them. */
export const DISK_FAULTS: readonly Fault[] = [
  disk("kv-locked", "another program holds the file's lock", async ({ shop }, lastsMs) => {
    using database = new DatabaseSync(kvFile(shop.dataDir));
    database.exec("PRAGMA busy_timeout = 500; BEGIN IMMEDIATE");
    await wait(lastsMs);
    database.exec("ROLLBACK");
  }),
  disk("kv-cut", "the file is cut to half of its length", async ({ shop }) => {
    const { size } = await Deno.stat(kvFile(shop.dataDir));
    await Deno.truncate(kvFile(shop.dataDir), Math.floor(size / 2 / PAGE_BYTES) * PAGE_BYTES);
  }),
  disk("kv-damaged", "forty pages of the file are overwritten", damaged),
  disk("kv-removed", "the file is removed, with its log", async ({ shop }) => {
    for (const suffix of ["", "-wal", "-shm"]) await removed(kvFile(shop.dataDir) + suffix);
  }),
  disk("data-dir-removed", "the data directory is removed", ({ shop }) => removed(shop.dataDir)),
  disk("disk-full", "the file system is filled to its last byte", async ({ shop }, lastsMs) => {
    const path = join(shop.diskDir!, "filler");
    try {
      using file = await Deno.open(path, { write: true, create: true });
      const block = new Uint8Array(64 * 1024).fill(1);
      while (await file.write(block) > 0);
    } catch {
      // It is full.
    }
    await wait(lastsMs);
    await removed(path);
  }),
];

function disk(name: string, about: string, inflict: Fault["inflict"]): Fault {
  return { name, about, excuses: [], afterMs: 0, track: "disk", inflict: absentIsFine(inflict) };
}

/** The gateway may not have a file at the moment. */
function absentIsFine(inflict: Fault["inflict"]): Fault["inflict"] {
  return async (world, lastsMs) => {
    try {
      await inflict(world, lastsMs);
    } catch (error) {
      if (!/No such file|unable to open|not a database|malformed|locked|disk I\/O/i.test(String(error))) throw error;
    }
  };
}

async function removed(path: string): Promise<void> {
  await Deno.remove(path, { recursive: true }).catch(() => {});
}

async function damaged({ shop, random }: World): Promise<void> {
  using file = await Deno.open(kvFile(shop.dataDir), { read: true, write: true });
  const pages = Math.floor((await file.stat()).size / PAGE_BYTES);
  const noise = crypto.getRandomValues(new Uint8Array(PAGE_BYTES));
  for (let turn = 0; turn < 40 && pages > 1; turn++) {
    // Not the first page: then it would be no database any more, which is tried at the start.
    await file.seek((1 + integer(random, pages - 1)) * PAGE_BYTES, Deno.SeekMode.Start);
    await file.write(noise);
  }
}
