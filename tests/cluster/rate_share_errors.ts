import { RateShares } from "../../lib/cluster/rate_shares.ts";
import { openRedisEngine } from "../../lib/cluster/redis_engine.ts";
import { newSharedLimits } from "../../lib/gateway/limits.ts";
import { LimitMemory } from "../../lib/gateway/limit_memory.ts";
import { Limits } from "../../lib/gateway/limits.ts";
import type { SharedGate } from "../../lib/pool/shared_gate.ts";
import { eventually } from "../eventually.ts";
import { type Redis, startRedis } from "./redis_server.ts";

export const PER_SECOND = 40;

/** One of several gateways that send with one key's rate, as an upstream's gate keeps it. */
export class Gateway {
  readonly gate: SharedGate;
  readonly shares: RateShares;
  readonly engine;
  readonly #memory;

  constructor(redis: Redis, member: string) {
    const limits = newSharedLimits(1, null, true);
    this.gate = new Limits(limits, 0).gate(
      "films",
      { id: "one", maxInFlight: null, maxPerSecond: PER_SECOND } as never,
    )!;
    this.#memory = new LimitMemory(limits.limits, 1);
    const address = { host: "127.0.0.1", port: redis.port };
    this.engine = openRedisEngine({
      place: { kind: "server", address, database: 0 },
      user: null,
      password: null,
      tls: null,
    });
    const rates = () =>
      this.#memory.shares().map(({ id, share }) => ({
        ...{ id, max: share.asked, wanted: share.wanted, granted: share.granted },
        grant: (part: number) => share.grant(part),
      }));
    this.shares = new RateShares({ engine: this.engine, name: "t", member, rates });
  }

  /** Requests per second that it may send now. */
  get part(): number {
    return this.#memory.shares()[0]!.share.granted / 1_000;
  }

  take(): boolean {
    if (!this.gate.hasRoom(Date.now())) return false;
    this.gate.enter(Date.now());
    return true;
  }

  async close(): Promise<void> {
    await this.shares.close();
    this.engine.close();
  }
}

/** The most that was sent in any second, while all gateways want far more; and in all, by the second. */
export async function offer(
  all: readonly Gateway[],
  seconds: number,
): Promise<{ readonly worst: number; readonly perSecond: number }> {
  const sentMs: number[] = [];
  const startMs = performance.now();
  while (performance.now() - startMs < seconds * 1_000) {
    await new Promise((resolve) => setTimeout(resolve, 5));
    for (const gateway of all) for (let n = 0; n < 5; n++) if (gateway.take()) sentMs.push(performance.now());
  }
  const worst = Math.max(
    0,
    ...sentMs.map((fromMs, at) => sentMs.filter((ms, other) => other >= at && ms < fromMs + 1_000).length),
  );
  return { worst, perSecond: sentMs.length / seconds };
}

/** The worst second with so many gateways, their engine there, hung, and there again. */
export async function shareErrors(count: number, seconds: number) {
  await using stack = new AsyncDisposableStack();
  const redis = stack.use(await startRedis());
  const all = Array.from({ length: count }, (_, index) => new Gateway(redis, `g${index}`));
  for (const gateway of all) stack.defer(() => gateway.close());
  await eventually("all have a part", () => all.every(({ part }) => part > 0));
  const up = await offer(all, seconds);
  redis.pause();
  const hung = await offer(all, seconds).finally(() => redis.resume());
  return { up, hung, back: await offer(all, seconds) };
}
