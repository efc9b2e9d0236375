import { type Engine, EngineError, type EngineScript } from "./engine.ts";

const LEASE_MS = 30_000;
const RENEW_MS = 10_000;
/** Without the engine for so long the one leads whose name comes first of those that were last seen. */
const ORPHANED_MS = 300_000;

/** Options of {@linkcode Leader}. */
export interface LeaderOptions {
  readonly engine: Engine;
  /** Of the cluster. */
  readonly name: string;
  /** Of this gateway. */
  readonly member: string;
  /** What is led, such as `prewarm:films`. */
  readonly job: string;
  /** Names of the living members, as last seen; empty where that is not known. */
  readonly members?: () => readonly string[];
  /**
   * Milliseconds that never jump.
   * @default the machine's clock
   */
  readonly now?: () => number;
}

/** Takes the lease where it is free, and renews one's own; answers 1 where one has it. */
const LEAD: EngineScript = {
  name: "lead",
  text: `
local owner = redis.call('GET', KEYS[1])
if owner and owner ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1`,
};

/** Gives one's own lease up. */
const YIELD: EngineScript = {
  name: "yield",
  text: "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0",
};

/**
 * Which of the gateways does a job that one is enough for. It is for thrift alone: two that do it for a while do no harm. While the engine
 * is gone the last leader goes on.
 */
export class Leader {
  readonly #options: LeaderOptions;
  readonly #now: () => number;
  readonly #timer: ReturnType<typeof setInterval>;
  #isLeading = false;
  #heardAtMs: number;

  constructor(options: LeaderOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
    this.#heardAtMs = this.#now();
    this.#timer = setInterval(() => void this.renew(), RENEW_MS);
  }

  /** Whether this gateway does the job. */
  get isLeading(): boolean {
    if (this.#isLeading || this.#now() - this.#heardAtMs < ORPHANED_MS) return this.#isLeading;
    const { member, members } = this.#options;
    return [...members?.() ?? [], member].sort()[0] === member;
  }

  /** Takes or renews the lease now; answers whether this gateway leads. Never rejects. */
  async renew(): Promise<boolean> {
    const { engine, member } = this.#options;
    try {
      this.#isLeading = await engine.script(LEAD, [this.#key], [member, LEASE_MS], { isUrgent: true }) === 1;
      this.#heardAtMs = this.#now();
    } catch (error) {
      if (!(error instanceof EngineError)) throw error;
    }
    return this.isLeading;
  }

  /** Ends it, so that another may lead at once. Never rejects. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    const { engine, member } = this.#options;
    if (this.#isLeading) await engine.script(YIELD, [this.#key], [member], { isUrgent: true }).catch(() => {});
    this.#isLeading = false;
  }

  get #key(): string {
    return `u:${this.#options.name}:{lead}:${this.#options.job}`;
  }
}
