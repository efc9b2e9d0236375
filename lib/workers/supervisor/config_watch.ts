import { pause } from "../../clock.ts";
import { messageOf } from "../../errors.ts";
import type { Logger } from "../../logging/logger.ts";
import type { ConfigSources } from "./config_sources.ts";

/** How often files are looked at; those that are as they were `settleMs` ago are not being written any more. */
const PACE = { lookEveryMs: 2_000, settleMs: 500 };
/** Looks until they are taken as they are: something may write to them for ever. */
const MOST_LOOKS = 20;
/** The longest time between two looks, where a look at many files, or over a network, takes long. */
const SELDOM_MS = 30_000;
/** Times that a look takes, from one to the next. */
const LOOK_SHARE = 50;

/** Options of {@linkcode ConfigWatch}. */
export interface ConfigWatchOptions {
  readonly sources: Pick<ConfigSources, "haveChanged" | "now">;
  /** Brings what has changed into force, or says why not; notes the sources anew. */
  readonly reload: () => Promise<unknown>;
  readonly logger: Logger;
  /** Milliseconds; for tests. */
  readonly pace?: typeof PACE;
}

/**
 * Reloads the configuration when one of its files changes. What the names lead to is looked at and compared, since editors put a new file
 * in the place of the old one, and volumes of Kubernetes swap a link above all of them. The system is not asked to tell of changes: it
 * tells nothing of network drives, and `Deno.watchFs` opens each file that changes, so that a pipe in a watched folder would stop the
 * whole process.
 */
export class ConfigWatch {
  readonly #options: ConfigWatchOptions;
  #running: AbortController | null = null;

  constructor(options: ConfigWatchOptions) {
    this.#options = options;
  }

  /** Watches from now on, or no more. */
  adjust(isOn: boolean): void {
    if (isOn === (this.#running !== null)) return;
    if (!isOn) return this.close();
    this.#running = new AbortController();
    this.#options.logger.info("Configuration files are watched: changes are brought into force by themselves");
    void this.#run(this.#running.signal);
  }

  close(): void {
    this.#running?.abort();
    this.#running = null;
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { sources, reload, logger, pace = PACE } = this.#options;
    while (!signal.aborted) {
      const beginMs = performance.now();
      let tookMs = 0;
      try {
        const hasChanged = await sources.haveChanged();
        tookMs = performance.now() - beginMs;
        if (hasChanged && await this.#isDue(pace.settleMs, signal)) await reload();
      } catch (error) {
        logger.error("Cannot look at the configuration files", { problem: messageOf(error) });
      }
      await pause(Math.min(Math.max(pace.lookEveryMs, LOOK_SHARE * tookMs), SELDOM_MS), signal);
    }
  }

  /** Waits until sources lie still: whether they are other ones then than those in force. */
  async #isDue(settleMs: number, signal: AbortSignal): Promise<boolean> {
    const { sources } = this.#options;
    let before = await sources.now();
    for (let look = 0; look < MOST_LOOKS; look++) {
      await pause(settleMs, signal);
      const after = await sources.now();
      if (after === before) break;
      before = after;
    }
    // Somebody else may have reloaded meanwhile, or an editor put back what it had moved.
    return !signal.aborted && await sources.haveChanged();
  }
}
