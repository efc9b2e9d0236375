import assert from "node:assert/strict";
import { ClusterBus } from "../../lib/cluster/bus.ts";
import { BusSeal, type ReceivedMessage } from "../../lib/cluster/bus_message.ts";
import { openRedisEngine } from "../../lib/cluster/redis_engine.ts";
import { eventually } from "../eventually.ts";
import { HAS_REDIS, type Redis, startRedis } from "./_redis.ts";

const SECRET = "a secret of sixteen or more";

/** A member of a cluster in this process: what it applied, and what became of its lease. */
interface TestMember {
  readonly bus: ClusterBus;
  readonly applied: ReceivedMessage[];
  readonly missed: number[];
  readonly troubles: string[];
  lost: number;
  /** What it does before it has applied something. */
  hold: Promise<void>;
}

/** Members over connections of their own. */
async function membersOf(stack: AsyncDisposableStack, redis: Redis, names: readonly string[], more: {
  readonly leaseMs?: number;
  readonly secret?: string;
  readonly position?: number;
} = {}): Promise<TestMember[]> {
  return await Promise.all(names.map(async (member) => {
    const address = { host: "127.0.0.1", port: redis.port };
    const engine = openRedisEngine({
      ...{ place: { kind: "server", address, database: 0 }, user: null, password: null, tls: null },
      deadlineMs: 5_000,
    });
    const made: Omit<TestMember, "bus"> = { applied: [], missed: [], troubles: [], lost: 0, hold: Promise.resolve() };
    const { leaseMs = 60_000, secret = SECRET, position = 0 } = more;
    const bus = new ClusterBus({
      ...{ engine, name: "test", secret, member, leaseMs, position },
      listener: {
        apply: async (messages) => {
          await self.hold;
          made.applied.push(...messages);
        },
        missed: (position) => (made.missed.push(position), Promise.resolve()),
        lost: () => (self.lost++, Promise.resolve()),
        onLease: () => {},
      },
      onTrouble: (what) => made.troubles.push(what),
    });
    const self: TestMember = Object.assign(made, { bus });
    stack.defer(async () => {
      await bus.close();
      engine.close();
    });
    assert.ok(await bus.join(60_000));
    return self;
  }));
}

function told(member: TestMember): unknown[] {
  return member.applied.filter(({ kind }) => kind === "x").map(({ data }) => data);
}

function note(data: unknown) {
  return [{ kind: "x", data }];
}

/** A test with a fresh engine. */
function busTest(name: string, run: (stack: AsyncDisposableStack, redis: Redis) => Promise<void>): void {
  Deno.test({
    name: `ClusterBus ${name}`,
    ignore: !HAS_REDIS,
    async fn() {
      await using stack = new AsyncDisposableStack();
      await run(stack, stack.use(await startRedis()));
    },
  });
}

busTest(
  "brings messages to all in one order, each once, and says when they have applied them",
  async (stack, redis) => {
    const members = await membersOf(stack, redis, ["a", "b", "c"]);
    const sent = await Promise.all(
      Array.from({ length: 60 }, (_, n) => members[n % 3]!.bus.send(note(n), 0)),
    );
    for (const one of sent.slice(0, 3)) {
      const living = members[0]!.bus.applied(one);
      assert.deepEqual((await living).expired, []);
      assert.equal((await living).applied.length, 2);
    }
    await eventually("all have all", () => members.every((member) => told(member).length === 60));
    const positions = members[0]!.applied.map(({ position }) => position);
    assert.deepEqual(positions, [...new Set(positions)].sort((a, b) => a - b));
    for (const member of members) assert.deepEqual(told(member), told(members[0]!));
  },
);

busTest("gives positions behind what a sender knows, whatever the engine's clock says", async (stack, redis) => {
  const [a, b] = await membersOf(stack, redis, ["a", "b"]) as [TestMember, TestMember];
  const ahead = (Date.now() + 60_000) * 4096;
  const first = await a.bus.send(note(1), ahead);
  assert.ok(first.position > ahead);
  const second = await b.bus.send(note(2), 0);
  assert.ok(second.position > first.position);
  await b.bus.applied(first);
  await eventually("both are there", () => told(b).length === 2);
});

busTest("lets a newcomer read what was before, and one that comes back what it missed", async (stack, redis) => {
  const [a] = await membersOf(stack, redis, ["a"]) as [TestMember];
  const { position } = await a.bus.send(note("before"), 0);
  await a.bus.send(note("after"), 0);
  const [fresh] = await membersOf(stack, redis, ["b"]) as [TestMember];
  assert.deepEqual(told(fresh), ["before", "after"]);
  const [back] = await membersOf(stack, redis, ["c"], { position }) as [TestMember];
  assert.deepEqual([told(back), back.missed], [["after"], []]);
});

busTest("says up to where messages were missed that the stream no longer has", async (stack, redis) => {
  const [a] = await membersOf(stack, redis, ["a"]) as [TestMember];
  const first = await a.bus.send(note(1), 0);
  const second = await a.bus.send(note(2), 0);
  await a.bus.send(note(3), 0);
  await redis.command("XTRIM", "u:test:{bus}:s", "MAXLEN", "1");
  for (const position of [0, first.position]) {
    const [late] = await membersOf(stack, redis, [`late-${position}`], { position }) as [TestMember];
    assert.deepEqual([late.missed, told(late)], [[second.position], [3]]);
  }
});

