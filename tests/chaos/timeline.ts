import type { Resource } from "./resources.ts";

/** What may happen to a request while a fault lasts. */
export type Excuse =
  /** No answer: a connection refused, reset or ended. */
  | "unanswered"
  /** An answer that breaks off, and says so by its framing. */
  | "cut"
  /** A status of 500 and above. */
  | "error"
  /** The same of a request that is sent once. */
  | "unsafe-error"
  /** A response as old as `stale-if-error` allows. */
  | "stale"
  /** An age and a freshness by a clock that jumps. */
  | "skewed"
  /** An answer that takes longer than the client waits. */
  | "late";

/** A time in which something is excused, by a fault. */
export interface Window {
  readonly fault: string;
  readonly excuses: readonly Excuse[];
  /** The pools that are concerned; `null` is all. */
  readonly pools: readonly string[] | null;
  readonly fromMs: number;
  /** Infinity while it lasts. */
  toMs: number;
}

/** A purge that the gateway has confirmed, or an unsafe request that it has answered. */
export interface Removal {
  readonly what: (resource: Resource) => boolean;
  readonly askedMs: number;
  readonly answeredMs: number;
  /** It holds over the end of the process. */
  readonly isPersisted: boolean;
}

/** The fault in which two processes serve side by side. */
export const UPGRADE = "upgraded";

/** What was done to the gateway when, as the judge of a response needs it. */
export class Timeline {
  readonly windows: Window[] = [];
  /** How late this process itself is, so that a busy machine is not taken for the gateway. */
  lagMs = 0;
  readonly #removals: Removal[] = [];
  /** How far the gateway's clock was set back, each time. */
  readonly #setBack: { readonly atMs: number; readonly byMs: number }[] = [];

  /** Opens a window, `sinceMs` ago; the function that comes back closes it, `afterMs` later than it is called. */
  open(
    { sinceMs = 0, ...window }: Pick<Window, "fault" | "excuses" | "pools"> & { readonly sinceMs?: number },
    afterMs: number,
  ): () => void {
    const opened: Window = { ...window, fromMs: Date.now() - sinceMs, toMs: Infinity };
    this.windows.push(opened);
    return () => void (opened.toMs = Date.now() + afterMs);
  }

  /** The fault that excuses this of a request at a pool which was under way at a time; `null` for none. */
  excuse(excuse: Excuse, pool: string, [fromMs, toMs]: readonly [number, number]): string | null {
    const window = this.windows.find((one) =>
      one.excuses.includes(excuse) && (one.pools === null || one.pools.includes(pool)) && one.fromMs <= toMs &&
      one.toMs >= fromMs
    );
    return window?.fault ?? null;
  }

  /**
   * Keeps a removal in mind. While one process takes another's place each serves by its own: what is removed then is removed in one of
   * them (docs/reliability.md).
   */
  remove(removal: Removal): void {
    const { askedMs, answeredMs } = removal;
    const isDivided = ({ fault, fromMs, toMs }: Window) => fault === UPGRADE && fromMs <= answeredMs && toMs >= askedMs;
    if (this.windows.some(isDivided)) return;
    this.#removals.push(removal);
    if (this.#removals.length > 400) this.#removals.splice(0, 100);
  }

  /** The gateway has ended: what it only kept in memory is forgotten. */
  ended(): void {
    const kept = this.#removals.filter(({ isPersisted }) => isPersisted);
    this.#removals.splice(0, this.#removals.length, ...kept);
  }

  /** When the last removal was asked for that was answered before a request was sent; responses made before must not be served. */
  removedMs(resource: Resource, sentMs: number): number {
    const asked = this.#removals.filter(({ what, answeredMs }) => answeredMs <= sentMs && what(resource));
    return Math.max(-Infinity, ...asked.map(({ askedMs }) => askedMs));
  }

  setBack(byMs: number): void {
    this.#setBack.push({ atMs: Date.now(), byMs });
  }

  /** How much younger than it is the gateway may take a response for that was made at a time. */
  youngerMs(madeMs: number): number {
    // Where exactly it was set between its own jumps is its own business: a second before counts too.
    const since = this.#setBack.filter(({ atMs }) => atMs >= madeMs - 1_000);
    return since.reduce((sum, { byMs }) => sum + byMs, 0);
  }
}

/** So often it is looked how late a timer is, and so long the latest one counts. */
const LOOK_MS = 200;
const REMEMBERED_LOOKS = 50;

/** Keeps {@linkcode Timeline.lagMs} until it is disposed of. */
export function watchLag(timeline: Timeline): Disposable {
  const lags: number[] = [];
  let dueMs = Date.now() + LOOK_MS;
  const timer = setInterval(() => {
    lags.push(Math.max(0, Date.now() - dueMs));
    if (lags.length > REMEMBERED_LOOKS) lags.shift();
    timeline.lagMs = Math.max(...lags);
    dueMs = Date.now() + LOOK_MS;
  }, LOOK_MS);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}
