import { ChaosGateway } from "../chaos/chaos_gateway.ts";
import { wait, type World } from "../chaos/fault.ts";
import { CheckedLoad, type Tally } from "../chaos/load.ts";
import { startChaosOrigin } from "../chaos/origin_faults.ts";
import { Planner } from "../chaos/plan.ts";
import { purgeSomething } from "../chaos/purges.ts";
import { Timeline, watchLag } from "../chaos/timeline.ts";
import { openWorkshop } from "../chaos/workshop.ts";
import { seededRandom } from "../seeded_random.ts";
import { type Figures, readFigures } from "./figures.ts";

/** How a soak goes. */
export interface SoakOptions {
  readonly minutes: number;
  readonly seed: number;
  readonly connections: number;
  /** Seconds between two looks. */
  readonly everySeconds: number;
  readonly said: (line: string) => void;
  readonly onFigures: (seconds: number, figures: Figures) => void;
}

/** What came of a soak. */
export interface SoakResult {
  readonly tally: Tally;
  /** Requests per second that one connection after the other could have made, and those that were made. */
  readonly capacity: number;
  readonly rate: number;
  readonly seconds: number;
}

/** So long the capacity is measured. */
const CALIBRATION_MS = 15_000;
const PURGE_MS = 5_000;
/** More than any machine answers. */
const NO_LIMIT = 1_000_000;

/** Holds half of the load that a gateway can bear here for a time, and looks at its figures. */
export async function runSoak(options: SoakOptions): Promise<SoakResult> {
  await using stack = new AsyncDisposableStack();
  const shop = stack.use(await openWorkshop({ keeps: false, isPlain: true }));
  const origins = [
    stack.adopt(await startChaosOrigin(), (origin) => origin.close()),
    stack.adopt(await startChaosOrigin(), (origin) => origin.close()),
  ] as const;
  const ca = `${shop.directory}/ca.pem`;
  await Deno.writeTextFile(ca, origins[1].ca);
  const plain = [origins[0].url, origins[1].url] as const;
  const gateway = new ChaosGateway(shop, { plain, secure: origins[1].secureUrl, ca });
  await gateway.start();
  stack.defer(async () => void await gateway.end("SIGTERM"));
  const timeline = new Timeline();
  stack.use(watchLag(timeline));
  const planner = new Planner(seededRandom(options.seed));
  const common = { ...options, port: gateway.port, planner, timeline };
  const before = new CheckedLoad({ ...common, rate: NO_LIMIT });
  await wait(CALIBRATION_MS);
  const capacity = (await before.stop()).sent / (CALIBRATION_MS / 1000);
  const rate = Math.max(1, Math.round(capacity / 2));
  options.said(`Capacity ${Math.round(capacity)} requests a second with this client; ${rate} from now on`);
  const startedMs = Date.now();
  const load = new CheckedLoad({ ...common, rate });
  const complain = options.said;
  const world: World = { gateway, origins, timeline, shop, random: seededRandom(options.seed + 1), complain };
  const untilMs = startedMs + options.minutes * 60_000;
  await Promise.all([look(world, options, untilMs), purge(world, untilMs)]);
  const tally = await load.stop();
  return { tally, capacity, rate, seconds: (Date.now() - startedMs) / 1000 };
}

async function look({ gateway, shop }: World, options: SoakOptions, untilMs: number): Promise<void> {
  const startedMs = Date.now();
  while (Date.now() < untilMs) {
    await wait(options.everySeconds * 1000);
    options.onFigures((Date.now() - startedMs) / 1000, await readFigures(gateway, shop.dataDir));
  }
}

async function purge(world: World, untilMs: number): Promise<void> {
  const counts = new Map<string, number>();
  while (Date.now() < untilMs) {
    await wait(PURGE_MS);
    await purgeSomething(world, counts);
  }
}
