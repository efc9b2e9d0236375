import { type BreakerOptions, type BreakerState, LocalBreaker } from "./local_breaker.ts";
import { type OutcomeBatch, OutcomeRecorder, type Report } from "./outcome.ts";
import { PeakEwma } from "./response_times.ts";
import { type Waiting, WaitingRequests } from "./response_times.ts";
import { admits, type HealthState, type UpstreamHealth } from "./upstream_health.ts";

/** A limit of requests to an upstream, shared by its holders (all workers, for instance). */
export interface UpstreamGate {
  /** Whether one more request may be given now. */
  hasRoom(nowMs: number): boolean;
  /** A request begins. */
  enter(nowMs: number): void;
  /** It ended. */
  leave(): void;
}

/** One upstream of a pool. */
export interface UpstreamOptions {
  /** The same in all workers and after reloads, as long as it means the same endpoint. */
  readonly id: string;
  readonly url: string;
  /** Its configured share relative to the others; with 0 it gets only requests that name it. */
  readonly weight: number;
  /** Used only where no other upstream is eligible; off by default. */
  readonly backup?: boolean;
  /** Limits of requests in flight and per second; none by default. */
  readonly gate?: UpstreamGate;
}

/** The state that outlives a reload. */
class UpstreamState {
  inFlight = 0;
  isDrained = false;
  health: UpstreamHealth | null = null;
  /** Milliseconds since the Unix epoch at which a slow start began that is not in the health table; 0 for none. */
  rampFromMs = 0;
  readonly latency = new PeakEwma();
  readonly waiting = new WaitingRequests();
  readonly breaker: LocalBreaker;
  readonly recorder: OutcomeRecorder;
  /** Called when `inFlight` has changed: the balancer of the newest pool. */
  onLoad: (() => void) | null = null;
  /** Called when the breaker has changed: the newest pool. */
  onTransition: (() => void) | null = null;
  /** Called when a request begins to wait: the newest pool. */
  onWait: ((nowMs: number) => void) | null = null;

  constructor(breaker: BreakerOptions | undefined, random: (() => number) | undefined) {
    this.breaker = new LocalBreaker(breaker);
    this.recorder = new OutcomeRecorder(random);
  }
}

/** What an {@linkcode Upstream} shares with the others of its pool. */
export interface UpstreamDeps {
  readonly breaker?: BreakerOptions;
  readonly random?: () => number;
}

/** One endpoint's runtime state in one serving worker. */
export class Upstream {
  readonly id: string;
  readonly url: string;
  readonly weight: number;
  /** Used only where no other upstream is eligible. */
  readonly isBackup: boolean;
  readonly gate: UpstreamGate | null;
  /**
   * Weight by configuration and slow start, for strategies that measure load themselves; set by the pool. With 0 it is never
   * picked.
   */
  nominalWeight: number;
  /** Weight by configuration, measured response time and slow start; set by the pool. With 0 it is never picked. */
  effectiveWeight: number;
  /** Last {@linkcode measurePromptness}, set by the pool; part of `effectiveWeight` already. */
  promptness = 1;
  /** Requests in flight at most, set by the pool: few while half-open. */
  inFlightLimit = Infinity;
  #state: UpstreamState;

  constructor(options: UpstreamOptions, deps: UpstreamDeps = {}) {
    this.id = options.id;
    this.url = options.url;
    this.weight = options.weight;
    this.isBackup = options.backup ?? false;
    this.gate = options.gate ?? null;
    this.nominalWeight = options.weight;
    this.effectiveWeight = options.weight;
    this.#state = new UpstreamState(deps.breaker, deps.random);
  }

  /** Requests of this worker that are in flight. */
  get inFlight(): number {
    return this.#state.inFlight;
  }

  /** Its row of the last health table; `null` before the first. */
  get health(): UpstreamHealth | null {
    return this.#state.health;
  }

  /** Milliseconds since the Unix epoch at which its slow start began; 0 where it has none. */
  get rampFromMs(): number {
    return this.#state.health?.rampFromMs ?? this.#state.rampFromMs;
  }

  /** Milliseconds since the Unix epoch until which this worker's breaker is open; 0 where it is closed. */
  get breakerOpenUntilMs(): number {
    return this.#state.breaker.openUntilMs;
  }

