import { foldRules, type PurgeRule } from "../../cache/purge/purge_rules.ts";
import { loadPurges, savePurge } from "../../cache/purge/purge_table.ts";
import type { Logger } from "../../logging/logger.ts";

/** Rules held at most; the older half is folded when there are more. */
const MAX_RULES = 10_000;

/** The purges in force, as the supervisor keeps them: written down in KV, and handed to each worker that starts. */
export class PurgeLedger {
  readonly #kv: Deno.Kv | null;
  readonly #logger: Logger;
  #rules: readonly PurgeRule[];

  private constructor(kv: Deno.Kv | null, logger: Logger, rules: readonly PurgeRule[]) {
    this.#kv = kv;
    this.#logger = logger;
    this.#rules = rules;
  }

  /** Reads what was written down before. Without KV nothing outlives the process, stored responses neither. */
  static async open(kv: Deno.Kv | null, logger: Logger): Promise<PurgeLedger> {
    const rules = kv === null ? [] : await loadPurges(kv).catch((error) => {
      logger.error("The purges made before cannot be read", { problem: String(error) });
      return [];
    });
    return new PurgeLedger(kv, logger, rules);
  }

  /** For a worker that starts. */
  get rules(): readonly PurgeRule[] {
    return this.#rules;
  }

  /** Takes rules, each in place of one with its id, and writes them down; answers whether they will outlive the process. */
  async record(rules: readonly PurgeRule[]): Promise<boolean> {
    const ids = new Set(rules.map(({ id }) => id));
    this.#rules = foldRules([...this.#rules.filter(({ id }) => !ids.has(id)), ...rules], MAX_RULES);
    if (this.#kv === null) return false;
    try {
      for (const rule of rules) await savePurge(this.#kv, rule);
      return true;
    } catch (error) {
      this.#logger.error("A purge cannot be written down: it ends with this process", { problem: String(error) });
      return false;
    }
  }
}
