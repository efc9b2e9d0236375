/** Until when a member is sure to know of every purge: by its own clocks, the one that has gone further. */
export class Lease {
  #untilMs = -Infinity;
  #wallMs = -Infinity;

  /** Whether it is over. */
  get isOver(): boolean {
    return performance.now() >= this.#untilMs || Date.now() >= this.#wallMs;
  }

  /** The end by the wall clock; 0 where it is over. */
  get wallMs(): number {
    return this.isOver ? 0 : Math.floor(this.#wallMs);
  }

  /** Milliseconds that are left; 0 where it is over. */
  get leftMs(): number {
    return Math.max(0, Math.min(this.#untilMs - performance.now(), this.#wallMs - Date.now()));
  }

  /** It lasts for `ms` from the moment `sent`, unless it does longer. */
  renew(sent: LeaseMoment, ms: number): void {
    if (sent.atMs + ms <= this.#untilMs) return;
    this.#untilMs = sent.atMs + ms;
    // Also where the wall clock was put back: it must not make the lease longer than it is.
    this.#wallMs = sent.wallMs + ms;
  }

  /** Ends it. */
  end(): void {
    this.#untilMs = this.#wallMs = -Infinity;
  }
}

/** A moment by both clocks. */
export interface LeaseMoment {
  readonly atMs: number;
  readonly wallMs: number;
}

/** This moment. */
export function leaseMoment(): LeaseMoment {
  return { atMs: performance.now(), wallMs: Date.now() };
}