busTest("waits for a member that is slow, and no longer than its lease for one that is stuck", async (stack, redis) => {
  const leaseMs = 3_000;
  const [a, b] = await membersOf(stack, redis, ["a", "b"], { leaseMs }) as [TestMember, TestMember];
  const slow = Promise.withResolvers<void>();
  b.hold = slow.promise;
  let isOver = false;
  const waiting = a.bus.send(note("slow"), 0).then((sent) => a.bus.applied(sent)).finally(() => isOver = true);
  await eventually("it has come", () => b.bus.state.head > b.bus.state.position);
  assert.equal(isOver, false);
  slow.resolve();
  assert.deepEqual(await waiting, { applied: ["b"], expired: [] });
  const stuck = Promise.withResolvers<void>();
  b.hold = stuck.promise;
  const answer = await a.bus.applied(await a.bus.send(note("stuck"), 0));
  assert.deepEqual(answer, { applied: [], expired: ["b"] });
  assert.equal(b.bus.isLive, false, "it knows that before the others count on it");
  stuck.resolve();
  await eventually("it is back", () => b.bus.isLive);
  assert.deepEqual(told(b), ["slow", "stuck"]);
});

busTest("finds what the doorbell did not ring", async (stack, redis) => {
  const [a, b] = await membersOf(stack, redis, ["a", "b"], { leaseMs: 2_000 }) as [TestMember, TestMember];
  await redis.command("CLIENT", "KILL", "TYPE", "pubsub");
  await a.bus.send(note("unheard"), 0);
  await eventually("it was read", () => told(b).length === 1);
});

busTest("notices that the engine has lost its memory, and goes on behind all that was", async (stack, redis) => {
  const [a, b] = await membersOf(stack, redis, ["a", "b"], { leaseMs: 2_000 }) as [TestMember, TestMember];
  const before = await a.bus.send(note("before"), 0);
  await a.bus.applied(before);
  await redis.kill();
  await redis.restart();
  await eventually("both have noticed", () => a.lost > 0 && b.lost > 0 && a.bus.isLive && b.bus.isLive);
  const after = await a.bus.send(note("after"), 0);
  assert.ok(after.position > before.position);
  await a.bus.applied(after);
  await eventually("it has come", () => told(b).includes("after"));
  assert.equal(told(b).filter((data) => data === "after").length, 1);
});

busTest("takes nothing that was not sent by a gateway of the cluster, and goes on", async (stack, redis) => {
  const [a, b] = await membersOf(stack, redis, ["a", "b"]) as [TestMember, TestMember];
  const { body, code } = new BusSeal("another secret of that length", "test").close("a", note("forged"));
  const stream = "u:test:{bus}:s";
  const good = await a.bus.send(note("good"), 0);
  const next = good.position + 1;
  const id = `${Math.floor(next / 4096)}-${next % 4096}`;
  const text = new TextDecoder().decode(body);
  await redis.command("XADD", stream, id, "p", String(good.position), "c", code, "b", text);
  await redis.command("PUBLISH", "u:test:{bus}:d", `${good.position} ${next} ${code} ${text}`);
  await redis.command("PUBLISH", "u:test:{bus}:d", "nonsense");
  const flipped = text.replace("forged", "forgot");
  await redis.command("PUBLISH", "u:test:{bus}:d", `${next} ${next + 1} ${code} ${flipped}`);
  await a.bus.send(note("last"), 0);
  await eventually("what follows has come", () => told(b).includes("last"));
  assert.deepEqual(told(b), ["good", "last"]);
  assert.ok(b.troubles.includes("A message of the bus was not taken"));
});

busTest("costs the engine a few commands a message and member, whatever it is about", async (stack, redis) => {
  const names = ["a", "b", "c"];
  const members = await membersOf(stack, redis, names);
  await redis.command("CONFIG", "RESETSTAT");
  const COUNT = 20;
  for (let n = 0; n < COUNT; n++) await members[0]!.bus.applied(await members[0]!.bus.send(note(n), 0));
  const info = new TextDecoder().decode(await redis.command("INFO", "commandstats") as Uint8Array);
  const calls = new Map(
    [...info.matchAll(/cmdstat_([a-z|]+):calls=(\d+)/g)].map(([, name, count]) => [name!, Number(count)]),
  );
  for (const name of ["scan", "keys", "flushall", "sort"]) assert.equal(calls.has(name), false, name);
  const beats = calls.get("zcard") ?? 0;
  const mine = ["config|resetstat", "info", "client|kill"];
  const all = [...calls].filter(([name]) => !mine.includes(name)).reduce((sum, [, count]) => sum + count, 0);
  // A beat takes ten at most; there are few here, since the leases are long.
  assert.ok(all - beats * 10 <= COUNT * (6 + 3 * names.length) + 10, JSON.stringify([...calls]));
});
