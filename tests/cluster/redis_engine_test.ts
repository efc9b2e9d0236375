import assert from "node:assert/strict";
import type { Redis as Client } from "npm:ioredis@6.0.0";
import { type Engine, EngineError, type EngineScript } from "../../lib/cluster/engine.ts";
import type { EngineOptions } from "../../lib/cluster/engine_options.ts";
import { REDIS_PACKAGE } from "../../lib/cluster/_redis_client.ts";
import { openRedisEngine } from "../../lib/cluster/redis_engine.ts";
import { eventually } from "../eventually.ts";
import { HAS_REDIS, type Redis, startRedis } from "./redis_server.ts";

/** The client's digest is in `deno.all.lock` since this names it. */
export type { Client };

const ECHO: EngineScript = { name: "echo", text: "return {ARGV[1], 7, false, {KEYS[1]}}" };
const SET: EngineScript = {
  name: "set",
  text: "redis.call('SET', KEYS[1], ARGV[1]) return redis.call('STRLEN', KEYS[1])",
};

function server(redis: Pick<Redis, "port">, options: Partial<EngineOptions> = {}): EngineOptions {
  const address = { host: "127.0.0.1", port: redis.port };
  return { place: { kind: "server", address, database: 0 }, user: null, password: null, tls: null, ...options };
}

function bytes(...values: number[]): Uint8Array<ArrayBuffer> {
  return new Uint8Array(values);
}

async function opened(redis: Redis, deadlineMs = 30_000): Promise<Engine & Disposable> {
  const engine = openRedisEngine({ ...server(redis), deadlineMs });
  assert.ok(await engine.ready(60_000), engine.state().problem ?? "");
  return Object.assign(engine, { [Symbol.dispose]: () => engine.close() });
}

async function kindOf(call: Promise<unknown>): Promise<string> {
  try {
    await call;
    return "ok";
  } catch (error) {
    assert.ok(error instanceof EngineError, String(error));
    return error.kind;
  }
}

Deno.test({ name: "redis engine: bytes come back as they were, whatever they are", ignore: !HAS_REDIS }, async () => {
  await using redis = await startRedis();
  using engine = await opened(redis);
  const all = Uint8Array.from({ length: 256 }, (_, at) => at);
  assert.equal(await engine.script(SET, ["k"], [all]), 256);
  assert.deepEqual(await engine.get("k"), all);
  assert.equal(await engine.get("none"), null);
  assert.deepEqual(await engine.script(ECHO, ["ä"], [all.subarray(200)]), [
    ...[all.slice(200), 7, null, [new TextEncoder().encode("ä")]],
  ]);
  await redis.command("SCRIPT", "FLUSH");
  assert.equal(await engine.script(SET, ["k"], [bytes(1)]), 1, "one that the engine has forgotten is sent again");
  await redis.command("XADD", "s", "1-1", "a", "x", "b", "y");
  await redis.command("XADD", "s", "1-2", "a", "z");
  const entries = await engine.readStream("s", { after: "0-0", count: 10 });
  assert.deepEqual(entries.map(({ id, fields }) => [id, [...fields.keys()]]), [["1-1", ["a", "b"]], ["1-2", ["a"]]]);
  assert.deepEqual((await engine.readStream("s", { after: "1-1", count: 1 })).map(({ id }) => id), ["1-2"]);
  assert.match((await engine.info()).get("redis_version") ?? "", /^\d/);
  assert.equal(await kindOf(engine.readStream("k", { after: "0-0", count: 1 })), "wrong");
});

Deno.test({
  name: "redis engine: messages of a channel are heard, again after a loss, until it is left",
  ignore: !HAS_REDIS,
}, async () => {
  await using redis = await startRedis();
  using engine = await opened(redis);
  const heard: number[] = [];
  const leave = engine.subscribe("c", (message) => heard.push(message[0]!));
  await eventually("it listens", () => engine.state().isHearing);
  await engine.publish("c", bytes(200));
  await eventually("the message is there", () => heard.length === 1);
  await redis.kill();
  await eventually("the loss is seen", () => !engine.state().isHearing && engine.state().connection === "down");
  assert.equal(await kindOf(engine.get("k")), "down");
  await redis.restart();
  await eventually("it listens again", () => engine.state().isHearing && engine.state().connection === "ready");
  await engine.publish("c", bytes(7));
  await eventually("messages come again", () => heard.length === 2);
  assert.deepEqual(heard, [200, 7]);
  leave();
  await eventually("nobody is subscribed", async () => {
    const reply = await redis.command("PUBSUB", "NUMSUB", "c") as readonly unknown[];
    return reply[1] === 0;
  });
});

