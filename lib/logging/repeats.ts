import type { LogArea } from "./log_levels.ts";
import type { LogFields } from "./log_line.ts";
import type { Logger } from "./logger.ts";

/** So long a line stands for all that say the same. */
const FOLD_MS = 10_000;

/** Different lines that are kept in mind; beyond them nothing is folded together but by message. */
const MAX_KEPT = 500;

/** What was said, and how often since. */
interface Said {
  fields: LogFields;
  more: number;
}

/** Options of {@linkcode Repeats}. */
export interface RepeatsOptions {
  readonly logger: Logger;
  /** Does something later. @default a timer that keeps no process alive */
  readonly later?: (call: () => void, delayMs: number) => void;
}

/**
 * Warnings of which a failing upstream or a flood of requests would bring thousands a second: the first is written at once, those that
 * say the same within ten seconds become one line with `more`, their number.
 */
export class Repeats {
  readonly #logger: Logger;
  readonly #later: NonNullable<RepeatsOptions["later"]>;
  readonly #said = new Map<string, Said>();

  constructor({ logger, later = laterOn }: RepeatsOptions) {
    this.#logger = logger;
    this.#later = later;
  }

  /** Warns; `reason` is what tells one trouble from another: names and words of ours, nothing that a stranger chose. */
  warn(area: LogArea, message: string, reason: string, fields: LogFields): void {
    const key = this.#said.size < MAX_KEPT ? `${message}\0${reason}` : message;
    const said = this.#said.get(key);
    if (said !== undefined) {
      said.more++;
      said.fields = fields;
      return;
    }
    const logger = this.#logger.in(area);
    logger.warn(message, fields);
    this.#said.set(key, { fields, more: 0 });
    this.#later(() => this.#look(logger, key, message), FOLD_MS);
  }

  #look(logger: Logger, key: string, message: string): void {
    const said = this.#said.get(key);
    if (said === undefined) return;
    if (said.more === 0) return void this.#said.delete(key);
    logger.warn(message, { ...said.fields, more: said.more });
    said.more = 0;
    this.#later(() => this.#look(logger, key, message), FOLD_MS);
  }
}

function laterOn(call: () => void, delayMs: number): void {
  Deno.unrefTimer(setTimeout(call, delayMs));
}
