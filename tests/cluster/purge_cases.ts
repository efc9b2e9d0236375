import assert from "node:assert/strict";
import { eventually } from "../eventually.ts";
import {
  adopt,
  type ClusterOrigin,
  type Member,
  type PurgeAnswer,
  startClusterOrigin,
  startMembers,
} from "../system/cluster_members.ts";
import { HAS_REDIS, type Redis, startRedis } from "./_redis.ts";

/** Whether there is an engine to run them with. */
export const CAN_RUN = HAS_REDIS;

/** What a case of a cluster works on. */
export interface Bed {
  readonly stack: AsyncDisposableStack;
  readonly redis: Redis;
  readonly origin: ClusterOrigin;
  readonly members: Member[];
}

/** How a bed is made. */
export interface BedOptions {
  readonly leaseMs: number;
  readonly alone: "serve" | "revalidate";
}

/** Three gateways on machines whose clocks are a minute wrong, one engine and one origin. */
export async function bedOf(stack: AsyncDisposableStack, { leaseMs, alone }: BedOptions): Promise<Bed> {
  const redis = stack.use(await startRedis());
  const origin = stack.use(await startClusterOrigin());
  const members = await startMembers(stack, ["a", "b", "c"], {
    ...{ redis, origin: origin.url },
    cluster: { lease: `${leaseMs}ms`, alone },
    skewsMs: { a: -60_000, c: 60_000 },
  });
  return { stack, redis, origin, members };
}

/** What a case has measured. */
export interface PurgeFigures {
  readonly calls: readonly number[];
  readonly asked: number;
  readonly stale: number;
}

/** Orders of each kind that name `/tagged…`, as they are sent. */
const ORDERS: readonly Readonly<Record<string, unknown>>[] = [
  { url: "/tagged/1" },
  { prefix: "/tagged" },
  { glob: "/tagged/*" },
  { tag: "all" },
  { listener: "l" },
  { all: true },
];

/** The version that a body tells. */
function versionOf(body: string): number {
  return Number(/ v(\d+)$/.exec(body)?.[1] ?? NaN);
}

/** Asks a member `times` at once, over several connections and so both workers; how many answers are older than what the origin has. */
async function staleOf(member: Member, path: string, times: number, version: number): Promise<number> {
  const answers = await Promise.all(Array.from({ length: times }, () => member.ask("GET", path)));
  return answers.filter(({ body }) => !(versionOf(body) >= version)).length;
}

/** Purges by each kind of order at each member in turn, and asks all of them as soon as the call has returned (criteria 2 and 5). */
export async function purgeEverywhere(bed: Bed, rounds: number, asks: number): Promise<PurgeFigures> {
  const { origin, members } = bed;
  const calls: number[] = [];
  let [asked, stale] = [0, 0];
  for (let round = 0; round < rounds; round++) {
    for (const [n, order] of ORDERS.entries()) {
      await Promise.all(members.map((member) => staleOf(member, "/tagged/1", 4, 0)));
      origin.version++;
      const answer = await members[(n + round) % members.length]!.purge({ ...order, hard: true });
      assert.deepEqual([answer.cluster, answer.expired, answer.applied?.length], ["applied", [], members.length - 1]);
      calls.push(answer.tookMs);
      const found = await Promise.all(members.map((member) => staleOf(member, "/tagged/1", asks, origin.version)));
      asked += asks * members.length;
      stale += found.reduce((sum, count) => sum + count, 0);
    }
  }
  return { calls, asked, stale };
}

/**
 * Pauses a member, purges at another one, and asks it for what was purged as soon as it goes on: for members that are not to serve alone
 * (criterion 3).
 */
export async function purgeWhilePaused(bed: Bed, rounds: number, leaseMs: number): Promise<PurgeFigures> {
  const { origin, members: [first, , last] } = bed as Bed & { readonly members: [Member, Member, Member] };
  const calls: number[] = [];
  let [asked, stale] = [0, 0];
  for (let round = 0; round < rounds; round++) {
    await staleOf(last, "/tagged/1", 4, 0);
    last.running.signal("SIGSTOP");
    origin.version++;
    const answer = await first.purge({ tag: "all", hard: true });
    assertWithin(answer, leaseMs, last.name);
    calls.push(answer.tookMs);
    // They are there before it goes on: it serves them before it does anything else.
    const waiting = staleOf(last, "/tagged/1", 12, origin.version);
    last.running.signal("SIGCONT");
    stale += await waiting + await staleOf(last, "/tagged/1", 12, origin.version);
    asked += 24;
    await eventually("it is back", async () => (await first.purge({ tag: "none" })).expired?.length === 0);
  }
  return { calls, asked, stale };
}

