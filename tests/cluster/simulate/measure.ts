import { openRedisEngine } from "../../../lib/cluster/redis_engine.ts";
import { BEAT, MEMBERS, REPORT, SEND } from "../../../lib/cluster/_bus_scripts.ts";
import { LOOK, PUT } from "../../../lib/cluster/_entry_scripts.ts";
import { SPEND } from "../../../lib/cluster/client_rates.ts";
import type { Engine } from "../../../lib/cluster/engine.ts";
import { type Redis, startRedis } from "../_redis.ts";
import type { EngineCosts } from "./engine_model.ts";

const CALLS = 4_000;
const AT_ONCE = 50;
const MEMBERS_COUNT = 1_000;
const RECEIVERS = 100;
const CLIENTS = 20;
const BODY_BYTES = 100 * 1_024;
const HEADER_BYTES = 88;

/** What a Redis on this machine pays for each, in microseconds of its CPU time, sockets included. */
export async function measureCosts(): Promise<EngineCosts> {
  await using redis = await startRedis();
  const engine = openRedisEngine({
    place: { kind: "server", address: { host: "127.0.0.1", port: redis.port }, database: 0 },
    user: null,
    password: null,
    tls: null,
    deadlineMs: 60_000,
  });
  try {
    await engine.ready(10_000);
    return await costsOf(redis, engine);
  } finally {
    engine.close();
  }
}

async function costsOf(redis: Redis, engine: Engine): Promise<EngineCosts> {
  const body = new Uint8Array(300);
  const send = () => engine.script(SEND, ["s", "m"], [0, "bus", 20_000, body, "code"]);
  const purgeUs = await costUs(redis, CALLS / 10, send, 1);
  const receivers = await Promise.all(Array.from({ length: RECEIVERS }, () => subscriber(redis.port)));
  // One at a time: several at once would leave in one write a receiver.
  const heardUs = await costUs(redis, CALLS / 10, send, 1);
  for (const close of receivers) close();

  const members = Array.from({ length: MEMBERS_COUNT }, (_, n) => `gateway-${n}`);
  for (const member of members) {
    await redis.command("ZADD", "m", Date.now() + 600_000, member);
    await redis.command("ZADD", "p", 1, member);
  }
  const reportUs = await costUs(redis, CALLS, (n) => engine.script(REPORT, ["p"], [members[n % MEMBERS_COUNT]!, n]));
  const behindUs = await costUs(redis, CALLS / 10, () => engine.script(MEMBERS, ["m", "p"], []));
  const beat = (n: number) =>
    engine.script(BEAT, ["s", "m", "p"], [members[n % MEMBERS_COUNT]!, 5_000, 1, "0-1", 600_000]);
  const renewUs = await costUs(redis, CALLS, beat);

  const spend = (clients: number) => () =>
    engine.script(
      SPEND,
      ["rm", ...Array.from({ length: clients }, (_, n) => `client-${n}`)],
      ["gateway-1", 3_000, ...Array.from({ length: clients }, () => [25_000, 1_000_000]).flat()],
    );
  const oneUs = await costUs(redis, CALLS, spend(1));
  const manyUs = await costUs(redis, CALLS, spend(1 + CLIENTS));
  const rateUs = (manyUs - oneUs) / CLIENTS;

  const leaseUs = await costUs(redis, CALLS, (n) => engine.script(LOOK, [`e${n}`, `l${n}`], ["token", 2_000, 0, ""]));
  const value = new Uint8Array(HEADER_BYTES + BODY_BYTES);
  value[0] = 1;
  // Fresh for ever.
  new DataView(value.buffer).setFloat64(20, Number.MAX_SAFE_INTEGER);
  const put = (n: number) => engine.script(PUT, [`b${n % 100}`, `l${n % 100}`], [value, 600_000, "", "done"]);
  const put100Us = await costUs(redis, CALLS / 4, put);
  const get100Us = await costUs(
    redis,
    CALLS / 4,
    (n) => engine.script(LOOK, [`b${n % 100}`, `l${n % 100}`], ["token", 2_000, 0, ""]),
  );
  const connectUs = await costUs(redis, 500, async () => {
    using connection = await Deno.connect({ port: redis.port });
    await connection.write(new TextEncoder().encode("PING\r\n"));
    await connection.read(new Uint8Array(16));
  });
  const costs = { purgeUs, deliverUs: (heardUs - purgeUs) / RECEIVERS, reportUs, behindUs, renewUs, rateUs };
  const rest = { rateCallUs: oneUs - rateUs, leaseUs, get100Us, put100Us, connectUs };
  return Object.fromEntries(
    Object.entries({ ...costs, ...rest }).map(([name, us]) => [name, Math.round(us * 10) / 10]),
  ) as unknown as EngineCosts;
}

/** CPU time of the server for each of `calls`. */
async function costUs(
  redis: Redis,
  calls: number,
  call: (n: number) => Promise<unknown>,
  atOnce = AT_ONCE,
): Promise<number> {
  // Scripts are loaded, and the connection is warm.
  await call(0);
  const beforeUs = await cpuUs(redis);
  for (let n = 0; n < calls; n += atOnce) {
    await Promise.all(Array.from({ length: Math.min(atOnce, calls - n) }, (_, at) => call(n + at)));
  }
  return (await cpuUs(redis) - beforeUs) / calls;
}

async function cpuUs(redis: Redis): Promise<number> {
  const text = new TextDecoder().decode(await redis.command("INFO", "cpu") as Uint8Array<ArrayBuffer>);
  const seconds = (name: string) => Number(new RegExp(`^${name}:([\\d.]+)`, "m").exec(text)?.[1]);
  return (seconds("used_cpu_sys") + seconds("used_cpu_user")) * 1e6;
}

/** A connection that receives messages; what it answers ends it. */
async function subscriber(port: number): Promise<() => void> {
  const connection = await Deno.connect({ port });
  await connection.write(new TextEncoder().encode("SUBSCRIBE bus\r\n"));
  const buffer = new Uint8Array(4_096);
  await connection.read(buffer);
  const read = async () => {
    while (await connection.read(buffer) !== null);
  };
  read().catch(() => {});
  return () => connection.close();
}
