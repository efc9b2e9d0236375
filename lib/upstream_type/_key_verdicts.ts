/** Cause of a 401: the key, the host, or unknown, so that another host is asked. */
export type Culprit = "key" | "host" | "unknown";

/** Time for which an accepted or refused key is remembered for a host. */
const REMEMBERED_MS = 300_000;

/** Which hosts accept which keys, as far as this worker has seen. */
export class KeyVerdicts {
  /** By host: when it last accepted each key (positive) or refused it (negative), in milliseconds since the Unix epoch. */
  readonly #hosts = new Map<string, Float64Array>();
  readonly #keys: number;

  constructor(keys: number) {
    this.#keys = keys;
  }

  /** Records that a host accepted a key. */
  accepted(key: number, host: string, nowMs: number): void {
    this.#of(host)[key] = nowMs;
  }

  /**
   * Records that a host refused a key, and returns the cause: the host where another one accepts the key; the key where this host
   * accepts other keys, or no other host is left to ask.
   */
  refused(key: number, host: string, { nowMs, mayAskOther }: { nowMs: number; mayAskOther: boolean }): Culprit {
    const verdicts = this.#of(host);
    verdicts[key] = -nowMs;
    const sinceMs = nowMs - REMEMBERED_MS;
    const takesOthers = verdicts.some((atMs) => atMs > sinceMs);
    let isTakenElsewhere = false;
    for (const other of this.#hosts.values()) if (other[key]! > sinceMs) isTakenElsewhere = true;
    // A host that accepts other keys is not asked with this one while there is another host.
    if (isTakenElsewhere && takesOthers) return mayAskOther ? "unknown" : "key";
    if (isTakenElsewhere) return "host";
    return takesOthers || !mayAskOther ? "key" : "unknown";
  }

  /** How many hosts refused a key recently. */
  refusals(key: number, nowMs: number): number {
    let count = 0;
    for (const verdicts of this.#hosts.values()) {
      const atMs = verdicts[key]!;
      if (atMs < 0 && -atMs > nowMs - REMEMBERED_MS) count++;
    }
    return count;
  }

  #of(host: string): Float64Array {
    let verdicts = this.#hosts.get(host);
    if (verdicts === undefined) this.#hosts.set(host, verdicts = new Float64Array(this.#keys));
    return verdicts;
  }
}
