import type { Balancer } from "./balancer.ts";
import { createBalancer } from "./balancer_registry.ts";
import type { BreakerOptions } from "./local_breaker.ts";
import type { OutcomeBatch } from "./outcome.ts";
import { Upstream, type UpstreamOptions } from "./upstream.ts";
import { type HealthTable, SLOW_START_DEFAULTS, slowStartFactor, type SlowStartOptions } from "./upstream_health.ts";

/** Options of a pool, from its configuration. */
export interface PoolOptions {
  readonly name: string;
  /** One of `balancerNames`. */
  readonly strategy: string;
  readonly upstreams: readonly UpstreamOptions[];
  /** In a panic, when too few upstreams are in: use the others too, or only those that are in; `serve-all` by default. */
  readonly panic?: "serve-all" | "fail";
  /** Share of upstreams in below which it is a panic; 0.5 by default. */
  readonly panicThreshold?: number;
  readonly slowStart?: SlowStartOptions;
  readonly breaker?: BreakerOptions;
  /** Requests at a time, in this worker, to an upstream that is half-open; 1 by default. */
  readonly halfOpenLimit?: number;
  /** Called when this worker's own breaker takes an upstream out or in: the time to send reports at once. */
  readonly onBreaker?: (upstream: Upstream) => void;
  /** In [0, 1); `Math.random` by default. */
  readonly random?: () => number;
}

/** Share of its weight that an upstream that is out gets in a panic. */
const PANIC_SHARE = 0.1;

/** Steps of a slow start; each rebuilds the balancer. */
const RAMP_STEPS = 100;

/** Interval at which weights are computed while requests wait for answers, which may be late. */
const WAITING_STEP_MS = 50;

/** One pool in one serving worker: picks the upstream for each try. */
export class Pool {
  readonly name: string;
  readonly upstreams: readonly Upstream[];
  readonly #balancer: Balancer;
  /** Picks among backups, which are used only where no other upstream is eligible; `null` where there are none. */
  readonly #backups: Balancer | null;
  readonly #servesAll: boolean;
  readonly #panicThreshold: number;
  readonly #slowStart: SlowStartOptions;
  readonly #halfOpenLimit: number;
  readonly #onBreaker: ((upstream: Upstream) => void) | undefined;
  #panicking = false;
  #version = -1;
  /**
   * When weights are computed next: at once after a change, at the next step of a slow start, or when a breaker's time is over.
   */
  #rebuildAtMs = 0;

  /** @throws {RangeError} there is no such strategy */
  constructor(options: PoolOptions) {
    this.name = options.name;
    const deps = { breaker: options.breaker, random: options.random };
    this.upstreams = options.upstreams.map((upstream) => new Upstream(upstream, deps));
    this.#balancer = createBalancer(options.strategy, { random: options.random });
    const hasBackups = this.upstreams.some(({ isBackup }) => isBackup);
    this.#backups = hasBackups ? createBalancer(options.strategy, { random: options.random }) : null;
    this.#servesAll = options.panic !== "fail";
    this.#panicThreshold = options.panicThreshold ?? 0.5;
    this.#slowStart = options.slowStart ?? SLOW_START_DEFAULTS;
    this.#halfOpenLimit = options.halfOpenLimit ?? 1;
    this.#onBreaker = options.onBreaker;
    this.#watch();
  }

  /** Whether too few upstreams are in, so that the others are used too. */
  get panicking(): boolean {
    return this.#panicking;
  }

  /**
   * Picks the upstream for one try; `null` where none is eligible. One that was tried is picked again only where no other is in; a
   * backup where no other is in, untried and with room.
   *
   * @param hash what the request is about, 32 bits, for `consistent-hash`
   */
  select(tried: ReadonlySet<Upstream> | null, hash: number, nowMs: number): Upstream | null {
    if (nowMs >= this.#rebuildAtMs) this.#rebuild(nowMs);
    const picked = this.#pick(tried, hash, nowMs);
    if (picked !== null || tried === null || tried.size === 0) return picked;
    return this.#pick(null, hash, nowMs);
  }

  #pick(tried: ReadonlySet<Upstream> | null, hash: number, nowMs: number): Upstream | null {
    const picked = this.#balancer.pick(tried, hash, nowMs);
    return picked !== null || this.#backups === null ? picked : this.#backups.pick(tried, hash, nowMs);
  }

  /** The upstream with an id, also with weight 0; `null` where it is out, full or unknown. */
  named(id: string, nowMs: number): Upstream | null {
    const upstream = this.upstreams.find((known) => known.id === id);
    return upstream !== undefined && upstream.available(nowMs) ? upstream : null;
  }

  /** Whether all upstreams that are in are full: a request in flight is worth waiting for. */
  saturated(nowMs: number): boolean {
    let full = false;
    for (const upstream of this.upstreams) {
      if (upstream.weight <= 0 || !upstream.isIn(nowMs)) continue;
      if (upstream.hasRoom(nowMs)) return false;
      full = true;
    }
    return full;
  }

  /** Gives these upstreams no new requests, and all others some again. */
  drain(ids: ReadonlySet<string>): void {
    for (const upstream of this.upstreams) upstream.drain(ids.has(upstream.id));
    this.#rebuildAtMs = 0;
  }

  /** Whether all of its upstreams that have a weight are drained. */
  get isDrained(): boolean {
    return this.upstreams.some(({ isDrained }) => isDrained) &&
      this.upstreams.every(({ isDrained, weight }) => isDrained || weight <= 0);
  }

