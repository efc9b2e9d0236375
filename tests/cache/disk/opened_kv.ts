import { beginKvFile } from "../../../lib/cache/disk/kv_inspect.ts";
import type { Clock } from "../../../lib/clock.ts";
import { createKvTier, type KvTier, type KvTierOptions } from "../../../lib/cache/disk/kv_tier.ts";
import type { StoreLog } from "../../../lib/cache/store.ts";

/** A clock that a test moves. */
export class HandClock implements Clock {
  #nowMs: number;

  constructor(nowMs = 1_000_000_000_100) {
    this.#nowMs = nowMs;
  }

  now(): number {
    return this.#nowMs;
  }

  advance(ms: number): void {
    this.#nowMs += ms;
  }
}

/** A log that keeps what it is told. */
export class KeptLog implements StoreLog {
  readonly lines: { message: string; fields: Readonly<Record<string, unknown>> }[] = [];

  warn(message: string, fields: Readonly<Record<string, unknown>> = {}): void {
    this.lines.push({ message, fields });
  }
}

/** A KV file of its own in a directory of its own, with a tier over it. */
export interface OpenedKv extends AsyncDisposable {
  readonly kv: Deno.Kv;
  readonly path: string;
  readonly tier: KvTier;
  readonly clock: HandClock;
  readonly log: KeptLog;
  /** Another tier over the same file, as another worker has it; closed with this one. */
  another(options?: Partial<KvTierOptions>): Promise<KvTier>;
  /** Waits for what happens on its own. */
  until(isSo: () => boolean): Promise<void>;
}

export async function openKvForTest(options: Partial<KvTierOptions> = {}): Promise<OpenedKv> {
  const directory = await Deno.makeTempDir();
  const path = `${directory}/cache.kv`;
  const clock = new HandClock();
  const log = new KeptLog();
  const opened: { kv: Deno.Kv; tier: KvTier }[] = [];
  const open = async (changes: Partial<KvTierOptions> = {}): Promise<KvTier> => {
    beginKvFile(path);
    const kv = await Deno.openKv(path);
    const tier = createKvTier({
      kv,
      clock,
      log,
      limitBytes: 64 * 1024 * 1024,
      logReserveBytes: 0,
      ...options,
      ...changes,
    });
    opened.push({ kv, tier });
    return tier;
  };
  const tier = await open();
  return {
    kv: opened[0]!.kv,
    path,
    tier,
    clock,
    log,
    another: open,
    until,
    async [Symbol.asyncDispose]() {
      for (const { tier } of opened) await tier.close(300);
      for (const { kv } of opened) kv.close();
      await Deno.remove(directory, { recursive: true });
    },
  };
}

async function until(isSo: () => boolean): Promise<void> {
  for (const endMs = performance.now() + 120_000; performance.now() < endMs && !isSo();) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  if (!isSo()) throw new Error("It did not happen within two minutes");
}

/** A connection that a test can make fail or hang, for good or until a promise settles, as a full disk or a locked file does. */
export class FaultyKv {
  readonly kv: Deno.Kv;
  fault: Error | "hang" | Promise<void> | null = null;

  constructor(real: Deno.Kv) {
    this.kv = new Proxy(real, {
      get: (target, name) => {
        if (name === "atomic") return () => this.#atomic(target.atomic());
        if (name === "list" && this.fault !== null) return () => this.#failing();
        const member = Reflect.get(target, name, target);
        return typeof member === "function"
          ? (...args: unknown[]) => this.#call(() => member.apply(target, args))
          : member;
      },
    });
  }

  #atomic(atomic: Deno.AtomicOperation): Deno.AtomicOperation {
    const commit = atomic.commit.bind(atomic);
    atomic.commit = () => this.#call(commit);
    return atomic;
  }

  /** A list whose rows do not come. */
  #failing(): AsyncIterable<never> {
    return {
      [Symbol.asyncIterator]: () => ({ next: () => this.#call(() => Promise.resolve({ done: true, value: null })) }),
    };
  }

  #call<Result>(work: () => Result): Result {
    if (this.fault === "hang") return new Promise(() => {}) as Result;
    if (this.fault instanceof Promise) return this.fault.then(work) as Result;
    if (this.fault !== null) return Promise.reject(this.fault) as Result;
    return work();
  }
}

/** A connection that counts what is read by it. */
export class CountedKv {
  readonly kv: Deno.Kv;
  reads = 0;

  constructor(real: Deno.Kv) {
    this.kv = new Proxy(real, {
      get: (target, name) => {
        const member = Reflect.get(target, name, target);
        if (name === "get" || name === "getMany" || name === "list") this.reads++;
        return typeof member === "function" ? member.bind(target) : member;
      },
    });
  }
}

/** All rows of a KV file by the first part of their key. */
export async function rowCounts(kv: Deno.Kv): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for await (const { key } of kv.list({ prefix: [] })) counts[String(key[0])] = (counts[String(key[0])] ?? 0) + 1;
  return counts;
}
