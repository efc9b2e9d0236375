import { newDiskFilterMemory } from "../../cache/disk/disk_filter.ts";
import type { PreparedKvFile } from "../../cache/disk/kv_open.ts";
import { within } from "../../clock.ts";
import { messageOf } from "../../errors.ts";
import type { Logger } from "../../logging/logger.ts";

/** Options of {@linkcode DiskTaker}. */
export interface DiskTakerOptions {
  /** As it was found at the start. */
  readonly kvFile: PreparedKvFile;
  /** Claims the file when the process that has it lets go; `null` when the signal aborts. Not given where there is nothing to wait for. */
  readonly kvFreed?: (signal: AbortSignal) => Promise<PreparedKvFile | null>;
  /** Brings the file into use, in all workers. */
  readonly take: (path: string) => Promise<void>;
  readonly logger: Logger;
}

/** Takes the KV file up that another process had when this one started. */
export class DiskTaker {
  readonly #options: DiskTakerOptions;
  readonly #ending = new AbortController();
  #file: PreparedKvFile;
  #taken: Promise<void> = Promise.resolve();

  constructor(options: DiskTakerOptions) {
    this.#options = options;
    this.#file = options.kvFile;
  }

  /** The file as it is now. */
  get file(): PreparedKvFile {
    return this.#file;
  }

  /** Begins to wait for the file, where that may help. */
  begin(): void {
    const { kvFreed } = this.#options;
    if (kvFreed !== undefined) this.#taken = this.#takeFrom(kvFreed);
  }

  /** Settles when the file is in use, but after `ms` milliseconds at the latest: then it says so. */
  async taken(ms: number): Promise<void> {
    await within(this.#taken, ms, undefined);
    const { logger, kvFreed } = this.#options;
    const { problem, path } = this.#file;
    if (ms === 0 || kvFreed === undefined || path !== null || this.#ending.signal.aborted) return;
    logger.warn("The disk cache is not free yet: serving from memory alone until it is", { problem });
  }

  /** Waits no more; settles when a take-up that has begun is done. */
  async close(): Promise<void> {
    this.#ending.abort();
    await this.#taken;
  }

  async #takeFrom(kvFreed: NonNullable<DiskTakerOptions["kvFreed"]>): Promise<void> {
    const { logger, take } = this.#options;
    try {
      const file = await kvFreed(this.#ending.signal);
      if (file === null) return;
      this.#file = file;
      if (file.path === null) return;
      await take(file.path);
      logger.info("The disk cache is free and in use from now on", { path: file.path });
    } catch (error) {
      logger.error("The disk cache is free, but cannot be used", { problem: messageOf(error) });
    }
  }
}

/** The filter of what the disk holds; `null` where there is never a disk tier. */
export function diskFilterMemory(
  { kvFile, kvFreed }: Pick<DiskTakerOptions, "kvFile" | "kvFreed">,
  diskBytes: number,
): SharedArrayBuffer | null {
  const isNever = kvFile.path === null && kvFreed === undefined;
  return isNever || diskBytes === 0 ? null : newDiskFilterMemory(diskBytes);
}
