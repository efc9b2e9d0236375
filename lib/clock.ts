/** Where every part of the gateway reads the time, so that a test can move it. */
export interface Clock {
  /** Milliseconds since the Unix epoch. */
  now(): number;
  /**
   * Milliseconds since some moment, with fractions, that never jump: for how long something took.
   * @default {@linkcode now}
   */
  elapsed?(): number;
  /**
   * The latest time that {@linkcode now} has told: above the time where the clock was set back since.
   * @default {@linkcode now}
   */
  latest?(): number;
}

let latestMs = -Infinity;

/** The machine's own clock. */
export const systemClock: Clock = {
  now() {
    const nowMs = Date.now();
    if (nowMs > latestMs) latestMs = nowMs;
    return nowMs;
  },
  elapsed: () => performance.now(),
  latest: () => latestMs,
};

/** Nobody leaves the clock unread for longer. */
const UNREAD_MS = 1_000;

/**
 * The time of a change that all that was asked for before has to be older than: now, or, where the clock was set back, beyond all that it
 * had told until then. What is asked for next counts as older too, until the clock is there again.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { changeTimeMs } from "./clock.ts";
 * assert.equal(changeTimeMs({ now: () => 9_000, latest: () => 9_000 }), 9_000);
 * assert.equal(changeTimeMs({ now: () => 5_000, latest: () => 9_000 }), 10_000);
 * ```
 */
export function changeTimeMs(clock: Clock): number {
  const nowMs = clock.now();
  const latestMs = clock.latest?.() ?? nowMs;
  return nowMs < latestMs ? latestMs + UNREAD_MS : nowMs;
}

/** By {@linkcode Clock.elapsed}. */
export function elapsedMs(clock: Clock): number {
  return clock.elapsed === undefined ? clock.now() : clock.elapsed();
}

/** Settles after `ms` milliseconds of real time, or as soon as the signal aborts; at once for none or fewer. It never rejects. */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (ms <= 0 || signal?.aborted) return resolve();
    const timer = setTimeout(done, ms);
    signal?.addEventListener("abort", done, { once: true });
    function done(): void {
      clearTimeout(timer);
      signal?.removeEventListener("abort", done);
      resolve();
    }
  });
}

/**
 * The result of a promise, or `late` where it takes more than `ms` milliseconds of real time. The promise goes on. No timer is left
 * running.
 *
 * @throws whatever the promise rejects with in time
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { within } from "./clock.ts";
 * assert.equal(await within(Promise.resolve("done"), 1_000, null), "done");
 * assert.equal(await within(new Promise<string>(() => {}), 1, null), null);
 * ```
 */
export async function within<T, L>(promise: Promise<T>, ms: number, late: L): Promise<T | L> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const expiry = new Promise<L>((resolve) => timer = setTimeout(() => resolve(late), Math.max(0, ms)));
  try {
    return await Promise.race([promise, expiry]);
  } finally {
    clearTimeout(timer);
  }
}

/** The low 32 bits of a time in milliseconds, never 0, for shared memory: differences are right across an overflow. */
export function lowBits(timeMs: number): number {
  return (timeMs | 0) || 1;
}

/** A timer in the form that rooms with injected timers want: the answer takes the call back. */
export function schedule(call: () => void, delayMs: number): () => void {
  const timer = setTimeout(call, delayMs);
  return () => clearTimeout(timer);
}
