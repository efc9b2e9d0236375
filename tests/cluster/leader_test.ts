import assert from "node:assert/strict";
import { Leader } from "../../lib/cluster/leader.ts";
import { openRedisEngine } from "../../lib/cluster/redis_engine.ts";
import { eventually } from "../eventually.ts";
import { HAS_REDIS, startRedis } from "./redis_server.ts";

Deno.test({
  name: "Leader: one leads, goes on without the engine, and is followed by another when it leaves",
  ignore: !HAS_REDIS,
}, async () => {
  await using redis = await startRedis();
  const address = { host: "127.0.0.1", port: redis.port };
  const open = () =>
    openRedisEngine({ place: { kind: "server", address, database: 0 }, user: null, password: null, tls: null });
  let nowMs = 0;
  const members = ["a", "b"].map((member) => {
    const engine = open();
    return {
      engine,
      leader: new Leader({ engine, name: "t", member, job: "prewarm:x", members: () => ["a", "b"], now: () => nowMs }),
    };
  });
  const [a, b] = members as [typeof members[0], typeof members[0]];
  for (const { engine } of members) assert.ok(await engine.ready(60_000));
  assert.deepEqual([await b.leader.renew(), await a.leader.renew(), await b.leader.renew()], [true, false, true]);
  await redis.kill();
  await eventually("the loss is seen", () => members.every(({ engine }) => engine.state().connection === "down"));
  assert.deepEqual([await a.leader.renew(), await b.leader.renew()], [false, true], "the last leader goes on");
  nowMs = 300_000;
  assert.deepEqual(
    [a.leader.isLeading, b.leader.isLeading],
    [true, true],
    "after five minutes the first by name leads too",
  );
  await redis.restart();
  for (const { engine } of members) assert.ok(await engine.ready(60_000));
  await eventually("one leads again", async () => await a.leader.renew() !== await b.leader.renew());
  const [leading, other] = a.leader.isLeading ? [a, b] : [b, a];
  await leading.leader.close();
  assert.equal(await other.leader.renew(), true);
  await other.leader.close();
  for (const { engine } of members) engine.close();
});
