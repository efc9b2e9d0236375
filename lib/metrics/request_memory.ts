/** A request as it is remembered: plain data, without credentials. */
export interface RememberedRequest {
  /** As in `X-Request-Id`. */
  readonly id: string;
  /** When it ended, in milliseconds since the Unix epoch. */
  readonly atMs: number;
  readonly listener: string;
  readonly method: string;
  readonly target: string;
  readonly status: number;
  readonly termination: string;
  readonly cache: string;
  readonly fwd: string | null;
  readonly upstream: string | null;
  readonly tries: number;
  readonly bytes: number;
  readonly error: string | null;
  readonly totalMs: number;
  readonly phases: {
    readonly queueMs: number;
    readonly connectMs: number;
    readonly firstByteMs: number;
    readonly upstreamMs: number;
    readonly clientMs: number;
  };
}

/** How long requests are remembered. */
const KEPT_MS = 60 * 60_000;
/** A request that took less is never called slow. */
const LEAST_MS = 10;
/** Requests of one listener, slow ones and failed ones each; fewer where there are many listeners. */
const MOST_OF_LISTENER = 50;
const FEWEST_OF_LISTENER = 5;
const MOST_IN_ALL = 2_000;

/** Statuses of requests that failed: an error of the server's, or the client left. */
function isFailure(status: number): boolean {
  return status >= 500 || status === 499;
}

interface Kept {
  readonly capacity: number;
  readonly slow: RememberedRequest[];
  readonly failed: RememberedRequest[];
  /** A request that took no longer has no place among the slow ones, until the first of them is forgotten. */
  leastMs: number;
  forgetsAtMs: number;
}

/** The slowest requests of each listener in the last hour, and the last ones that failed: a bounded number. */
export class RequestMemory {
  readonly #byListener = new Map<string, Kept>();

  /** Whether {@linkcode add} may be of use: asked before a request is put together, since under load many are slow. */
  wants({ listener, status, ms, nowMs }: { listener: string; status: number; ms: number; nowMs: number }): boolean {
    if (isFailure(status)) return true;
    if (ms < LEAST_MS) return false;
    const kept = this.#byListener.get(listener);
    return kept === undefined || ms > kept.leastMs || nowMs > kept.forgetsAtMs;
  }

  /** Remembers a request, as far as it is slow among those of its listener or has failed. */
  add(request: RememberedRequest): void {
    const kept = this.#of(request.listener);
    const { slow, failed, capacity } = kept;
    if (isFailure(request.status)) {
      failed.push(request);
      if (failed.length > capacity) failed.shift();
    }
    if (request.totalMs < LEAST_MS) return;
    forget(slow, request.atMs);
    if (slow.length < capacity) slow.push(request);
    else {
      const fastest = slow.reduce((least, { totalMs }, at) => totalMs < slow[least]!.totalMs ? at : least, 0);
      if (slow[fastest]!.totalMs < request.totalMs) slow[fastest] = request;
    }
    noteLeast(kept);
  }

  /** The slowest requests of one listener, or of all, in no order. */
  slowest(nowMs: number, listener: string | null): RememberedRequest[] {
    this.#forget(nowMs);
    return [...this.#byListener].flatMap(([name, { slow }]) => listener === null || name === listener ? slow : []);
  }

  /** The remembered requests with an id: a client may give several the same. */
  find(nowMs: number, id: string): RememberedRequest[] {
    this.#forget(nowMs);
    const all = new Set([...this.#byListener.values()].flatMap(({ slow, failed }) => [...slow, ...failed]));
    return [...all].filter((request) => request.id === id);
  }

  #of(listener: string): Kept {
    const known = this.#byListener.get(listener);
    if (known !== undefined) return known;
    const share = Math.floor(MOST_IN_ALL / 2 / (this.#byListener.size + 1));
    const capacity = Math.max(FEWEST_OF_LISTENER, Math.min(MOST_OF_LISTENER, share));
    const kept: Kept = { capacity, slow: [], failed: [], leastMs: 0, forgetsAtMs: Infinity };
    this.#byListener.set(listener, kept);
    return kept;
  }

  #forget(nowMs: number): void {
    for (const [listener, kept] of this.#byListener) {
      const { slow, failed } = kept;
      forget(slow, nowMs);
      forget(failed, nowMs);
      noteLeast(kept);
      if (slow.length + failed.length === 0) this.#byListener.delete(listener);
    }
  }
}

function noteLeast(kept: Kept): void {
  const { slow, capacity } = kept;
  const isFull = slow.length === capacity;
  kept.leastMs = isFull ? Math.min(...slow.map(({ totalMs }) => totalMs)) : 0;
  kept.forgetsAtMs = isFull ? Math.min(...slow.map(({ atMs }) => atMs)) + KEPT_MS : Infinity;
}

/** Takes out what is older than an hour. */
function forget(requests: RememberedRequest[], nowMs: number): void {
  if (!requests.some(({ atMs }) => nowMs - atMs > KEPT_MS)) return;
  const kept = requests.filter(({ atMs }) => nowMs - atMs <= KEPT_MS);
  requests.splice(0, requests.length, ...kept);
}
