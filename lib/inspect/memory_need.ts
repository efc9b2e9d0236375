import type { Config } from "../config/config.ts";
import { shownSize } from "./finding.ts";

const MIB = 1024 * 1024;
/** The runtime, its files included, the supervisor and the health worker. */
const PROCESS_BYTES = 185 * MIB;
/** A serving worker that has compiled what it runs. */
const WORKER_BYTES = 48 * MIB;
/** Of a worker under load: its young heap, and bodies that are sent or wait for the garbage collector. */
const BUSY_BYTES = 100 * MIB;
/** Responses of a worker that wait to be written to disk. */
const QUEUE_BYTES = 32 * MIB;

/** What the memory of the process follows from. */
export interface MemorySettings {
  readonly server: Pick<Config["server"], "workers">;
  readonly cache: Pick<Config["cache"], "memoryBytes" | "fillMemoryBytes" | "diskBytes">;
}

/** Memory that a configuration takes, in bytes. */
export interface MemoryNeed {
  /** With a full cache, while little happens. */
  readonly restBytes: number;
  /** While as many large bodies come in as fit. */
  readonly mostBytes: number;
  readonly text: string;
}

/** Memory that a configuration takes, as `deno task footprint` measures it. Pictures that are converted are not counted. */
export function memoryNeed({ server: { workers }, cache }: MemorySettings): MemoryNeed {
  const restBytes = PROCESS_BYTES + workers * WORKER_BYTES + cache.memoryBytes;
  const queueBytes = cache.diskBytes > 0 ? QUEUE_BYTES : 0;
  const mostBytes = restBytes + workers * (cache.fillMemoryBytes + queueBytes + BUSY_BYTES);
  const parts = `${shownSize(cache.memoryBytes)} cache, and ${shownSize(cache.fillMemoryBytes)} filling in each worker`;
  const of = `${workers} worker${workers === 1 ? "" : "s"} (${parts})`;
  const text = `some ${shownSize(restBytes)} with a full cache, and ${shownSize(mostBytes)} under load, for ${of}`;
  return { restBytes, mostBytes, text };
}
