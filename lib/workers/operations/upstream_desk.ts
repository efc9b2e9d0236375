import type { Config } from "../../config/config.ts";
import { messageOf } from "../../errors.ts";
import type { DrainedUpstream } from "../../gateway/gateway.ts";
import type { CheckResult } from "../../health/check.ts";
import type { Logger } from "../../logging/logger.ts";
import { redact } from "../../logging/redact.ts";
import type { StateKey, StateStore } from "../../state/state_store.ts";

/** An upstream that gets no new requests until an operator says so. */
export interface Drain extends DrainedUpstream {
  /** Milliseconds since the Unix epoch. */
  readonly sinceMs: number;
  /** Who asked for it: an address, and whether with a token. */
  readonly by: string;
}

/** The outcome of draining or undraining. */
export type DrainOutcome =
  | {
    readonly ok: true;
    readonly pool: string;
    readonly upstream: string;
    /** `null` where it gets requests. */
    readonly drain: Drain | null;
    /** Serving workers that go by it from now on. */
    readonly workers: number;
    /** Upstreams of the pool with a weight that are not drained. */
    readonly left: number;
    /** Whether it outlives this process. */
    readonly isPersisted: boolean;
  }
  | { readonly ok: false; readonly problem: string };

/** The outcome of a check. */
export type CheckOutcome =
  | {
    readonly ok: true;
    readonly pool: string;
    readonly upstream: string;
    /** Whether the host is well; one that refuses the credential is. */
    readonly isWell: boolean;
    /** Until the response's field section; the whole time where there was none. */
    readonly ms: number;
    /** Why the check did not pass; empty where it did. */
    readonly detail: string;
  }
  | {
    readonly ok: false;
    /** There is no such upstream, it has no active check, or no worker can check it now. */
    readonly reason: "unknown" | "unchecked" | "busy";
    readonly problem: string;
  };

/** Options of {@linkcode UpstreamDesk}. */
export interface UpstreamDeskOptions {
  /** `null` where nothing outlives the process, or another process still has the file; see {@linkcode UpstreamDesk.attach}. */
  readonly state: StateStore | null;
  /** Of that other process, whose drains hold here from the start; it is not written to. */
  readonly before?: StateStore | null;
  readonly logger: Logger;
  readonly config: () => Config;
  /** Brings the list into every serving worker; returns how many go by it. */
  readonly spread: (drained: readonly DrainedUpstream[]) => Promise<number>;
  /** Has the health worker check an upstream; `null` where that has no active check. */
  readonly check: (pool: string, upstream: string) => Promise<CheckResult | null>;
}

/** The whole list is one value: it is short, and changes as one. */
const KEY: StateKey = ["drains", "all"];

const NO_CHECK =
  "It has no active check: health.path of the pool says what to ask for; `usher doctor` tries it without one";

/** Names that are listed at most where one is not known. */
const MAX_NAMES = 10;

/**
 * What operators do with single upstreams. What they drain is drained in all workers at once, over reloads and restarts, until they undrain
 * it or it leaves the configuration.
 */
export class UpstreamDesk {
  readonly #options: UpstreamDeskOptions;
  #state: StateStore | null;
  #drains: readonly Drain[];
  /** What was drained or undrained while another process had the file. */
  readonly #ahead: DrainedUpstream[] = [];
  #isPersisted: boolean;
  /** Changes are made one after the other, so that the last one is what is written down. */
  #last: Promise<unknown> = Promise.resolve();

  private constructor(options: UpstreamDeskOptions, drains: readonly Drain[]) {
    this.#options = options;
    this.#state = options.state;
    this.#drains = drains;
    this.#isPersisted = options.state !== null;
  }

  /** Goes on with what was drained before, before the first worker starts. */
  static async open(options: UpstreamDeskOptions): Promise<UpstreamDesk> {
    const desk = new UpstreamDesk(options, await keptIn(options.state ?? options.before ?? null, options.logger));
    await desk.reconfigure();
    for (const { pool, upstream, sinceMs, by } of desk.#drains) {
      const since = new Date(sinceMs).toISOString();
      options.logger.warn("An upstream is still drained: it gets no requests", { pool, upstream, since, by });
    }
    await options.spread(desk.#drains);
    return desk;
  }

  /** Goes on with the file that another process had until now: what it drained meanwhile, and what was drained or undrained here. */
  attach(state: StateStore): Promise<void> {
    return this.#queued(async () => {
      const kept = await keptIn(state, this.#options.logger);
      const isOurs = (drain: Drain) => this.#ahead.some((named) => isSame(named, drain));
      this.#state = state;
      await this.#change([...kept.filter((drain) => !isOurs(drain)), ...this.#drains.filter(isOurs)]);
      this.#ahead.length = 0;
    });
  }

  /** The drained upstreams. */
  get drains(): readonly Drain[] {
    return this.#drains;
  }

