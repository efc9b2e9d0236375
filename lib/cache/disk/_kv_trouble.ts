import type { Clock } from "../../clock.ts";
import { messageOf } from "../../errors.ts";
import { saysDamaged } from "./kv_open.ts";
import type { StoreLog } from "../store.ts";

/** The shortest time between two warnings of one kind. */
const WARN_EVERY_MS = 60_000;
/** Failures in a row after which nothing more is tried for a while. */
const FAILURES_TO_SUSPEND = 3;
const MIN_SUSPEND_MS = 1000;
const MAX_SUSPEND_MS = 60_000;

/** Options of a trouble counter. */
export interface KvTroubleOptions {
  readonly clock: Clock;
  readonly log: StoreLog;
  /** Called when KV says that the file is damaged. */
  readonly onDamage: () => void;
}

/** Counts failures of the KV tier, logs them at a bounded rate, and suspends the use of KV after several in a row. */
export class KvTrouble {
  readonly #clock: Clock;
  readonly #log: StoreLog;
  readonly #onDamage: () => void;
  readonly #warnedAtMs = new Map<string, number>();
  #failures = 0;
  #inARow = 0;
  #suspendedUntilMs = 0;
  #problem: string | null = null;

  constructor(options: KvTroubleOptions) {
    this.#clock = options.clock;
    this.#log = options.log;
    this.#onDamage = options.onDamage;
  }

  /** The last failure; `null` where something has succeeded since. */
  get problem(): string | null {
    return this.#problem;
  }

  /** Whether KV is left alone for now. */
  get isSuspended(): boolean {
    return this.#suspendedUntilMs !== 0 && this.#clock.now() < this.#suspendedUntilMs;
  }

  /** Runs an operation on KV; a failure is counted and logged, and the result is `undefined`. */
  async guard<Result>(action: string, work: () => Promise<Result>): Promise<Result | undefined> {
    try {
      const result = await work();
      this.#inARow = 0;
      this.#problem = null;
      return result;
    } catch (error) {
      this.#failed(action, error);
      return undefined;
    }
  }

  #failed(action: string, error: unknown): void {
    if (saysDamaged(error)) this.#onDamage();
    this.#failures++;
    this.#inARow++;
    this.#problem = `Cannot ${action} on disk: ${messageOf(error)}`;
    if (this.#inARow >= FAILURES_TO_SUSPEND) {
      const doublings = Math.min(10, this.#inARow - FAILURES_TO_SUSPEND);
      this.#suspendedUntilMs = this.#clock.now() + Math.min(MAX_SUSPEND_MS, MIN_SUSPEND_MS * 2 ** doublings);
    }
    this.warn("failure", this.#problem, { failures: this.#failures });
  }

  /** Logs a warning, one of a kind a minute at most. */
  warn(kind: string, message: string, fields: Readonly<Record<string, unknown>> = {}): void {
    const nowMs = this.#clock.now();
    if (nowMs - (this.#warnedAtMs.get(kind) ?? -Infinity) < WARN_EVERY_MS) return;
    this.#warnedAtMs.set(kind, nowMs);
    this.#log.warn(message, fields);
  }
}
