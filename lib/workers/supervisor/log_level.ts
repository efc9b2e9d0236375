import { type LevelOverride, LOG_AREAS, type LogArea, type LogLevel } from "../../logging/log_levels.ts";
import type { RootLogger } from "../../logging/logger.ts";

/** The levels in force. */
export interface LevelsInForce {
  readonly areas: Readonly<Record<LogArea, LogLevel>>;
  /** What was ordered in place of the configuration; `null` where that holds. */
  readonly override: LevelOverride | null;
  /** When the order ends, in milliseconds since the Unix epoch; `null` where it does not. */
  readonly untilMs: number | null;
}

/** Levels that are ordered at run time. */
export interface LevelOrder extends LevelOverride {
  /** How long they hold; without it until the next order, or the end of the process. */
  readonly forSeconds?: number;
}

/** Keeps the levels that were ordered in place of the configured ones, in this thread and all workers, over reloads. */
export class LogLevelKeeper {
  readonly #logger: RootLogger;
  readonly #spread: (override: LevelOverride | null) => Promise<void>;
  #override: LevelOverride | null = null;
  #untilMs: number | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** `spread` brings levels into every worker. */
  constructor(logger: RootLogger, spread: (override: LevelOverride | null) => Promise<void>) {
    this.#logger = logger;
    this.#spread = spread;
  }

  /** The levels in force. */
  get inForce(): LevelsInForce {
    return { areas: this.#logger.levels(), override: this.#override, untilMs: this.#untilMs };
  }

  /** Sets levels, for `actor`; an order without any ends the one before. */
  async set({ level, levels, forSeconds }: LevelOrder, actor: string): Promise<LevelsInForce> {
    clearTimeout(this.#timer);
    const isEmpty = level === undefined && (levels === undefined || Object.keys(levels).length === 0);
    const lasting = isEmpty ? undefined : forSeconds;
    this.#override = isEmpty ? null : { level, levels };
    this.#untilMs = lasting === undefined ? null : Date.now() + lasting * 1000;
    if (lasting !== undefined) {
      this.#timer = setTimeout(() => void this.set({}, "the time that was set"), lasting * 1000);
    }
    const areas = LOG_AREAS.flatMap((area) => levels?.[area] === undefined ? [] : `${area}=${levels[area]}`).join(" ");
    this.#logger.write({
      audit: "log level",
      actor,
      level,
      areas: areas === "" ? undefined : areas,
      for_seconds: lasting,
      outcome: isEmpty ? "as configured" : "done",
    });
    this.#logger.override(this.#override);
    await this.#spread(this.#override);
    return this.inForce;
  }

  /** No order ends any more by its time. */
  close(): void {
    clearTimeout(this.#timer);
  }
}