  /** Gives an upstream no new requests from its return on, for `actor`. */
  drain(pool: string, upstream: string, actor: string): Promise<DrainOutcome> {
    return this.#inTurn("drain", { pool, upstream, actor }, (named) => {
      const known = this.#drains.find((drain) => isSame(drain, named));
      return known === undefined ? [...this.#drains, { ...named, sinceMs: Date.now(), by: actor }] : this.#drains;
    });
  }

  /** Gives an upstream requests again, for `actor`. */
  undrain(pool: string, upstream: string, actor: string): Promise<DrainOutcome> {
    return this.#inTurn("undrain", { pool, upstream, actor }, (named) => {
      return this.#drains.filter((drain) => !isSame(drain, named));
    });
  }

  /** Runs an upstream's active check at once, for `actor`; it counts as any other check. */
  async check(pool: string, upstream: string, actor: string): Promise<CheckOutcome> {
    const { logger, config, check } = this.#options;
    const named = namedIn(config(), pool, upstream);
    if (named === null) return { ok: false, reason: "unknown", problem: notNamed(config(), pool, upstream) };
    const result = await check(named.pool, named.upstream).catch(messageOf);
    if (typeof result === "string") return { ok: false, reason: "busy", problem: result };
    if (result === null) return { ok: false, reason: "unchecked", problem: NO_CHECK };
    const isWell = result.verdict !== "fail";
    const ms = Math.round(result.latencyMs * 10) / 10;
    const detail = result.verdict === "credential" ? `it refuses the key: ${result.reason}` : result.reason;
    logger.write({
      audit: "check",
      actor,
      ...named,
      outcome: isWell ? "well" : "failed",
      ms,
      detail: detail || undefined,
    });
    return { ok: true, ...named, isWell, ms, detail };
  }

  /** Forgets those that a new configuration does not name. */
  reconfigure(): Promise<void> {
    return this.#queued(async () => {
      const gone = this.#drains.filter(({ pool, upstream }) =>
        namedIn(this.#options.config(), pool, upstream) === null
      );
      if (gone.length === 0) return;
      for (const { pool, upstream } of gone) {
        this.#options.logger.warn("A drained upstream has left the configuration: its drain is forgotten", {
          pool,
          upstream,
        });
      }
      await this.#change(this.#drains.filter((drain) => !gone.includes(drain)));
    });
  }

  #inTurn(
    audit: "drain" | "undrain",
    { pool, upstream, actor }: { readonly pool: string; readonly upstream: string; readonly actor: string },
    next: (named: DrainedUpstream) => readonly Drain[],
  ): Promise<DrainOutcome> {
    const { logger, config } = this.#options;
    return this.#queued(async () => {
      const named = namedIn(config(), pool, upstream);
      if (named === null) return { ok: false, problem: notNamed(config(), pool, upstream) };
      const before = this.#drains;
      if (this.#state === null) this.#ahead.push(named);
      const workers = await this.#change(next(named));
      const drain = this.#drains.find((one) => isSame(one, named)) ?? null;
      const left = leftIn(config(), named.pool, this.#drains);
      const isNew = this.#drains.length !== before.length;
      logger.write({ audit, actor, ...named, outcome: isNew ? "done" : "it was so already", workers, left });
      if (audit === "drain" && left === 0) {
        logger.warn("Every upstream of a pool is drained: what is not stored is answered with 503", { pool });
      }
      return { ok: true, ...named, drain, workers, left, isPersisted: this.#isPersisted };
    });
  }

  /** Written down first: a worker, or a process, that starts meanwhile goes by it. */
  async #change(drains: readonly Drain[]): Promise<number> {
    const { logger, spread } = this.#options;
    this.#drains = drains;
    try {
      await this.#state?.set([{ key: KEY, value: drains }]);
      this.#isPersisted = this.#state !== null;
    } catch (error) {
      this.#isPersisted = false;
      logger.error("Which upstreams are drained cannot be written down: it ends with this process", {
        problem: String(error),
      });
    }
    return await spread(drains);
  }

  #queued<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(work);
    this.#last = turn.catch(() => {});
    return turn;
  }
}

async function keptIn(state: StateStore | null, logger: Logger): Promise<readonly Drain[]> {
  const kept = await state?.get(KEY).catch((error) => {
    logger.error("Which upstreams were drained cannot be read: all get requests", { problem: String(error) });
  });
  return Array.isArray(kept) ? kept : [];
}

function isSame(one: DrainedUpstream, other: DrainedUpstream): boolean {
  return one.pool === other.pool && one.upstream === other.upstream;
}

/** The upstream that is meant: by its name in the status, or by a URL that differs from that by a slash at the end. */
function namedIn({ pools }: Config, pool: string, upstream: string): DrainedUpstream | null {
  const ids = pools.find(({ name }) => name === pool)?.upstreams.map(({ id }) => id) ?? [];
  const id = ids.find((known) => known === upstream) ?? ids.find((known) => bare(known) === bare(upstream));
  return id === undefined ? null : { pool, upstream: id };
}

function bare(url: string): string {
  return url.replace(/\/$/, "");
}

/** Why {@linkcode namedIn} finds nothing, with what there is. */
function notNamed({ pools }: Config, pool: string, upstream: string): string {
  const known = pools.find(({ name }) => name === pool);
  if (known === undefined) {
    return `There is no pool "${shortly(pool)}": there ${listed(pools.map(({ name }) => name))}`;
  }
  return `Pool "${pool}" has no upstream "${shortly(upstream)}": it has ${
    known.upstreams.map(({ id }) => id)
      .slice(0, MAX_NAMES).join(", ")
  }`;
}

function listed(names: readonly string[]): string {
  return `${names.length === 1 ? "is" : "are"} ${names.slice(0, MAX_NAMES).join(", ")}`;
}

function shortly(text: string): string {
  return redact(text.slice(0, 200));
}

function leftIn({ pools }: Config, pool: string, drains: readonly Drain[]): number {
  const upstreams = pools.find(({ name }) => name === pool)?.upstreams ?? [];
  const drained = new Set(drains.filter((drain) => drain.pool === pool).map(({ upstream }) => upstream));
  return upstreams.filter(({ id, weight }) => weight > 0 && !drained.has(id)).length;
}
