import assert from "node:assert/strict";
import { readExposition } from "../metrics/exposition_text.ts";
import { seededRandom } from "../seeded_random.ts";
import { type ScriptedExchange, type ScriptedOrigin, startScriptedOrigin } from "../origins/scripted_origin.ts";
import { misbehave, misdeeds, SLOW_CLIENT_MS } from "./_client_misdeeds.ts";
import { eventually } from "../eventually.ts";
import { type RunningGateway, startGateway } from "./_gateway.ts";
import { openRaw } from "../raw_connection.ts";
import { customPool, testConfig } from "./test_config.ts";

/** What `/status` says of an upstream, as far as clients must not move it. */
interface UpstreamStatus {
  readonly url: string;
  readonly state: string;
  readonly healthy: boolean;
  readonly circuit: string;
  readonly breakers_open: number;
  readonly in_flight: number;
  readonly weight: number;
  readonly success_rate: number | null;
  readonly tries: Readonly<Record<string, number>>;
}

interface PoolStatus {
  readonly retries: { readonly made: number; readonly refused: number; readonly in_flight: number };
  readonly upstreams: readonly UpstreamStatus[];
}

/** Each kind so often: more than enough failures to open any breaker and to eject any upstream. */
const ROUNDS = 12;

/** Clients at a time. */
const AT_ONCE = 24;

async function answer(exchange: ScriptedExchange): Promise<void> {
  const { target } = exchange.head;
  if (target.endsWith("?hold")) return await exchange.hang();
  if (target.endsWith("?endless")) {
    await exchange.write("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
    const chunk = `4000\r\n${"x".repeat(0x4000)}\r\n`;
    let hasLeft = false;
    exchange.left.then(() => hasLeft = true);
    for (; !hasLeft; await exchange.wait(5)) await Promise.race([exchange.write(chunk), exchange.left]);
    return;
  }
  await exchange.body();
  await exchange.reply({ body: "ok" });
}

async function start(stack: AsyncDisposableStack) {
  const origins: ScriptedOrigin[] = [];
  for (let turn = 0; turn < 2; turn++) {
    origins.push(stack.adopt(await startScriptedOrigin(answer), (running) => running.close()));
  }
  const pool = customPool(origins.map(({ url }) => url), {
    strategy: "round-robin",
    health: { enabled: false, max_failures: 3 },
  });
  const gateway = stack.adopt(
    await startGateway({
      config: (places) =>
        testConfig(places, {
          server: { workers: 1, max_request_body: 1_500, limits: { body_timeout: "600ms", body_rate: "1B" } },
          logging: { access: "off" },
          pools: { p: pool },
          listeners: [
            { name: "l", prefix: "/", pool: "p", cache: { mode: "off" } },
            {
              name: "narrow",
              prefix: "/narrow",
              pool: "p",
              cache: { mode: "off" },
              max_in_flight: 1,
              queue: { size: 50, timeout: "2m" },
            },
          ],
        }),
    }),
    (running) => running.close(),
  );
  const arrived = (path: string) =>
    eventually(
      `${path} is at an origin`,
      () => origins.some(({ heads }) => heads.some(({ target }) => target.startsWith(path))),
    );
  return { gateway, arrived };
}

async function poolStatus(gateway: RunningGateway): Promise<PoolStatus> {
  return (await gateway.status()).pools[0] as unknown as PoolStatus;
}

function tried({ upstreams }: PoolStatus, outcome: string): number {
  return upstreams.reduce((sum, { tries }) => sum + (tries[outcome] ?? 0), 0);
}

async function askWell(gateway: RunningGateway, count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) {
    const response = await fetch(`${gateway.url}/well/${turn}`);
    assert.deepEqual([response.status, await response.text()], [200, "ok"]);
  }
}

/** What must be as it was. */
function standing({ retries, upstreams }: PoolStatus) {
  return {
    retries,
    upstreams: upstreams.map(({ url, state, healthy, circuit, breakers_open, in_flight, success_rate, tries }) => {
      const { ok: _ok, cancelled: _cancelled, ...bad } = tries;
      return { url, state, healthy, circuit, breakers_open, in_flight, success_rate, bad };
    }),
  };
}

