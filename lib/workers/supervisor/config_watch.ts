import { pause } from "../../clock.ts";
import { messageOf } from "../../errors.ts";
import type { Logger } from "../../logging/logger.ts";
import type { ConfigSources } from "./config_sources.ts";

/** Files that are as they were so long ago are not being written any more. */
const SETTLE_MS = 500;
/** Looks until they are taken as they are: something may write to them for ever. */
const MOST_LOOKS = 20;
/** How often files are looked at where the system tells of changes: it does not tell of those on network drives. */
const LOOK_EVERY_MS = 10_000;
/** The same where it does not. */
const POLL_EVERY_MS = 2_000;

/** Options of {@linkcode ConfigWatch}. */
export interface ConfigWatchOptions {
  readonly sources: Pick<ConfigSources, "haveChanged" | "now" | "folders">;
  /** Brings what has changed into force, or says why not; notes the sources anew. */
  readonly reload: () => Promise<unknown>;
  readonly logger: Logger;
  /** Begins to listen for changes in folders. @default `Deno.watchFs` */
  readonly watchFolders?: (folders: string[]) => Deno.FsWatcher;
  /** Milliseconds; for tests. */
  readonly pace?: { readonly settleMs: number; readonly lookEveryMs: number; readonly pollEveryMs: number };
}

/**
 * Reloads the configuration when one of its files changes. The folders are watched and what the names lead to is compared, since editors
 * put a new file in the place of the old one, and volumes of Kubernetes swap a link above all of them.
 */
export class ConfigWatch {
  readonly #options: ConfigWatchOptions;
  #running: AbortController | null = null;
  #isPolling = false;

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
    const { settleMs, lookEveryMs, pollEveryMs } = this.#options.pace ??
      { settleMs: SETTLE_MS, lookEveryMs: LOOK_EVERY_MS, pollEveryMs: POLL_EVERY_MS };
    while (!signal.aborted) {
      // First the watch, then the look: nothing that happens between two rounds is missed.
      const watcher = await this.#watcher();
      try {
        if (await this.#isDue(settleMs, signal)) await this.#options.reload();
        else if (watcher === null) await pause(pollEveryMs, signal);
        else if (await somethingHappens(watcher, lookEveryMs, signal)) await pause(settleMs, signal);
      } catch (error) {
        this.#options.logger.error("Cannot look at the configuration files", { problem: messageOf(error) });
        await pause(pollEveryMs, signal);
      } finally {
        closeWatcher(watcher);
      }
    }
  }

  /** Whether sources have changed and lie still. */
  async #isDue(settleMs: number, signal: AbortSignal): Promise<boolean> {
    const { sources } = this.#options;
    if (!await sources.haveChanged()) return false;
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

  async #watcher(): Promise<Deno.FsWatcher | null> {
    const { sources, logger, watchFolders = (folders) => Deno.watchFs(folders, { recursive: false }) } = this.#options;
    try {
      const folders = (await sources.folders()).filter(isFolder);
      const watcher = folders.length === 0 ? null : watchFolders(folders);
      this.#isPolling = watcher === null;
      return watcher;
    } catch (error) {
      if (!this.#isPolling) {
        const hint = `They are looked at every ${POLL_EVERY_MS / 1000} s`;
        logger.warn("The system does not tell of changed configuration files", { problem: messageOf(error), hint });
      }
      this.#isPolling = true;
      return null;
    }
  }
}

/** Whether something happens in watched folders before it is time for a look anyway. */
async function somethingHappens(watcher: Deno.FsWatcher, lookEveryMs: number, signal: AbortSignal): Promise<boolean> {
  const waiting = new AbortController();
  const end = AbortSignal.any([signal, waiting.signal]);
  const event = (async () => {
    for await (const { kind } of watcher) if (kind !== "access") return true;
    return false;
  })().catch(() => false);
  try {
    return await Promise.race([event, pause(lookEveryMs, end).then(() => false)]);
  } finally {
    waiting.abort();
  }
}

/** Whether a folder is there and may be read: Deno would ask a terminal for the leave, and wait. */
function isFolder(path: string): boolean {
  try {
    return Deno.permissions.querySync({ name: "read", path }).state === "granted" && Deno.statSync(path).isDirectory;
  } catch {
    return false;
  }
}

function closeWatcher(watcher: Deno.FsWatcher | null): void {
  try {
    watcher?.close();
  } catch {
    // Its folder has gone, and it with it.
  }
}
