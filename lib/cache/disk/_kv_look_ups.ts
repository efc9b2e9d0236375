import type { Clock } from "../../clock.ts";
import { readEntry, type ReadOutcome } from "./_kv_reader.ts";

/** What look-ups need. */
export interface KvLookUpOptions {
  readonly kv: Deno.Kv;
  readonly clock: Clock;
  /** A read that takes longer fails. */
  readonly timeoutMs: number;
  /** Reads under way at most. */
  readonly maxReads: number;
  /** Bytes of bodies that reads under way may bring into memory. */
  readonly maxReadBytes: number;
}

interface LookUp {
  readonly outcome: Promise<ReadOutcome>;
  /** Set when its key is put or deleted: what it finds is old then. */
  superseded: boolean;
}

const ABSENT: ReadOutcome = { kind: "absent" };

/** Reads entries, each key once at a time, a bounded number at once, each within its time. */
export class KvLookUps {
  readonly #options: KvLookUpOptions;
  readonly #underWay = new Map<string, LookUp>();
  #reads = 0;
  #readBytes = 0;

  constructor(options: KvLookUpOptions) {
    this.#options = options;
  }

  /** Whether another read can begin. */
  get hasRoom(): boolean {
    return this.#reads < this.#options.maxReads;
  }

  /** What a look-up of the key that is under way comes to, if there is one. */
  joined(key: string): Promise<ReadOutcome> | undefined {
    return this.#underWay.get(key)?.outcome;
  }

  /**
   * What disk holds for `key`; absent where the key was put or deleted meanwhile.
   *
   * @throws {Error} what Deno KV throws, or that it took too long
   */
  read(key: string): Promise<ReadOutcome> {
    const lookUp: LookUp = { outcome: this.#current(key, () => lookUp), superseded: false };
    this.#underWay.set(key, lookUp);
    return lookUp.outcome;
  }

  /** Says that `key` was put or deleted. */
  supersede(key: string): void {
    const lookUp = this.#underWay.get(key);
    if (lookUp === undefined) return;
    lookUp.superseded = true;
    this.#underWay.delete(key);
  }

  async #current(key: string, self: () => LookUp): Promise<ReadOutcome> {
    try {
      const outcome = await this.#timed(this.#bounded(key));
      return self().superseded ? ABSENT : outcome;
    } finally {
      if (this.#underWay.get(key) === self()) this.#underWay.delete(key);
    }
  }

  /** Counted until it settles: a read that hangs takes a place of the bounds. */
  async #bounded(key: string): Promise<ReadOutcome> {
    const { kv, clock, maxReadBytes } = this.#options;
    let ownBytes = 0;
    const hasRoomFor = (bytes: number) => {
      if (this.#readBytes + bytes > maxReadBytes) return false;
      this.#readBytes += bytes;
      ownBytes += bytes;
      return true;
    };
    this.#reads++;
    try {
      return await readEntry(kv, { key, nowMs: clock.now(), hasRoomFor });
    } finally {
      this.#reads--;
      this.#readBytes -= ownBytes;
    }
  }

  async #timed(work: Promise<ReadOutcome>): Promise<ReadOutcome> {
    const { timeoutMs } = this.#options;
    let timer: ReturnType<typeof setTimeout> | undefined;
    // Nobody waits for one that failed after its time.
    work.catch(() => {});
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
    });
    try {
      return await Promise.race([work, late]);
    } finally {
      clearTimeout(timer);
    }
  }
}
