import assert from "node:assert/strict";
import type { EngineOptions } from "../../lib/cluster/engine_options.ts";
import { clusterFindings } from "../../lib/inspect/diagnose_cluster.ts";
import type { Finding } from "../../lib/inspect/finding.ts";
import { HAS_REDIS, type Redis, startRedis } from "../cluster/redis_server.ts";
import { freePort } from "../free_port.ts";

const TIMEOUT_MS = 20_000;
const PASSWORD = "a-password-of-the-engine";
const USER = ["--user", "usher", "on", `>${PASSWORD}`, "~u:*", "&u:*"];
const RIGHTS = [
  "+@read",
  "+@write",
  "+@scripting",
  "+@pubsub",
  "+@connection",
  "+@stream",
  "-@dangerous",
  "+info",
  "+time",
];

interface Case {
  readonly engine?: Partial<EngineOptions>;
  readonly shared?: { readonly timeoutMs: number; readonly hasOwnEngine: boolean } | null;
}

function findings(port: number, { engine = {}, shared = null }: Case = {}, timeoutMs = TIMEOUT_MS): Promise<Finding[]> {
  const address = { host: "127.0.0.1", port };
  const options = { place: { kind: "server", address, database: 0 }, user: null, password: null, tls: null, ...engine };
  const config = {
    cluster: { engine: options, name: "t" },
    cache: { shared: shared && { ...shared, engine: options } },
  };
  return clusterFindings(config as never, timeoutMs);
}

/** The findings that are not well, each as `state text`. */
function told(found: readonly Finding[]): string[] {
  for (const { state, remedy } of found) assert.equal(remedy === null, state === "ok");
  return found.filter(({ state }) => state !== "ok").map(({ state, text }) => `${state} ${text.replace(/^\S+ /, "")}`);
}

const DEFAULT_USER = "warn the gateway comes as the user `default`, who may do everything";
const OPEN = "warn it lets in whoever comes without a password";
const NO_REPLICA = "warn it has no replica: while it is gone each gateway is alone";

Deno.test("clusterFindings() says nothing where there is no cluster", async () => {
  assert.deepEqual(await clusterFindings({ cluster: null, cache: { shared: null } } as never, TIMEOUT_MS), []);
});

Deno.test({ name: "clusterFindings() finds each misconfiguration of an engine", ignore: !HAS_REDIS }, async (t) => {
  const withRedis = async (settings: readonly string[], work: (redis: Redis) => Promise<void>) => {
    await using redis = await startRedis({ settings });
    await work(redis);
  };
  await t.step(
    "one as it should be, but for its replica",
    () =>
      withRedis([
        ...USER,
        ...RIGHTS,
        "--user",
        "default",
        "off",
        "--maxmemory",
        "100mb",
        "--maxmemory-policy",
        "volatile-lfu",
      ], async ({ port }) => {
        const engine = { user: "usher", password: PASSWORD };
        assert.deepEqual(told(await findings(port, { engine, shared: { timeoutMs: 60_000, hasOwnEngine: false } })), [
          NO_REPLICA,
        ]);
      }),
  );
  await t.step("no bound, the default user, no password, far away", () =>
    withRedis([], async ({ port }) => {
      const found = told(await findings(port, { shared: { timeoutMs: 0.001, hasOwnEngine: false } }));
      assert.match(found.splice(2, 1)[0]!, /^warn a round trip takes .* and a look-up may take/);
      assert.deepEqual(found, [
        "warn nothing bounds its memory (maxmemory 0): responses fill it",
        ...[NO_REPLICA, DEFAULT_USER, OPEN],
      ]);
    }));
  await t.step(
    "policies",
    () =>
      withRedis(["--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"], async (redis) => {
        const shared = { timeoutMs: 60_000, hasOwnEngine: false };
        const policy = async (case_: Case) => told(await findings(redis.port, case_))[0];
        assert.equal(await policy({}), "fail allkeys-lru evicts purges that gateways have not heard of yet");
        await redis.command("CONFIG", "SET", "maxmemory-policy", "noeviction");
        assert.equal(await policy({ shared }), "warn noeviction: when it is full, nothing more is shared");
      }),
  );
  await t.step(
    "a password and rights that are not enough",
    () =>
      withRedis([...USER, "+@read", "+@connection", "+info"], async ({ port }) => {
        const [wrong] = await findings(port, { engine: { user: "usher", password: "another-one" } }, 3_000);
        assert.match(`${wrong?.state} ${wrong?.text} ${wrong?.remedy}`, /^fail .*WRONGPASS.*`password`/);
        const few = await findings(port, { engine: { user: "usher", password: PASSWORD } });
        const [rights] = few.filter(({ state }) => state === "fail");
        assert.match(
          `${rights?.text} ${rights?.remedy}`,
          /what gateways do there fails: .*NOPERM.* its user needs \(ACL\): ~u:\* /,
        );
        assert.ok(!JSON.stringify([wrong, few]).includes(PASSWORD) && !JSON.stringify(wrong).includes("another-one"));
      }),
  );
  await t.step(
    "a replica in place of the primary",
    () =>
      withRedis([], (primary) =>
        withRedis(["--replicaof", "127.0.0.1", String(primary.port)], async ({ port }) => {
          const found = told(await findings(port));
          assert.ok(found.includes("fail it is a replica, which takes no writes"), found.join());
          assert.ok(!told(await findings(primary.port)).includes(NO_REPLICA));
        })),
  );
});

Deno.test("clusterFindings() says what to do where nobody is there, or what goes out is not encrypted", async () => {
  const [gone, ...others] = await findings(freePort(), {}, 1_000);
  assert.match(
    `${gone?.state} ${gone?.text} ${gone?.remedy}`,
    /^fail redis:\/\/127.*ECONNREFUSED.*see that Valkey or Redis runs there/,
  );
  assert.deepEqual(told(others), [DEFAULT_USER]);
  const place = { kind: "sentinels", addresses: [{ host: "192.0.2.1", port: 1 }], primary: "p", database: 0 } as never;
  const far = told(await findings(1, { engine: { place, user: "u" } }, 200));
  assert.deepEqual(far.slice(1), [
    "warn what goes over the network is not encrypted, its password included",
    "warn there are 1 sentinels",
  ]);
});
