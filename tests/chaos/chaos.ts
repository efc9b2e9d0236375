import { seededRandom } from "../seeded_random.ts";
import { ChaosGateway } from "./chaos_gateway.ts";
import { wait, type World } from "./fault.ts";
import { CheckedLoad, type Tally } from "./load.ts";
import { type ChaosOrigin, type OriginReport, startChaosOrigin } from "./origin_faults.ts";
import { Planner } from "./plan.ts";
import { purgeSomething } from "./purges.ts";
import { inflictAll, type Inflicted } from "./schedule.ts";
import { Timeline, watchLag } from "./timeline.ts";
import { openWorkshop, type Workshop } from "./workshop.ts";

/** How a run goes. */
export interface ChaosOptions {
  readonly minutes: number;
  readonly seed: number;
  /** Requests per second, at most. */
  readonly rate: number;
  readonly connections: number;
  /** Names of faults that are left out. */
  readonly without: (name: string) => boolean;
  /** The files of the run stay. */
  readonly keeps: boolean;
  readonly said: (line: string) => void;
  /** Ends the run before its time; what came of it until then counts. */
  readonly signal: AbortSignal;
}

/** What came of a run. */
export interface ChaosResult {
  readonly tally: Tally;
  readonly seconds: number;
  readonly inflicted: readonly Inflicted[];
  readonly purges: ReadonlyMap<string, number>;
  /** What no response shows: a process that ended by itself, a worker that was not replaced. */
  readonly complaints: readonly string[];
  readonly origins: readonly OriginReport[];
  readonly leftOut: ReadonlyMap<string, string>;
  /** Requests that were sent again on a new connection, since the idle one had been closed. */
  readonly shop: Workshop;
}

/** Its name among what requests were lost by. */
export const RUNTIME_PANIC = "runtime ended over a damaged file";
/** So long a process takes to end by itself. */
const PANIC_MS = 5_000;
/** Between two purges. */
const PURGE_MS = 1_200;
/** So long everything has to be in order once the last fault is over. */
const CALM_MS = 12_000;

/** Runs the gateway under load while faults are inflicted on it, then for a while without. */
export async function runChaos(options: ChaosOptions): Promise<ChaosResult> {
  await using stack = new AsyncDisposableStack();
  const shop = stack.use(await openWorkshop({ keeps: options.keeps }));
  const origins = [await startOrigin(stack), await startOrigin(stack)] as const;
  const upstreams = {
    plain: [origins[0].url, origins[1].url] as const,
    secure: origins[1].secureUrl,
    ca: `${shop.directory}/ca.pem`,
  };
  await Deno.writeTextFile(upstreams.ca, origins[1].ca);
  const gateway = new ChaosGateway(shop, upstreams);
  await gateway.start();
  stack.defer(async () => void await gateway.end("SIGKILL"));
  const timeline = new Timeline();
  stack.use(watchLag(timeline));
  const complaints: string[] = [];
  const complain = (what: string) => {
    complaints.push(what);
    options.said(`! ${what}`);
  };
  gateway.onDeath = (code) => void revive(world, code);
  const world: World = { gateway, origins, timeline, shop, random: seededRandom(options.seed), complain };
  const startedMs = Date.now();
  const load = new CheckedLoad({
    ...options,
    port: gateway.port,
    planner: new Planner(seededRandom(options.seed + 1)),
    timeline,
  });
  const untilMs = startedMs + options.minutes * 60_000 - CALM_MS;
  const purges = new Map<string, number>();
  const stopped = new AbortController();
  const purging = purgeUntil({ ...world, random: seededRandom(options.seed + 2) }, purges, stopped.signal);
  const isLeftOut = (name: string) => shop.leftOut.has(name) || options.without(name);
  const inflicted = await inflictAll(world, {
    ...options,
    isOver: () => options.signal.aborted || Date.now() >= untilMs,
    without: isLeftOut,
  });
  await wait(CALM_MS);
  stopped.abort();
  await purging;
  const tally = await load.stop();
  const reports = await Promise.all(origins.map((origin) => origin.report()));
  for (const { repeated } of reports) for (const id of repeated) complain(`an unsafe request was sent twice: ${id}`);
  const code = await gateway.end("SIGTERM");
  if (code !== 0) complain(`at the end it ended with status ${code}`);
  const seconds = (Date.now() - startedMs) / 1000;
  return { tally, seconds, inflicted, purges, complaints, origins: reports, leftOut: shop.leftOut, shop };
}

async function startOrigin(stack: AsyncDisposableStack): Promise<ChaosOrigin> {
  return stack.adopt(await startChaosOrigin(), (origin) => origin.close());
}

/** Starts a process again that has ended by itself, as a service manager does. */
async function revive({ gateway, timeline, shop, complain }: World, code: number): Promise<void> {
  const close = timeline.open(
    { fault: RUNTIME_PANIC, excuses: ["unanswered", "cut"], pools: null, sinceMs: PANIC_MS },
    1_000,
  );
  timeline.ended();
  const log = (await Deno.readTextFile(shop.logPath)).slice(-3_000);
  // Deno KV ends the process where its own housekeeping meets a damaged file; nothing in the program can keep it from that.
  const isKnown = /denokv_sqlite[^]*malformed/.test(log);
  if (!isKnown) complain(`the process ended by itself with status ${code}: ${log.slice(-500)}`);
  const again = async () => {
    if (gateway.isDown) await gateway.start();
  };
  await gateway.inTurn(again).catch((error) => complain(String(error)));
  close();
}

async function purgeUntil(world: World, counts: Map<string, number>, stopped: AbortSignal): Promise<void> {
  while (!stopped.aborted) {
    await wait(PURGE_MS);
    await purgeSomething(world, counts);
  }
}
