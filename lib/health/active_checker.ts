import {
  assertSafeCheck,
  type CheckResult,
  type CheckSpec,
  type CheckTransport,
  runCheck,
  type Schedule,
} from "./check.ts";

/** State of an upstream by active checks. */
export type CheckedState = "unknown" | "up" | "down";

/** Dependencies of a checker. */
export interface CheckerDeps {
  readonly now: () => number;
  readonly schedule: Schedule;
  /** In [0, 1). */
  readonly random: () => number;
  /** Called after each check, with the state that it led to. */
  readonly onResult: (result: CheckResult, state: CheckedState, before: CheckedState) => void;
}

/** The first checks of all upstreams are spread over this time. */
const FIRST_SPREAD_MS = 250;

/** Random share by which an interval is longer or shorter. */
const JITTER = 0.1;

/**
 * Checks one upstream periodically, one check at a time. The first check sets the state; later changes follow `rise` and `fall`.
 */
export class ActiveChecker {
  #spec: CheckSpec;
  #transport: CheckTransport;
  readonly #deps: CheckerDeps;
  #state: CheckedState = "unknown";
  /** Checks in a row against the present state. */
  #against = 0;
  #checks = 0;
  #failedChecks = 0;
  /** The check that is under way; `null` between two. */
  #running: Promise<CheckResult> | null = null;
  #closed = false;
  #hurried = false;
  #cancel: () => void;

  /** @throws {RangeError} the check's method is not a safe one */
  constructor(spec: CheckSpec, transport: CheckTransport, deps: CheckerDeps) {
    assertSafeCheck(spec);
    this.#spec = spec;
    this.#transport = transport;
    this.#deps = deps;
    this.#cancel = this.#scheduleIn(deps.random() * Math.min(FIRST_SPREAD_MS, spec.intervalMs));
  }

  get state(): CheckedState {
    return this.#state;
  }

  /** Checks run so far. */
  get checks(): number {
    return this.#checks;
  }

  /** Checks failed so far. */
  get failedChecks(): number {
    return this.#failedChecks;
  }

  /**
   * Uses another check or transport from the next check on; the state stays.
   *
   * @throws {RangeError} the check's method is not a safe one
   */
  configure(spec: CheckSpec, transport: CheckTransport): void {
    assertSafeCheck(spec);
    const sooner = spec.intervalMs < this.#spec.intervalMs;
    this.#spec = spec;
    this.#transport = transport;
    if (sooner) this.#reschedule();
  }

  /** Whether to use the shorter interval although checks pass: requests fail. */
  hurry(hurried: boolean): void {
    if (hurried === this.#hurried) return;
    this.#hurried = hurried;
    if (hurried) this.#reschedule();
  }

  /** Checks at once, or waits for the check that is under way; it counts as any other, and the next follows an interval later. */
  checkNow(): Promise<CheckResult> {
    this.#cancel();
    return this.#run();
  }

  /** No more checks; the result of a running one is dropped. */
  close(): void {
    this.#closed = true;
    this.#cancel();
  }

  #reschedule(): void {
    if (this.#running !== null || this.#closed) return;
    this.#cancel();
    this.#cancel = this.#scheduleIn(this.#nextDelayMs());
  }

  #scheduleIn(delayMs: number): () => void {
    return this.#deps.schedule(() => void this.#run(), delayMs);
  }

  #run(): Promise<CheckResult> {
    return this.#running ??= this.#check();
  }

  async #check(): Promise<CheckResult> {
    const result = await runCheck(this.#spec, this.#transport, this.#deps);
    this.#running = null;
    if (this.#closed) return result;
    const before = this.#state;
    this.#count(result);
    this.#deps.onResult(result, this.#state, before);
    if (!this.#closed) this.#cancel = this.#scheduleIn(this.#nextDelayMs());
    return result;
  }

  #count(result: CheckResult): void {
    const passed = result.verdict !== "fail";
    this.#checks++;
    if (!passed) this.#failedChecks++;
    if (this.#state === "unknown") this.#enter(passed ? "up" : "down");
    else if (passed === (this.#state === "up")) this.#against = 0;
    else if (++this.#against >= (passed ? this.#spec.rise : this.#spec.fall)) this.#enter(passed ? "up" : "down");
  }

  #enter(state: CheckedState): void {
    this.#state = state;
    this.#against = 0;
  }

  /** The shorter interval while the upstream is out, is about to be, or fails requests. */
  #nextDelayMs(): number {
    const { intervalMs, unhealthyIntervalMs } = this.#spec;
    const troubled = this.#state !== "up" || this.#against > 0 || this.#hurried;
    const baseMs = troubled ? Math.min(unhealthyIntervalMs, intervalMs) : intervalMs;
    return baseMs * (1 - JITTER + 2 * JITTER * this.#deps.random());
  }
}
