import assert from "node:assert/strict";
import { openRedisEngine } from "../../../lib/cluster/redis_engine.ts";
import { ClusterLeaders } from "../../../lib/workers/operations/cluster_leaders.ts";
import { HAS_REDIS, startRedis } from "../../cluster/redis_server.ts";

Deno.test({
  name: "ClusterLeaders: one gateway prewarms for all that share what is fetched, each for itself where they do not",
  ignore: !HAS_REDIS,
}, async () => {
  await using redis = await startRedis();
  const address = { host: "127.0.0.1", port: redis.port };
  const engine = openRedisEngine({
    place: { kind: "server", address, database: 0 },
    user: null,
    password: null,
    tls: null,
  });
  assert.ok(await engine.ready(60_000));
  const [one, two] = ["one", "two"].map((member) =>
    new ClusterLeaders({ engine, member, config: { name: "t" } as never })
  );
  const listener = (name: string, shared: boolean | null, auth: unknown) => ({ name, auth, cache: { shared } });
  const listeners = [
    listener("open", null, null),
    listener("closed", null, {}),
    listener("own", false, null),
    listener("said", true, {}),
  ];
  const config = { cache: { shared: {} }, listeners } as never;
  const both = async (name: string) => [await one!.prewarms(name, config), await two!.prewarms(name, config)];
  assert.deepEqual(await both("open"), [true, false]);
  assert.deepEqual(await both("said"), [true, false]);
  assert.deepEqual(await both("closed"), [true, true]);
  assert.deepEqual(await both("own"), [true, true]);
  assert.equal(await two!.prewarms("open", { cache: { shared: null }, listeners } as never), true);
  await one!.close();
  assert.equal(await two!.prewarms("open", config), true, "the other leads when one has left");
  await two!.close();
  engine.close();
});