/** Kills a member, purges at another one, and starts it again: what it has on its disk is not served as it was (criterion 8). */
export async function purgeWhileKilled(bed: Bed, which: number, leaseMs: number): Promise<PurgeFigures> {
  const { origin, members, stack } = bed;
  const killed = members[which]!;
  const other = members[(which + 1) % members.length]!;
  const paths = ["/tagged/1", "/tagged/2"];
  for (const path of paths) await killed.ask("GET", path);
  await eventually("it is on the disk", async () => {
    const { cache } = await (await fetch(`${killed.running.adminUrl}/status`)).json();
    return cache.disk.entries > 0 && cache.disk.queuedWrites === 0;
  });
  await killed.kill();
  origin.version++;
  const answer = await other.purge({ tag: "all", hard: true });
  assertWithin(answer, leaseMs, killed.name);
  members[which] = adopt(stack, await killed.again());
  const found = await Promise.all(paths.map((path) => staleOf(members[which]!, path, 6, origin.version)));
  return { calls: [answer.tookMs], asked: 12, stale: found.reduce((sum, count) => sum + count, 0) };
}

/**
 * Kills a member, purges, and lets the engine lose all before the member comes back: only the others know of the purge still
 * (criterion 7, the part of purges).
 */
export async function purgeThatTheEngineLost(bed: Bed, leaseMs: number): Promise<PurgeFigures> {
  const { origin, members, redis, stack } = bed;
  const killed = members[2]!;
  await killed.ask("GET", "/tagged/1");
  await eventually("it is on the disk", async () => {
    const { cache } = await (await fetch(`${killed.running.adminUrl}/status`)).json();
    return cache.disk.entries > 0 && cache.disk.queuedWrites === 0;
  });
  await killed.kill();
  origin.version++;
  const answer = await members[0]!.purge({ tag: "all", hard: true });
  assertWithin(answer, leaseMs, killed.name);
  await redis.kill();
  await redis.restart();
  members[2] = adopt(stack, await killed.again());
  const found = await Promise.all(members.map((member) => staleOf(member, "/tagged/1", 6, origin.version)));
  return { calls: [answer.tookMs], asked: 18, stale: found.reduce((sum, count) => sum + count, 0) };
}

/** Each member sees all, none of them behind. */
export async function seeEachOther({ members }: Bed): Promise<void> {
  for (const { running } of members) {
    await eventually("it sees all as they are", async () => {
      const { cluster: { bus } } = await (await fetch(`${running.adminUrl}/status`)).json();
      const seen = bus.members.map(({ name, live, lag_seconds: lag }: Record<string, unknown>) => [name, live, lag]);
      return bus.live && JSON.stringify(seen) === JSON.stringify(members.map(({ name }) => [name, true, 0]));
    });
  }
}

/** Purges while the engine is down: done here at once, and everywhere soon after it is back. */
export async function purgeWithoutEngine({ origin, members, redis }: Bed): Promise<void> {
  const [first] = members as [Member];
  for (const member of members) await member.ask("GET", "/tagged/1");
  await redis.kill();
  origin.version++;
  const answer = await first.purge({ tag: "all", hard: true });
  assert.equal(answer.cluster, "not told");
  assert.equal(await staleOf(first, "/tagged/1", 6, origin.version), 0);
  await redis.restart();
  for (const member of members) {
    await eventually("it was told", async () => await staleOf(member, "/tagged/1", 2, origin.version) === 0);
  }
}

/** A request that changes something at one member, which the others stored. */
export async function changeElsewhere({ origin, members }: Bed): Promise<void> {
  const [first, ...others] = members as [Member, ...Member[]];
  for (const member of members) await member.ask("GET", "/changed");
  origin.version++;
  await first.ask("POST", "/changed");
  for (const member of others) {
    await eventually("it was told", async () => await staleOf(member, "/changed", 2, origin.version) === 0);
  }
}

function assertWithin(answer: PurgeAnswer, leaseMs: number, gone: string): void {
  assert.deepEqual([answer.cluster, answer.expired], ["some alone", [gone]]);
  assert.ok(answer.tookMs >= 0 && leaseMs > 0);
}
