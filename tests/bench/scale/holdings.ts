import { BODY_BYTES, load, rest, type ScaleGateway, startOrigin, startScaleGateway } from "./gateway.ts";

/** Requests before anything is counted: code is compiled and buffers are made by then. */
const WARM_UP = 3_000;
const STEPS = 5;
const REST_SECONDS = 30;

/** What an entry takes in memory. */
export interface MemoryHolding {
  readonly entries: number;
  /** Growth of resident memory for each entry, while entries came in, after each fifth of them. */
  readonly underLoadBytes: readonly number[];
  /** The same after half a minute of rest. */
  readonly atRestBytes: number;
  /** What an entry is counted with against `cache.memory`. */
  readonly countedBytes: number;
}

/** Lets entries come into memory, without a disk tier. */
export async function memoryHolding(entries: number): Promise<MemoryHolding> {
  using origin = closing(startOrigin());
  await using folder = await temporaryFolder();
  const cache = { memory: "4GiB", disk: 0 };
  await using gateway = await startScaleGateway({ directory: folder.path, originPort: origin.port, cache });
  await load({ port: gateway.port, from: 0, count: WARM_UP });
  await rest(3);
  const before = await figures(gateway);
  const underLoadBytes: number[] = [];
  for (let step = 0; step < STEPS; step++) {
    const count = Math.floor(entries / STEPS);
    await load({ port: gateway.port, from: WARM_UP + step * count, count });
    const now = await figures(gateway);
    underLoadBytes.push((now.residentBytes - before.residentBytes) / (now.entries - before.entries));
  }
  await rest(REST_SECONDS);
  const after = await figures(gateway);
  const grown = after.entries - before.entries;
  return {
    entries: grown,
    underLoadBytes,
    atRestBytes: (after.residentBytes - before.residentBytes) / grown,
    countedBytes: (after.bytes - before.bytes) / grown,
  };
}

async function figures(gateway: ScaleGateway) {
  // The status is a few seconds old.
  await rest(3);
  const { entries, bytes } = (await gateway.status()).cache.memory;
  return { entries, bytes, residentBytes: await gateway.residentBytes() };
}

/** What an entry takes on disk, and what becomes of a burst. */
export interface DiskHolding {
  readonly entries: number;
  /** Of the file, without its log, after the last write. */
  readonly bytes: number;
  readonly perSecond: number;
  readonly dropped: number;
  /** CPU time of a miss until all is on disk, in microseconds. */
  readonly cpuUs: number;
}

/** Sends misses at a rate, and waits until all that was not dropped is on disk. */
export async function diskHolding(entries: number, perSecond: number): Promise<DiskHolding> {
  using origin = closing(startOrigin());
  await using folder = await temporaryFolder();
  const cache = { memory: "16MiB", disk: "8GiB" };
  await using gateway = await startScaleGateway({ directory: folder.path, originPort: origin.port, cache });
  await load({ port: gateway.port, from: 0, count: WARM_UP });
  await written(gateway);
  const cpuBefore = await gateway.cpuSeconds();
  const seconds = await load({ port: gateway.port, from: WARM_UP, count: entries, perSecond });
  const dropped = await written(gateway);
  const cpuSeconds = await gateway.cpuSeconds() - cpuBefore;
  return {
    entries: entries + WARM_UP - dropped,
    bytes: fileBytes(`${folder.path}/data`),
    perSecond: entries / seconds,
    dropped,
    cpuUs: cpuSeconds / entries * 1e6,
  };
}

/** Waits until nothing is queued any more; answers how many writes were dropped since the start. */
async function written(gateway: ScaleGateway): Promise<number> {
  for (let quiet = 0;;) {
    await rest(2);
    const disk = (await gateway.status()).cache.disk!;
    quiet = disk.queuedWrites === 0 ? quiet + 1 : 0;
    if (quiet === 3) return disk.droppedWrites!;
  }
}

function fileBytes(folder: string): number {
  return [...Deno.readDirSync(folder)].filter(({ name }) => name.endsWith(".kv"))
    .reduce((sum, { name }) => sum + Deno.statSync(`${folder}/${name}`).size, 0);
}

/** A folder that is removed in the end. */
export async function temporaryFolder(): Promise<{ readonly path: string } & AsyncDisposable> {
  const path = await Deno.makeTempDir({ prefix: "usher-scale-" });
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}

/** What is closed in the end. */
export function closing<T extends { close(): void }>(made: T): T & Disposable {
  return { ...made, [Symbol.dispose]: () => made.close() };
}

/** The body of each entry. */
export const HELD_BODY_BYTES = BODY_BYTES;
