import { dirname } from "node:path";
import type { Logger } from "../../logging/logger.ts";

/** How often the file is looked at. */
const LOOK_EVERY_MS = 5_000;

const UNKNOWN = "unknown";

/** Options of {@linkcode DiskWatch}. */
export interface DiskWatchOptions {
  /** The KV file in use; `null` while there is none. */
  readonly path: () => string | null;
  readonly logger: Logger;
}

/**
 * Notices that the KV file in use has been removed, or another one put in its place: the system lets the workers go on with what has no
 * name any more, so that nothing else would tell.
 */
export class DiskWatch {
  readonly #options: DiskWatchOptions;
  #timer: ReturnType<typeof setInterval> | undefined;
  /** The file that is in use, as the system knows it. */
  #own: { readonly path: string; readonly identity: string } | null = null;
  #problem: string | null = null;

  constructor(options: DiskWatchOptions) {
    this.#options = options;
  }

  /** What has become of the file; `null` while it is there. */
  get problem(): string | null {
    return this.#problem;
  }

  /** Looks from now on. */
  begin(): void {
    this.look();
    this.#timer = setInterval(() => this.look(), LOOK_EVERY_MS);
  }

  close(): void {
    clearInterval(this.#timer);
  }

  /** Looks once. */
  look(): void {
    const path = this.#options.path();
    if (path === null) return;
    const identity = identityOf(path);
    // What cannot be looked at is not gone.
    if (identity === UNKNOWN) return;
    if (this.#own?.path !== path) {
      if (identity !== null) this.#own = { path, identity };
      return;
    }
    const problem = identity === this.#own.identity ? null : problemOf(path, identity);
    if (problem === this.#problem) return;
    this.#problem = problem;
    const { logger } = this.#options;
    if (problem === null) return logger.info("The disk cache is in its place again", { path });
    logger.error(problem, {
      path,
      hint: "Restart the gateway: until then all that it stores on disk is lost when it ends",
    });
  }
}

function problemOf(path: string, identity: string | null): string {
  if (identity !== null) return "Another file was put in the place of the disk cache while it was in use";
  return identityOf(dirname(path)) === null
    ? "The folder of the disk cache was removed while it was in use"
    : "The file of the disk cache was removed while it was in use";
}

/** `null` where there is nothing. */
function identityOf(path: string): string | null {
  try {
    const { dev, ino } = Deno.statSync(path);
    return `${dev} ${ino}`;
  } catch (error) {
    return error instanceof Deno.errors.NotFound ? null : UNKNOWN;
  }
}
