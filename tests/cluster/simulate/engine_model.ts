import type { Simulation } from "./simulation.ts";

/** What the engine pays for each, in microseconds of CPU: its one thread does one after the other. */
export interface EngineCosts {
  /** A purge's script, without its deliveries. */
  readonly purgeUs: number;
  /** One message to one receiver. */
  readonly deliverUs: number;
  /** One report of a position. */
  readonly reportUs: number;
  /** All members with their positions, a thousand of them. */
  readonly behindUs: number;
  /** All that a gateway asks in a second to hold its lease. */
  readonly renewUs: number;
  /** A client's time in a call that reconciles rates. */
  readonly rateUs: number;
  /** A call that reconciles rates, without its clients. */
  readonly rateCallUs: number;
  /** Get or lease, where there is no entry. */
  readonly leaseUs: number;
  /** Get or lease of 100 KB. */
  readonly get100Us: number;
  /** Put of 100 KB. */
  readonly put100Us: number;
  /** A new connection, signed in. */
  readonly connectUs: number;
}

/** Bytes that the engine's link carries in a millisecond: 10 Gbit/s. */
const LINK_BYTES_PER_MS = 1_250_000;

/** An engine: one thread, one link, and a network before it. */
export class EngineModel {
  readonly #simulation: Simulation;
  readonly #wayMs: number;
  #freeAtMs = 0;
  #linkFreeAtMs = 0;
  #busyMs = 0;
  #downUntilMs = 0;

  /** @param wayMs median of the time from a gateway to the engine */
  constructor(simulation: Simulation, wayMs = 0.15) {
    this.#simulation = simulation;
    this.#wayMs = wayMs;
  }

  /** Milliseconds of the engine's thread that were used. */
  get busyMs(): number {
    return this.#busyMs;
  }

  isDown(): boolean {
    return this.#simulation.nowMs < this.#downUntilMs;
  }

  failUntil(untilMs: number): void {
    this.#downUntilMs = untilMs;
  }

  /** A command: there, its turn, back. `done` is not called where the engine is down. */
  call(costUs: number, done: () => void, replyBytes = 0): void {
    this.#simulation.after(this.#way(), () => {
      if (this.isDown()) return;
      const doneAtMs = this.#turn(costUs);
      this.#simulation.at(this.#sent(doneAtMs, replyBytes) + this.#way(), done);
    });
  }

  /** A command that sends each receiver a message: one after the other, before the command's own reply. */
  publish(costs: { callUs: number; deliverUs: number }, receivers: readonly (() => void)[], done: () => void): void {
    this.#simulation.after(this.#way(), () => {
      if (this.isDown()) return;
      this.#turn(costs.callUs);
      for (const receive of receivers) this.#simulation.at(this.#turn(costs.deliverUs) + this.#way(), receive);
      this.#simulation.at(this.#freeAtMs + this.#way(), done);
    });
  }

  #way(): number {
    return this.#simulation.around(this.#wayMs);
  }

  #turn(costUs: number): number {
    const costMs = costUs / 1_000;
    this.#freeAtMs = Math.max(this.#freeAtMs, this.#simulation.nowMs) + costMs;
    this.#busyMs += costMs;
    return this.#freeAtMs;
  }

  #sent(fromMs: number, bytes: number): number {
    if (bytes === 0) return fromMs;
    this.#linkFreeAtMs = Math.max(this.#linkFreeAtMs, fromMs) + bytes / LINK_BYTES_PER_MS;
    return this.#linkFreeAtMs;
  }
}
