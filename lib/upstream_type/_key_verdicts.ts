/** What a 401 is the fault of: the key, the host that refused it, or not known yet, so that another host is asked. */
export type Culprit = "key" | "host" | "unknown";

/** For so long a good answer, or a refusal, is held against what another host says. */
const REMEMBERED_MS = 300_000;

/** Which hosts of a pool take which of its keys, as far as this worker has seen. */
export class KeyVerdicts {
  /** By host: when it last took each key, above 0, or refused it, below 0; milliseconds since the Unix epoch. */
  readonly #hosts = new Map<string, Float64Array>();
  readonly #keys: number;

  constructor(keys: number) {
    this.#keys = keys;
  }

  /** A host has taken a key. */
  accepted(key: number, host: string, nowMs: number): void {
    this.#of(host)[key] = nowMs;
  }

  /**
   * A host has refused a key. It is the host's doing where another one takes the key; the key's where this host takes other keys, or
   * no other is left to ask.
   */
  refused(key: number, host: string, { nowMs, mayAskOther }: { nowMs: number; mayAskOther: boolean }): Culprit {
    const verdicts = this.#of(host);
    verdicts[key] = -nowMs;
    const sinceMs = nowMs - REMEMBERED_MS;
    const takesOthers = verdicts.some((atMs) => atMs > sinceMs);
    let isTakenElsewhere = false;
    for (const other of this.#hosts.values()) if (other[key]! > sinceMs) isTakenElsewhere = true;
    // One that takes other keys, but not this one, is left alone with it as long as another host is there.
    if (isTakenElsewhere && takesOthers) return mayAskOther ? "unknown" : "key";
    if (isTakenElsewhere) return "host";
    return takesOthers || !mayAskOther ? "key" : "unknown";
  }

  /** How many hosts have refused a key of late. */
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
