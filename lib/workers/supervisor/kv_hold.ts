import { join } from "node:path";
import { awaitKvFile, type ClaimedKvFile, claimKvFile } from "../../cache/disk/kv_claim.ts";
import type { PreparedKvFile } from "../../cache/disk/kv_open.ts";
import type { StoreLog } from "../../cache/store.ts";
import { systemClock } from "../../clock.ts";
import type { Logger } from "../../logging/logger.ts";
import type { SupervisorOptions } from "./supervisor_options.ts";
import type { Predecessor } from "./take_over.ts";

/** The KV file of this process: claimed at the start, or when the process that has it lets go. */
export class KvHold {
  readonly #path: string;
  readonly #logger: Logger;
  #claimed: ClaimedKvFile;

  private constructor(path: string, logger: Logger, claimed: ClaimedKvFile) {
    this.#path = path;
    this.#logger = logger;
    this.#claimed = claimed;
  }

  /** Claims the file of a `data_dir`; that a predecessor still has it is no reason to warn. */
  static async open(dataDir: string, logger: Logger, predecessor: Predecessor | null): Promise<KvHold> {
    const path = join(dataDir, "usher.kv");
    const warnings: Parameters<StoreLog["warn"]>[] = [];
    const log: StoreLog = predecessor === null ? logger : { warn: (...told) => warnings.push(told) };
    const claimed = await claimKvFile(path, { clock: systemClock, log });
    if (!claimed.isAwaited) { for (const [message, fields] of warnings) (logger as StoreLog).warn(message, fields); }
    return new KvHold(path, logger, claimed);
  }

  /** What the supervisor needs of it. */
  get options(): Pick<SupervisorOptions<unknown>, "kvFile" | "purgePath" | "kvFreed" | "releaseKv"> {
    const { file, purgePath, isAwaited } = this.#claimed;
    return {
      kvFile: file,
      purgePath,
      kvFreed: isAwaited ? (signal) => this.#freed(signal) : undefined,
      releaseKv: () => this.release(),
    };
  }

  /** Lets another process claim it. */
  release(): void {
    this.#claimed.release();
  }

  async #freed(signal: AbortSignal): Promise<PreparedKvFile | null> {
    const freed = await awaitKvFile(this.#path, { clock: systemClock, log: this.#logger }, signal);
    if (freed === null) return null;
    this.#claimed = freed;
    return freed.file;
  }
}