  /** The part of the picks that each upstream may expect, 0 to 1, in the order of the list: by the weights that the strategy picks by. */
  shares(nowMs: number): number[] {
    if (nowMs >= this.#rebuildAtMs) this.#rebuild(nowMs);
    const weights = this.upstreams.map((upstream) => this.#balancer.weightOf(upstream, nowMs));
    const isUsual = this.upstreams.some(({ isBackup }, place) => !isBackup && weights[place]! > 0);
    const counted = weights.map((weight, place) => this.upstreams[place]!.isBackup === isUsual ? 0 : weight);
    const total = counted.reduce((sum, weight) => sum + weight, 0);
    return counted.map((weight) => total > 0 ? weight / total : 0);
  }

  /** Applies a health table; one that is older than the last is ignored. */
  apply(table: HealthTable): void {
    if (table.version <= this.#version) return;
    this.#version = table.version;
    for (const upstream of this.upstreams) {
      const health = Object.hasOwn(table.upstreams, upstream.id) ? table.upstreams[upstream.id] : undefined;
      if (health !== undefined) upstream.setHealth(health);
    }
    this.#rebuildAtMs = 0;
  }

  /**
   * Continues from the pool before a reload: upstreams with the same id keep their state, new ones begin a slow start. Called when
   * this pool takes over, not before.
   */
  carryOver(before: Pool, nowMs: number): void {
    const known = new Map(before.upstreams.map((upstream) => [upstream.id, upstream]));
    for (const upstream of this.upstreams) {
      const same = known.get(upstream.id);
      if (same === undefined) upstream.beginSlowStart(nowMs);
      else upstream.shareStateOf(same);
    }
    this.#version = before.#version;
    this.#watch();
  }

  /** Takes the outcomes since the last call, one batch for each upstream that had any. */
  drainReports(): OutcomeBatch[] {
    const batches: OutcomeBatch[] = [];
    for (const upstream of this.upstreams) {
      const batch = upstream.takeOutcomes();
      if (batch !== null) batches.push(batch);
    }
    return batches;
  }

  #watch(): void {
    for (const upstream of this.upstreams) {
      upstream.watch({
        onTransition: () => {
          this.#rebuildAtMs = 0;
          this.#onBreaker?.(upstream);
        },
        onWait: (nowMs) => this.#rebuildBy(nowMs + WAITING_STEP_MS),
      });
    }
    this.#rebuildAtMs = 0;
  }

  #rebuild(nowMs: number): void {
    this.#rebuildAtMs = Infinity;
    const weighted = this.upstreams.filter(({ weight, isDrained }) => weight > 0 && !isDrained);
    const usual = weighted.filter(({ isBackup }) => !isBackup);
    const inside = usual.filter((upstream) => upstream.circuit(nowMs) === "closed");
    // While a backup is in, there is no need to try those that are out.
    const isBackedUp = weighted.some((upstream) => upstream.isBackup && upstream.circuit(nowMs) === "closed");
    this.#panicking = inside.length < usual.length * this.#panicThreshold && !isBackedUp;
    const meanFactor = this.#meanFactor();
    for (const upstream of this.upstreams) this.#weigh(upstream, nowMs, meanFactor);
    if (this.#backups === null) return this.#balancer.rebuild(this.upstreams);
    this.#balancer.rebuild(this.upstreams.filter(({ isBackup }) => !isBackup));
    this.#backups.rebuild(this.upstreams.filter(({ isBackup }) => isBackup));
  }

  #weigh(upstream: Upstream, nowMs: number, meanFactor: number): void {
    const circuit = upstream.circuit(nowMs);
    const out = circuit === "open";
    const part = upstream.isDrained
      ? 0
      : out
      ? (this.#panicking && this.#servesAll ? PANIC_SHARE : 0)
      : this.#ramped(upstream, nowMs);
    upstream.promptness = upstream.waiting === 0 ? 1 : upstream.measurePromptness(nowMs);
    upstream.nominalWeight = upstream.weight * part;
    upstream.effectiveWeight = upstream.weight * (upstream.health?.weightFactor ?? meanFactor) * part *
      upstream.promptness;
    if (upstream.waiting > 0) this.#rebuildBy(nowMs + WAITING_STEP_MS);
    // In a panic there may be no other upstream to send a request to.
    const probing = circuit === "half_open" && !(this.#panicking && this.#servesAll);
    upstream.inFlightLimit = probing ? this.#halfOpenLimit : Infinity;
    if (upstream.breakerOpenUntilMs > nowMs) this.#rebuildBy(upstream.breakerOpenUntilMs);
  }

  /** Factor of slow start; schedules its next step. */
  #ramped(upstream: Upstream, nowMs: number): number {
    if (upstream.circuit(nowMs) === "half_open") return this.#slowStart.floor;
    const factor = slowStartFactor(nowMs, upstream.rampFromMs, this.#slowStart);
    if (factor < 1) this.#rebuildBy(nowMs + this.#slowStart.windowMs / RAMP_STEPS);
    return factor;
  }

  #rebuildBy(atMs: number): void {
    this.#rebuildAtMs = Math.min(this.#rebuildAtMs, atMs);
  }

  /** Mean factor of the health table, for upstreams that it does not have yet. */
  #meanFactor(): number {
    let sum = 0;
    let known = 0;
    for (const { health } of this.upstreams) {
      if (health === null) continue;
      sum += health.weightFactor;
      known++;
    }
    return sum > 0 ? sum / known : 1;
  }
}