/** How long upstreams have taken, all tries together, as the gateway counts it. */
async function latencySum(gateway: RunningGateway): Promise<number> {
  const { samples } = readExposition(await (await fetch(`${gateway.adminUrl}/metrics`)).text());
  const sums = samples.filter(({ name }) => name === "usher_upstream_duration_seconds_sum");
  assert.equal(sums.length, 2);
  return sums.reduce((sum, { value }) => sum + value, 0);
}

/** Has clients leave while another one of theirs has the only place of its listener. */
async function leaveWhileQueued(gateway: RunningGateway, arrived: (path: string) => Promise<void>): Promise<void> {
  using first = await openRaw(gateway.port);
  first.send("GET /narrow/first?hold HTTP/1.1\r\nHost: any.test\r\n\r\n");
  await arrived("/narrow/first");
  const waiting = async () => {
    const { listeners } = await gateway.status() as unknown as {
      readonly listeners: readonly { readonly name: string; readonly queue: { readonly waiting: number } }[];
    };
    return listeners.find(({ name }) => name === "narrow")!.queue.waiting;
  };
  const queued = await Promise.all(Array.from({ length: 20 }, () => openRaw(gateway.port)));
  for (const [index, one] of queued.entries()) one.send(`GET /narrow/${index} HTTP/1.1\r\nHost: any.test\r\n\r\n`);
  await eventually("all of them wait", async () => await waiting() === queued.length);
  for (const one of queued) one.close();
  await eventually("nobody waits", async () => await waiting() === 0);
}

Deno.test("nothing that a client sends, withholds or breaks off moves an upstream's health, weight, breaker or retry budget", async (t) => {
  await using stack = new AsyncDisposableStack();
  const { gateway, arrived } = await start(stack);
  const random = seededRandom(20_261);
  await askWell(gateway, 40);
  await eventually("the good answers are counted", async () => tried(await poolStatus(gateway), "ok") === 40);
  // The health worker's word on a known upstream.
  await eventually(
    "upstreams are known",
    async () => (await poolStatus(gateway)).upstreams.every((one) => one.healthy),
  );
  const before = standing(await poolStatus(gateway));
  let number = 0;
  for (const [name, misdeed] of Object.entries(misdeeds)) {
    await t.step(name, async () => {
      for (let sent = 0; sent < ROUNDS; sent += AT_ONCE) {
        const count = Math.min(AT_ONCE, ROUNDS - sent);
        await Promise.all(Array.from({ length: count }, () => {
          const path = `/odd/${number++}-`;
          return misbehave(gateway.port, misdeed, { random, arrived, path });
        }));
      }
      // It is still served, by both, and without a second try.
      await askWell(gateway, 2);
    });
  }
  await t.step("leaves while it waits for its turn", () => leaveWhileQueued(gateway, arrived));
  await askWell(gateway, 20);
  const wellAsked = 40 + 2 * Object.keys(misdeeds).length + 20;
  await eventually("all is counted, and over", async () => {
    const status = await poolStatus(gateway);
    return tried(status, "ok") >= wellAsked && status.upstreams.every(({ in_flight }) => in_flight === 0);
  });
  const after = await poolStatus(gateway);
  assert.deepEqual(standing(after), before);
  assert.ok(tried(after, "cancelled") > ROUNDS, "the test does reach upstreams with what it breaks off");
  for (const { url, weight } of after.upstreams) assert.ok(weight > 0, `${url} has weight ${weight}`);
  const latencySeconds = await latencySum(gateway);
  const clientsSeconds = ROUNDS * SLOW_CLIENT_MS / 1_000;
  assert.ok(
    latencySeconds < clientsSeconds / 2,
    `upstreams are said to have taken ${latencySeconds} s, slow clients ${clientsSeconds} s`,
  );
});