  /** This worker's own breaker. */
  breakerState(nowMs: number): BreakerState {
    return this.#state.breaker.state(nowMs);
  }

  /** State by the health table and this worker's own breaker together. */
  circuit(nowMs: number): BreakerState {
    const told: HealthState = this.#state.health?.state ?? "unknown";
    if (!admits(told)) return "open";
    const own = this.#state.breaker.state(nowMs);
    return own === "closed" && told === "half_open" ? "half_open" : own;
  }

  /** Whether an operator has taken it out: those in flight end, none begins. */
  get isDrained(): boolean {
    return this.#state.isDrained;
  }

  /** Drains it, or gives it requests again; also for requests that still go by the pool before a reload. */
  drain(isDrained: boolean): void {
    this.#state.isDrained = isDrained;
  }

  /** Whether it may be given requests at all: its circuit is not open, and it is not drained. */
  isIn(nowMs: number): boolean {
    return !this.#state.isDrained && this.circuit(nowMs) !== "open";
  }

  /** Whether it may be given one more request, by its limits; a drained one may not. */
  hasRoom(nowMs: number): boolean {
    const { inFlight, isDrained } = this.#state;
    return !isDrained && inFlight < this.inFlightLimit && (this.gate === null || this.gate.hasRoom(nowMs));
  }

  /** Whether it is in and has room. */
  available(nowMs: number): boolean {
    return this.isIn(nowMs) && this.hasRoom(nowMs);
  }

  /** This worker's estimate of its response time; failures count as slow. */
  costMs(nowMs: number): number {
    return this.#state.latency.costMs(nowMs, this.#state.health?.fastMs ?? 0);
  }

  /** Begins a request. Each call is paired with one of {@linkcode end}. */
  begin(nowMs: number): void {
    this.#state.inFlight++;
    this.gate?.enter(nowMs);
    this.#state.onLoad?.();
  }

  /** Ends a request. */
  end(report: Report, nowMs: number): void {
    const state = this.#state;
    if (state.inFlight > 0) state.inFlight--;
    this.gate?.leave();
    state.latency.record(report, nowMs);
    state.recorder.record(report);
    state.onLoad?.();
    if (state.breaker.record(report.outcome, nowMs)) state.onTransition?.();
  }

  /**
   * A request begins to wait for its answer. `settle` ends that when the response's field section has come or the try has failed.
   * It shows a stall while it lasts, which {@linkcode end} can show only afterwards.
   */
  expectAnswer(nowMs: number): Waiting {
    this.#state.onWait?.(nowMs);
    return this.#state.waiting.add(nowMs);
  }

  /** Requests that wait for their answer. */
  get waiting(): number {
    return this.#state.waiting.size;
  }

  /** Share of its weight while requests are late, above 0 to 1. */
  measurePromptness(nowMs: number): number {
    const expectedMs = this.#state.health?.fastMs ?? 0;
    return (expectedMs + 1) / (this.#state.waiting.expectedMs(nowMs, expectedMs) + 1);
  }

  /** Sets its row of the health table. A recovery seen by the health worker closes this worker's own breaker. */
  setHealth(health: UpstreamHealth): void {
    const before = this.#state.health;
    this.#state.health = health;
    if (before === null || admits(before.state) || !admits(health.state)) return;
    if (this.#state.breaker.reset()) this.#state.onTransition?.();
  }

  /** Begins a slow start that is not in the health table. */
  beginSlowStart(nowMs: number): void {
    this.#state.rampFromMs = nowMs;
  }

  /** Shares the state of the same upstream in the pool before a reload, under its own options. */
  shareStateOf(before: Upstream): void {
    before.#state.breaker.useOptionsOf(this.#state.breaker);
    this.#state = before.#state;
  }

  /** Sets the listener of changes of the number in flight. */
  watchLoad(listener: (() => void) | null): void {
    this.#state.onLoad = listener;
  }

  /** Sets the listeners of changes of this worker's breaker, and of requests that begin to wait. */
  watch(listener: { readonly onTransition: () => void; readonly onWait: (nowMs: number) => void }): void {
    this.#state.onTransition = listener.onTransition;
    this.#state.onWait = listener.onWait;
  }

  /** Takes the outcomes since the last call; `null` where there were none. */
  takeOutcomes(): OutcomeBatch | null {
    return this.#state.recorder.drain(this.id);
  }
}
