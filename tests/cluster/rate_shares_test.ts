import assert from "node:assert/strict";
import { RateShares } from "../../lib/cluster/rate_shares.ts";
import { openRedisEngine } from "../../lib/cluster/redis_engine.ts";
import { newSharedLimits } from "../../lib/gateway/limits.ts";
import { LimitMemory } from "../../lib/gateway/limit_memory.ts";
import { Limits } from "../../lib/gateway/limits.ts";
import type { SharedGate } from "../../lib/pool/shared_gate.ts";
import { eventually } from "../eventually.ts";
import { HAS_REDIS, type Redis, startRedis } from "./redis_server.ts";

const PER_SECOND = 40;

/** One of several gateways that send with one key's rate, as an upstream's gate keeps it. */
class Gateway {
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
async function offer(
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

Deno.test({
  name: "rate shares: all gateways together never send more than the rate, engine up or hung",
  ignore: !HAS_REDIS,
}, async () => {
  const { up, hung, back } = await shareErrors(3, 4);
  // A bucket of each gateway may be full: one tenth of a second, or one request.
  const most = PER_SECOND * 1.1 + 3;
  for (const [what, { worst }] of Object.entries({ up, hung, back })) assert.ok(worst <= most, `${what}: ${worst}`);
  assert.ok(up.perSecond > PER_SECOND * 0.3, `up: ${up.perSecond}`);
});

Deno.test({
  name: "rate shares: parts go by demand, never add up to more than all, and come back from who leaves",
  ignore: !HAS_REDIS,
}, async () => {
  await using stack = new AsyncDisposableStack();
  const redis = stack.use(await startRedis());
  const first = new Gateway(redis, "first");
  stack.defer(() => first.close());
  assert.equal(first.take(), false, "nothing is sent before a part is granted");
  await eventually("one alone has all", () => first.part === PER_SECOND);
  const second = new Gateway(redis, "second");
  stack.defer(() => second.close());
  await eventually("the busy one has most", () => {
    assert.ok(first.part + second.part <= PER_SECOND, `${first.part} + ${second.part}`);
    for (let n = 0; n < 3; n++) second.gate.hasRoom(Date.now());
    return second.part > PER_SECOND * 0.8;
  });
  assert.ok(first.part >= 1 && first.part + second.part <= PER_SECOND, `${first.part} + ${second.part}`);
  await second.close();
  await eventually("who leaves frees its part", () => first.part === PER_SECOND);
});

Deno.test({
  name: "rate shares: a gateway that is cut off keeps an equal part at most, which nobody else gets",
  ignore: !HAS_REDIS,
}, async () => {
  await using stack = new AsyncDisposableStack();
  const redis = stack.use(await startRedis());
  const all = ["a", "b"].map((member) => new Gateway(redis, member));
  for (const gateway of all) stack.defer(() => gateway.close());
  const [cut, other] = all as [Gateway, Gateway];
  await eventually("the busy one has most", () => {
    cut.gate.hasRoom(Date.now());
    return cut.part > PER_SECOND * 0.8 && other.part >= 1;
  });
  cut.engine.close();
  await eventually("its part lapses", () => cut.shares.state().isAlone);
  assert.equal(cut.part, PER_SECOND / 2);
  await eventually("the other gets the rest", () => {
    assert.ok(cut.part + other.part <= PER_SECOND, `${cut.part} + ${other.part}`);
    other.gate.hasRoom(Date.now());
    return other.part === PER_SECOND / 2;
  });
});

Deno.test("Limits: a rate that no other gateway shares is there at once", () => {
  const gate = new Limits(newSharedLimits(1), 0).gate(
    "films",
    { id: "one", maxInFlight: null, maxPerSecond: 5 } as never,
  )!;
  assert.equal(gate.hasRoom(1_000_000), true);
});
