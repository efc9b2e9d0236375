import { type BreakerOptions, type BreakerState, LocalBreaker } from "./local_breaker.ts";
import { type OutcomeBatch, OutcomeRecorder, type Report } from "./outcome.ts";
import { PeakEwma } from "./response_times.ts";
import { type Waiting, WaitingRequests } from "./response_times.ts";
import { admits, type HealthState, type UpstreamHealth } from "./upstream_health.ts";

/** A limit on what an upstream is given, shared by whoever holds it (for instance across workers). */
export interface UpstreamGate {
  /** Whether one more request may be given now. */
  hasRoom(nowMs: number): boolean;
  /** A request was given. */
  enter(nowMs: number): void;
  /** It ended. */
  leave(): void;
}

/** One upstream of a pool. */
export interface UpstreamOptions {
  /** The same across workers and reloads for as long as it means the same endpoint. */
  readonly id: string;
  readonly url: string;
  /** Its configured share, in proportion to the others; 0 gives it nothing but what asks for it by its id. */
  readonly weight: number;
  /** It is asked only when no other is fit; not by default. */
  readonly backup?: boolean;
  /** Limits of requests in flight and per second; none by default. */
  readonly gate?: UpstreamGate;
}

/** What outlives a reload. */
class UpstreamState {
  inFlight = 0;
  health: UpstreamHealth | null = null;
  /** Milliseconds since the Unix epoch at which a ramp began that the health table does not know of; 0 for none. */
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
  /** It is asked only when no other is fit. */
  readonly isBackup: boolean;
  readonly gate: UpstreamGate | null;
  /**
   * Weight by configuration and slow start, set by the pool: what strategies use that measure load themselves.
   * 0 takes it out of the choice.
   */
  nominalWeight: number;
  /** Weight by configuration, measured response time and slow start, set by the pool; 0 takes it out of the choice. */
  effectiveWeight: number;
  /** What {@linkcode measurePromptness} last said, set by the pool; part of `effectiveWeight` already. */
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

  /** Requests given to it by this worker that have not ended. */
  get inFlight(): number {
    return this.#state.inFlight;
  }

  /** As last told by the health table; `null` before it was told of. */
  get health(): UpstreamHealth | null {
    return this.#state.health;
  }

  /** Milliseconds since the Unix epoch at which its slow start began; 0 where it has none. */
  get rampFromMs(): number {
    return this.#state.health?.rampFromMs ?? this.#state.rampFromMs;
  }

  /** Milliseconds since the Unix epoch until which this worker keeps it out by itself; 0 where it does not. */
  get breakerOpenUntilMs(): number {
    return this.#state.breaker.openUntilMs;
  }

  /** This worker's own breaker. */
  breakerState(nowMs: number): BreakerState {
    return this.#state.breaker.state(nowMs);
  }

  /** The health table's word and this worker's own breaker together. */
  circuit(nowMs: number): BreakerState {
    const told: HealthState = this.#state.health?.state ?? "unknown";
    if (!admits(told)) return "open";
    const own = this.#state.breaker.state(nowMs);
    return own === "closed" && told === "half_open" ? "half_open" : own;
  }

  /** Whether one more request fits its limits. */
  hasRoom(nowMs: number): boolean {
    return this.#state.inFlight < this.inFlightLimit && (this.gate === null || this.gate.hasRoom(nowMs));
  }

  /** Whether it is neither out nor full. */
  available(nowMs: number): boolean {
    return this.circuit(nowMs) !== "open" && this.hasRoom(nowMs);
  }

  /** Expected response time as this worker sees it, failures counted as slow. */
  costMs(nowMs: number): number {
    return this.#state.latency.costMs(nowMs, this.#state.health?.fastMs ?? 0);
  }

  /** A request is given to it. Each call is paired with one of {@linkcode end}. */
  begin(nowMs: number): void {
    this.#state.inFlight++;
    this.gate?.enter(nowMs);
    this.#state.onLoad?.();
  }

  /** That request has ended. */
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
   * A request waits for its answer from now on; `settle` ends that, when the response's field section has come or the try
   * has failed. Says, while it lasts, that an upstream stalls, which {@linkcode end} can say only afterwards.
   */
  expectAnswer(nowMs: number): Waiting {
    this.#state.onWait?.(nowMs);
    return this.#state.waiting.add(nowMs);
  }

  /** Requests that wait for their answer. */
  get waiting(): number {
    return this.#state.waiting.size;
  }

  /** How much of its weight is left while requests are late, above 0 to 1. */
  measurePromptness(nowMs: number): number {
    const expectedMs = this.#state.health?.fastMs ?? 0;
    return (expectedMs + 1) / (this.#state.waiting.expectedMs(nowMs, expectedMs) + 1);
  }

  /** What the health worker says of it now. A recovery that it has seen closes this worker's own breaker. */
  tell(health: UpstreamHealth): void {
    const before = this.#state.health;
    this.#state.health = health;
    if (before === null || admits(before.state) || !admits(health.state)) return;
    if (this.#state.breaker.reset()) this.#state.onTransition?.();
  }

  /** Begins a slow start of which the health table does not know yet. */
  ramp(nowMs: number): void {
    this.#state.rampFromMs = nowMs;
  }

  /** Goes on with the state of the same upstream in the pool before a reload, under its own options. Both share it from now on. */
  adopt(before: Upstream): void {
    before.#state.breaker.goBy(this.#state.breaker);
    this.#state = before.#state;
  }

  /** Who is to be called when the number in flight changes; one at a time. */
  watchLoad(listener: (() => void) | null): void {
    this.#state.onLoad = listener;
  }

  /** Who is to be called when this worker's own breaker changes, and when a request begins to wait; one at a time. */
  watch(listener: { readonly onTransition: () => void; readonly onWait: (nowMs: number) => void }): void {
    this.#state.onTransition = listener.onTransition;
    this.#state.onWait = listener.onWait;
  }

  /** What became of its tries since the last call; `null` where none ended. */
  drain(): OutcomeBatch | null {
    return this.#state.recorder.drain(this.id);
  }
}
