import { ClientRates } from "../../lib/cluster/client_rates.ts";
import { openRedisEngine } from "../../lib/cluster/redis_engine.ts";
import { ClientRate } from "../../lib/request/client_rate.ts";
import { newClientMemory, type SpentClient, ToldClients } from "../../lib/request/client_table.ts";
import { eventually } from "../eventually.ts";
import { seededRandom } from "../seeded_random.ts";
import { type Redis, startRedis } from "./redis_server.ts";

export const SECRET = "a-secret-of-the-cluster";
export const PER_SECOND = 40;
const OFFERED = 10;
export const LIMIT = {
  ...{ listener: "api", header: null, ipv4Prefix: 32, ipv6Prefix: 64 },
  ...{ requests: PER_SECOND, perMs: 1_000, burst: PER_SECOND },
};

/** One of several gateways: its own memory, connection and clock. */
export class Gateway {
  readonly rate: ClientRate;
  readonly rates: ClientRates<SpentClient>;
  readonly engine;

  constructor(redis: Redis, readonly member: string, readonly skewMs: number) {
    const memory = newClientMemory(SECRET);
    this.rate = new ClientRate(memory, LIMIT);
    const address = { host: "127.0.0.1", port: redis.port };
    this.engine = openRedisEngine({
      place: { kind: "server", address, database: 0 },
      user: null,
      password: null,
      tls: null,
    });
    const clients = new ToldClients(memory);
    const now = () => this.now();
    this.rates = new ClientRates({ engine: this.engine, name: "t", member, clients, membersBefore: 1, now });
  }

  now(): number {
    return Date.now() + this.skewMs;
  }

  take(client: string): boolean {
    return this.rate.take(client, () => null, this.now()).allowed;
  }

  async close(): Promise<void> {
    await this.rates.close();
    this.engine.close();
  }
}

export async function gateways(
  stack: AsyncDisposableStack,
  redis: Redis,
  skewsMs: readonly number[],
): Promise<Gateway[]> {
  const all = skewsMs.map((skewMs, index) => new Gateway(redis, `g${index}`, skewMs));
  for (const gateway of all) stack.defer(() => gateway.close());
  await eventually(
    "all know of all",
    () => all.every(({ rates }) => !rates.state().isAlone && rates.state().members === all.length),
  );
  return all;
}

/** One client asks random gateways for ten times its limit; how many were allowed over how many the limit allows. */
export async function overLimit(all: readonly Gateway[], client: string, seconds: number): Promise<number> {
  const random = seededRandom(7);
  const startMs = performance.now();
  let allowed = 0;
  let lastMs = startMs;
  while (lastMs - startMs < seconds * 1_000) {
    await new Promise((resolve) => setTimeout(resolve, 10));
    const nowMs = performance.now();
    // What a busy machine did not come to is not asked for all at once.
    const due = Math.round(Math.min(nowMs - lastMs, 50) * PER_SECOND * OFFERED / 1_000);
    lastMs = nowMs;
    for (let n = 0; n < due; n++) if (all[Math.floor(random() * all.length)]!.take(client)) allowed++;
  }
  return allowed / (PER_SECOND * (lastMs - startMs) / 1_000 + PER_SECOND) - 1;
}

/**
 * Share over the limit with so many gateways, whose clocks differ by up to two minutes, and from the moment that their engine hangs, or
 * from when they have noticed it.
 */
export async function rateErrors(
  count: number,
  seconds: number,
  isSettled = false,
): Promise<{ readonly up: number; readonly down: number }> {
  await using stack = new AsyncDisposableStack();
  const redis = stack.use(await startRedis());
  const all = await gateways(stack, redis, Array.from({ length: count }, (_, at) => (at % 3 - 1) * 60_000));
  const up = await overLimit(all, "203.0.113.1", seconds);
  redis.pause();
  try {
    if (isSettled) await eventually("all are alone", () => all.every(({ rates }) => rates.state().isAlone));
    return { up, down: await overLimit(all, "203.0.113.2", seconds) };
  } finally {
    redis.resume();
  }
}
