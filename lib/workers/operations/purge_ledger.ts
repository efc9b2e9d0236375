import { momentOf, positionAt, PurgeClock } from "../../cache/purge/purge_clock.ts";
import { foldRules, MAX_RULES, positionOf, type PurgeRule } from "../../cache/purge/purge_rules.ts";
import { loadPosition, loadPurges, savePosition, savePurges } from "../../cache/purge/saved_purges.ts";
import type { Logger } from "../../logging/logger.ts";
import type { StateStore } from "../../state/state_store.ts";

/** How often the position is saved while there are no purges: it tells how far the clock has been. */
const NOTE_EVERY_MS = 60_000;

/** When a purge is made. */
export interface PurgeMoment {
  /** Never before that of an earlier purge, in this process or one before it, whatever the clock says. */
  readonly nowMs: number;
  readonly position: number;
}

/** What was saved by a process before. */
interface Saved {
  readonly rules: readonly PurgeRule[];
  readonly position: number;
}

const NOTHING: Saved = { rules: [], position: 0 };

/** The purges in force, as the supervisor keeps them: saved, and handed to each worker that starts. It gives purges their positions. */
export class PurgeLedger {
  #state: StateStore | null;
  readonly #logger: Logger;
  #rules: readonly PurgeRule[];
  readonly #clock: PurgeClock;
  #notedMs = 0;
  #newest = 0;

  private constructor(state: StateStore | null, logger: Logger, { rules, position }: Saved) {
    this.#state = state;
    this.#logger = logger;
    this.#rules = rules;
    this.#clock = new PurgeClock(Math.max(position, positionAt(Date.now())));
    this.#hold(rules);
  }

  /** Loads what was saved before. Without a state store rules end with the process. */
  static async open(state: StateStore | null, logger: Logger): Promise<PurgeLedger> {
    return new PurgeLedger(state, logger, state === null ? NOTHING : await loaded(state, logger));
  }

  /**
   * Goes on with another store: takes the rules that were saved there, and saves its own there. Answers what the workers do not have yet:
   * those, and its own at new positions where they would lie among what was stored there before they were made.
   */
  async attach(state: StateStore): Promise<readonly PurgeRule[]> {
    const saved = await loaded(state, this.#logger);
    const before = Math.max(saved.position, ...saved.rules.map(positionOf));
    this.see(before);
    const savedIds = new Set(saved.rules.map(({ id }) => id));
    const own = this.#rules.filter(({ id }) => !savedIds.has(id));
    const late = own.filter((rule) => positionOf(rule) <= before);
    const again = late.map((rule) => ({ ...rule, position: this.next().position }));
    const rules = [...own.filter((rule) => !late.includes(rule)), ...again];
    this.#state = state;
    this.#rules = foldRules([...saved.rules, ...rules], MAX_RULES);
    this.#hold(this.#rules);
    await savePurges(state, rules).catch((error) => {
      this.#logger.error("Purges cannot be written down: they end with this process", { problem: String(error) });
    });
    return [...saved.rules, ...again];
  }

  /** For a worker that starts. */
  get rules(): readonly PurgeRule[] {
    return this.#rules;
  }

  /** The largest position of a purge that holds here. */
  get newest(): number {
    return this.#newest;
  }

  /** Now, for a purge that has its position from elsewhere: never before an earlier purge, whatever the clock says. */
  get momentMs(): number {
    this.see(positionAt(Date.now()));
    return momentOf(this.#clock.last);
  }

  /** The place of a purge that is made now. */
  next(): PurgeMoment {
    const position = this.#clock.next(Date.now());
    return { nowMs: momentOf(position), position };
  }

  /** From now on purges come behind this position, which another gateway gave. */
  see(position: number): void {
    this.#clock.see(position);
  }

  /** Has purges of later processes come behind this moment, should the clock be put back until then. */
  async noteTime(nowMs: number): Promise<void> {
    this.#clock.see(positionAt(nowMs));
    const atMs = momentOf(this.#clock.last);
    if (this.#state === null || atMs < this.#notedMs + NOTE_EVERY_MS) return;
    this.#notedMs = atMs;
    await savePosition(this.#state, this.#clock.last).catch((error) => {
      this.#logger.warn("The position of purges cannot be written down", { problem: String(error) });
    });
  }

  /** Takes rules, each in place of one with its id, and saves them; returns whether they will outlive the process. */
  async record(rules: readonly PurgeRule[]): Promise<boolean> {
    const ids = new Set(rules.map(({ id }) => id));
    this.#rules = foldRules([...this.#rules.filter(({ id }) => !ids.has(id)), ...rules], MAX_RULES);
    this.#hold(rules);
    if (this.#state === null) return false;
    try {
      await savePurges(this.#state, rules);
      return true;
    } catch (error) {
      this.#logger.error("A purge cannot be written down: it ends with this process", { problem: String(error) });
      return false;
    }
  }

  #hold(rules: readonly PurgeRule[]): void {
    for (const rule of rules) {
      this.see(positionOf(rule));
      this.#newest = Math.max(this.#newest, positionOf(rule));
    }
  }
}

async function loaded(state: StateStore, logger: Logger): Promise<Saved> {
  try {
    return { rules: await loadPurges(state), position: await loadPosition(state) };
  } catch (error) {
    logger.error("The purges made before cannot be read", { problem: String(error) });
    return NOTHING;
  }
}