Deno.test({
  name: "redis engine: every call settles by its deadline, and a hung engine is asked seldom",
  ignore: !HAS_REDIS,
}, async () => {
  await using redis = await startRedis();
  using engine = await opened(redis);
  redis.pause();
  try {
    for (let n = 0; n < 3; n++) assert.equal(await kindOf(engine.get("k", { deadlineMs: 20 })), "late");
    assert.equal(engine.state().breaker, "open");
    assert.equal(await kindOf(engine.get("k", { deadlineMs: 20 })), "skipped");
    assert.equal(await kindOf(engine.get("k", { deadlineMs: 20, isUrgent: true })), "late");
  } finally {
    redis.resume();
  }
  await eventually("it is asked again", async () => await kindOf(engine.get("k", { deadlineMs: 500 })) === "ok");
  assert.equal(engine.state().breaker, "closed");
  const { commands } = engine.figures();
  assert.ok(commands.late >= 4 && commands.skipped >= 1, JSON.stringify(commands));
});

Deno.test({ name: "redis engine: what waits is bounded, and ends when it is closed", ignore: !HAS_REDIS }, async () => {
  await using redis = await startRedis();
  using engine = await opened(redis);
  redis.pause();
  const calls = Array.from({ length: 1_030 }, () => kindOf(engine.get("k", { deadlineMs: 60_000 })));
  assert.equal(engine.figures().waiting, 1_024);
  engine.close();
  redis.resume();
  const kinds = await Promise.all(calls);
  assert.deepEqual([kinds.filter((kind) => kind === "closed").length, kinds.filter((kind) => kind === "busy").length], [
    1_024,
    6,
  ]);
  assert.equal(await kindOf(engine.get("k")), "closed");
});

Deno.test({ name: "redis engine: a refusal is told, and no password is repeated", ignore: !HAS_REDIS }, async () => {
  const user = [
    "--user",
    "usher",
    "on",
    ">right-horse",
    "~u:*",
    "&*",
    "+get",
    "+set",
    "+strlen",
    "+eval",
    "+evalsha",
    "+info",
  ];
  await using redis = await startRedis({ settings: user });
  const problems: string[] = [];
  const wrong = openRedisEngine({
    ...server(redis, { user: "usher", password: "wrong-horse" }),
    onProblem: (one) => problems.push(one),
  });
  await eventually("the refusal is told", () => problems.some((one) => one.startsWith("WRONGPASS")));
  assert.doesNotMatch(JSON.stringify([problems, wrong.state()]), /horse/);
  assert.equal(wrong.state().connection, "down");
  wrong.close();
  const engine = openRedisEngine(server(redis, { user: "usher", password: "right-horse" }));
  assert.ok(await engine.ready(60_000), engine.state().problem ?? "");
  assert.equal(await engine.script(SET, ["u:a"], ["1"]), 1);
  assert.equal(await kindOf(engine.script(SET, ["other"], ["1"])), "refused");
  assert.equal(await kindOf(engine.get("other")), "refused");
  const flush: EngineScript = { name: "flush", text: "return redis.call('FLUSHALL')" };
  assert.equal(await kindOf(engine.script(flush, [], [])), "refused");
  assert.equal(await kindOf(engine.script({ name: "bad", text: "return nothing(" }, [], [])), "wrong");
  await redis.command("CONFIG", "SET", "maxmemory", "1");
  assert.equal(await kindOf(engine.script(SET, ["u:a"], ["1"])), "full");
  await redis.command("CONFIG", "SET", "maxmemory", "0");
  await redis.command("CONFIG", "SET", "min-replicas-to-write", "1");
  assert.equal(await kindOf(engine.script(SET, ["u:a"], ["1"])), "refused");
  engine.close();
});

Deno.test("the client of a cluster's engine is no part of the program: its digest is known, and nobody else fetches it", async () => {
  const [started, all] = await Promise.all(
    ["deno.lock", "deno.all.lock"].map((name) => Deno.readTextFile(new URL(`../../${name}`, import.meta.url))),
  );
  assert.doesNotMatch(started!, /ioredis/);
  assert.ok(all!.includes(`"${REDIS_PACKAGE}"`));
});
