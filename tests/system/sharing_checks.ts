import assert from "node:assert/strict";
import type { ScriptedHandler } from "../origins/scripted_origin.ts";
import { eventually } from "../eventually.ts";
import type { Cluster } from "./cluster_gateways.ts";
import type { Fetched } from "./_gateway.ts";

/** Fields of a response that each gateway makes for itself. */
const OWN_FIELDS: ReadonlySet<string> = new Set(["age", "cache-status", "x-request-id"]);

/** A response as it came from the origin. */
function shownOf({ status, headers, bytes }: Fetched) {
  const fields = [...headers].filter(([name]) => !OWN_FIELDS.has(name));
  return { status, fields, body: [...bytes] };
}

/** Documents, pictures and redirects of all sizes, by the target: `/sized/BYTES/…`, `/moved`. */
export const catalogue: ScriptedHandler = async (exchange) => {
  const [, kind, size = "0"] = exchange.head.target.split("/");
  if (kind === "moved") {
    return await exchange.reply({ status: 301, fields: [["location", "/x"], ["cache-control", "max-age=600"]] });
  }
  const body = Uint8Array.from(
    { length: Number(size) },
    (_, at) => (at * 31 + (at >> 8) * 7 + exchange.head.target.length) & 255,
  );
  await exchange.reply({
    fields: [
      ...[["cache-control", "max-age=3600"], ["content-type", "image/png"], ["etag", '"abc"']] as const,
      ...[["surrogate-key", `all size:${size}`], ["x-twice", "one"], ["x-twice", "ü"]] as const,
    ].map(([name, value]) => [name, value]),
    body,
  });
};

/** Targets asked once of each gateway reach the origin once each, and each gateway answers with the same bytes. */
export async function sharesTargets(cluster: Cluster, count: number): Promise<void> {
  const sizes = [0, 100, 5_000, 90_000, 300_000, 1_000_000];
  const before = cluster.origin.heads.length;
  for (let n = 0; n < count; n++) {
    const target = n % 7 === 6 ? `/moved/${n}` : `/sized/${sizes[n % sizes.length]}/${n}`;
    const order = cluster.gateways.map((_, index) => (index + n) % cluster.gateways.length);
    const [first, ...others] = order;
    const expected = await cluster.ask(first!, target, { redirect: "manual" });
    assert.match(expected.cacheStatus, /fwd=uri-miss; stored/, target);
    for (const gateway of others) {
      const found = await cluster.ask(gateway, target, { redirect: "manual" });
      assert.match(found.cacheStatus, /; hit; ttl=\d+; detail=shared$/, `${target} at gateway ${gateway}`);
      assert.deepEqual(shownOf(found), shownOf(expected));
      assert.match((await cluster.ask(gateway, target, { redirect: "manual" })).cacheStatus, /detail=memory/);
    }
  }
  assert.equal(cluster.origin.heads.length - before, count);
}

/** An origin that answers `/slow…` only when it is told to; `/slow/private…`, `/slow/large…` are not to be shared. */
export function slowOrigin() {
  const held: (() => void)[] = [];
  const handler: ScriptedHandler = async (exchange) => {
    const { target } = exchange.head;
    const cacheControl = target.includes("private") ? "private, max-age=60" : "max-age=3600";
    if (target.startsWith("/slow")) {
      await Promise.race([new Promise<void>((resolve) => held.push(resolve)), exchange.left]);
    }
    if (!target.includes("large")) {
      return await exchange.reply({ fields: [["cache-control", cacheControl]], body: `this is ${target}` });
    }
    // Its head comes at once, its body when it is told to.
    await exchange.write(`HTTP/1.1 200 OK\r\ncache-control: ${cacheControl}\r\ncontent-length: 2000000\r\n\r\n`);
    await Promise.race([new Promise<void>((resolve) => held.push(resolve)), exchange.left]);
    await exchange.write(new Uint8Array(2_000_000));
  };
  return { handler, held, release: () => held.splice(0).forEach((go) => go()) };
}

/** Cold requests at all gateways at one time reach the origin once. */
export async function fetchesOnce(
  cluster: Cluster,
  origin: ReturnType<typeof slowOrigin>,
  { rounds, requests }: { readonly rounds: number; readonly requests: number },
): Promise<void> {
  for (let round = 0; round < rounds; round++) {
    const target = `/slow/${crypto.randomUUID()}`;
    const asking = Array.from({ length: requests }, (_, n) => cluster.ask(n % cluster.gateways.length, target));
    await eventually("all of them wait", async () => {
      const { gateways } = cluster;
      const inFlight = await Promise.all(gateways.map(async (one) => (await one.status()).listeners[0]!.in_flight));
      return origin.held.length > 0 && inFlight.reduce((sum, n) => sum + n) === requests;
    });
    origin.release();
    const answers = await Promise.all(asking);
    assert.deepEqual([...new Set(answers.map(({ bytes }) => new TextDecoder().decode(bytes)))], [`this is ${target}`]);
    assert.equal(cluster.asked(target), 1, `round ${round}`);
  }
}

