import { foldRules, MAX_RULES, type PurgeRule } from "../../cache/purge/purge_rules.ts";
import { loadPurges, savePurges } from "../../cache/purge/saved_purges.ts";
import type { Logger } from "../../logging/logger.ts";
import type { StateStore } from "../../state/state_store.ts";

/** The purges in force, as the supervisor keeps them: saved, and handed to each worker that starts. */
export class PurgeLedger {
  #state: StateStore | null;
  readonly #logger: Logger;
  #rules: readonly PurgeRule[];

  private constructor(state: StateStore | null, logger: Logger, rules: readonly PurgeRule[]) {
    this.#state = state;
    this.#logger = logger;
    this.#rules = rules;
  }

  /** Loads what was saved before. Without a state store rules end with the process. */
  static async open(state: StateStore | null, logger: Logger): Promise<PurgeLedger> {
    return new PurgeLedger(state, logger, state === null ? [] : await loaded(state, logger));
  }

  /** Goes on with another store: takes the rules that were saved there, answers them, and saves its own there. */
  async attach(state: StateStore): Promise<readonly PurgeRule[]> {
    const saved = await loaded(state, this.#logger);
    const savedIds = new Set(saved.map(({ id }) => id));
    const own = this.#rules.filter(({ id }) => !savedIds.has(id));
    this.#state = state;
    this.#rules = foldRules([...saved, ...own], MAX_RULES);
    await savePurges(state, own).catch((error) => {
      this.#logger.error("Purges cannot be written down: they end with this process", { problem: String(error) });
    });
    return saved;
  }

  /** For a worker that starts. */
  get rules(): readonly PurgeRule[] {
    return this.#rules;
  }

  /** Takes rules, each in place of one with its id, and saves them; returns whether they will outlive the process. */
  async record(rules: readonly PurgeRule[]): Promise<boolean> {
    const ids = new Set(rules.map(({ id }) => id));
    this.#rules = foldRules([...this.#rules.filter(({ id }) => !ids.has(id)), ...rules], MAX_RULES);
    if (this.#state === null) return false;
    try {
      await savePurges(this.#state, rules);
      return true;
    } catch (error) {
      this.#logger.error("A purge cannot be written down: it ends with this process", { problem: String(error) });
      return false;
    }
  }
}

async function loaded(state: StateStore, logger: Logger): Promise<PurgeRule[]> {
  return await loadPurges(state).catch((error) => {
    logger.error("The purges made before cannot be read", { problem: String(error) });
    return [];
  });
}
