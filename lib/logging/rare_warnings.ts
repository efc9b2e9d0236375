import type { LogFields } from "./log_line.ts";
import type { Logger } from "./logger.ts";

const EVERY_MS = 60_000;
/** Kinds that are told apart; those beyond are one. */
const MAX_KINDS = 100;

/** Warnings of what may fail many times a second: one line of a kind in a minute, with the number of those that were left out. */
export class RareWarnings {
  readonly #logger: Logger;
  readonly #now: () => number;
  readonly #told = new Map<string, { atMs: number; more: number }>();

  /** `now` is in milliseconds. */
  constructor(logger: Logger, now: () => number = () => performance.now()) {
    this.#logger = logger;
    this.#now = now;
  }

  /** Warns; `kind` is a word of ours, nothing that a stranger chose. */
  warn(kind: string, message: string, fields: LogFields = {}): void {
    const key = this.#told.has(kind) || this.#told.size < MAX_KINDS ? kind : "";
    const nowMs = this.#now();
    const told = this.#told.get(key);
    if (told !== undefined && nowMs - told.atMs < EVERY_MS) return void told.more++;
    this.#logger.warn(message, told === undefined || told.more === 0 ? fields : { ...fields, more: told.more });
    this.#told.set(key, { atMs: nowMs, more: 0 });
  }
}