/** What the tier has counted at a gateway, as `/metrics` says it. */
export async function sharedCount(cluster: Cluster, gateway: number, series: string): Promise<number> {
  const text = await (await fetch(`${cluster.gateways[gateway]!.adminUrl}/metrics`)).text();
  const line = text.split("\n").find((one) => one.startsWith(`usher_shared_${series} `));
  assert.ok(line !== undefined, `no series usher_shared_${series}`);
  return Number(line.split(" ")[1]);
}

/** How requests went. */
export interface Times {
  readonly asked: number;
  /** Without a whole answer of status 200. */
  readonly failed: number;
  readonly p50Ms: number;
  readonly p95Ms: number;
}

/** Asks a gateway at a steady pace, whether or not answers come, and waits for all of them. */
export async function timesAt(
  cluster: Cluster,
  gateway: number,
  { seconds, perSecond, targetOf }: {
    readonly seconds: number;
    readonly perSecond: number;
    readonly targetOf: (n: number) => string;
  },
): Promise<Times> {
  const took: number[] = [];
  let failed = 0;
  const ask = async (n: number) => {
    const beganMs = performance.now();
    const answer = await cluster.ask(gateway, targetOf(n)).catch(() => null);
    if (answer?.status === 200) took.push(performance.now() - beganMs);
    else failed++;
  };
  const asking: Promise<void>[] = [];
  const beganMs = performance.now();
  while (performance.now() - beganMs < seconds * 1_000) {
    asking.push(ask(asking.length));
    const nextMs = beganMs + asking.length * 1_000 / perSecond;
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, nextMs - performance.now())));
  }
  await Promise.all(asking);
  took.sort((a, b) => a - b);
  const at = (part: number) => took[Math.min(took.length - 1, Math.floor(took.length * part))] ?? NaN;
  return { asked: asking.length, failed, p50Ms: at(0.5), p95Ms: at(0.95) };
}

/** Ways in which an engine is of no use, and back. */
export const ENGINE_TROUBLES: ReadonlyArray<{
  readonly name: string;
  readonly begin: (cluster: Cluster) => Promise<unknown> | void;
  readonly end: (cluster: Cluster) => Promise<unknown> | void;
}> = [
  { name: "hung", begin: ({ redis }) => redis.pause(), end: ({ redis }) => redis.resume() },
  { name: "killed", begin: ({ redis }) => redis.kill(), end: ({ redis }) => redis.restart() },
  {
    name: "full",
    begin: ({ redis }) => redis.command("CONFIG", "SET", "maxmemory", 1),
    end: ({ redis }) => redis.command("CONFIG", "SET", "maxmemory", 0),
  },
];

/** Times of misses and of hits at the first gateway. */
export interface TroubleTimes {
  readonly trouble: string;
  readonly misses: Times;
  readonly hits: Times;
}

/** Times before, in the first second of each trouble and after it, `seconds` each. */
export async function timesInTrouble(cluster: Cluster, seconds: number): Promise<TroubleTimes[]> {
  const times = async (trouble: string, length: number): Promise<TroubleTimes> => {
    const name = crypto.randomUUID();
    const [misses, hits] = await Promise.all([
      timesAt(cluster, 0, { seconds: length, perSecond: 50, targetOf: (n) => `/sized/1000/${name}/${n}` }),
      timesAt(cluster, 0, { seconds: length, perSecond: 50, targetOf: () => "/sized/1000/hit" }),
    ]);
    return { trouble, misses, hits };
  };
  await times("warm", 1);
  const found = [await times("none", seconds)];
  for (const { name, begin, end } of ENGINE_TROUBLES) {
    await begin(cluster);
    found.push(await times(`${name}, first second`, 1));
    found.push(await times(`${name}, after`, seconds));
    await end(cluster);
  }
  return found;
}

/** Requests a second that a gateway answers from memory, asked one after the other by several clients. */
export async function hitsASecond(
  url: string,
  { seconds, clients }: { seconds: number; clients: number },
): Promise<number> {
  let answered = 0;
  const untilMs = performance.now() + seconds * 1_000;
  await Promise.all(Array.from({ length: clients }, async () => {
    while (performance.now() < untilMs) {
      await (await fetch(url)).arrayBuffer();
      answered++;
    }
  }));
  return answered / seconds;
}
