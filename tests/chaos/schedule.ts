import { integer, seededRandom } from "../seeded_random.ts";
import { CLIENT_FAULTS } from "./client_faults.ts";
import { DISK_FAULTS } from "./disk_faults.ts";
import { type Fault, inflict, wait, type World } from "./fault.ts";
import { PROCESS_FAULTS } from "./process_faults.ts";
import { UPSTREAM_FAULTS } from "./upstream_faults.ts";

/** All kinds of faults. */
export const FAULTS: readonly Fault[] = [...PROCESS_FAULTS, ...CLIENT_FAULTS, ...UPSTREAM_FAULTS, ...DISK_FAULTS];

/** Shortest and longest time of a fault, and between two of a track. */
const LASTS_MS = [1_500, 5_000] as const;
const GAP_MS = [500, 3_000] as const;

/** When what was done. */
export interface Inflicted {
  readonly fault: string;
  readonly fromMs: number;
  readonly toMs: number;
}

/** Which kinds of faults there are. */
export interface ScheduleOptions {
  readonly seed: number;
  /** Whether no further fault is to come. */
  readonly isOver: () => boolean;
  /** Names that are left out. */
  readonly without: (name: string) => boolean;
  readonly said: (line: string) => void;
}

/** Inflicts faults until the time is up, on three tracks side by side: each kind once, in an order that the seed gives, then again. */
export async function inflictAll(world: World, options: ScheduleOptions): Promise<Inflicted[]> {
  const done: Inflicted[] = [];
  const tracks = ["process", "upstream", "disk"] as const;
  await Promise.all(tracks.map((track, index) => {
    const faults = FAULTS.filter((fault) => fault.track === track && !options.without(fault.name));
    return runTrack({ ...world, random: seededRandom(options.seed * 7 + index) }, faults, options, done);
  }));
  return done;
}

async function runTrack(
  world: World,
  faults: readonly Fault[],
  options: ScheduleOptions,
  done: Inflicted[],
): Promise<void> {
  const { random } = world;
  const between = ([least, most]: readonly [number, number]) => least + integer(random, most - least);
  let bag: Fault[] = [];
  await wait(between(GAP_MS));
  while (!options.isOver() && faults.length > 0) {
    if (bag.length === 0) bag = shuffled(random, faults.flatMap((fault) => Array(fault.weight ?? 1).fill(fault)));
    const fault = bag.pop()!;
    const fromMs = Date.now();
    options.said(`${fault.name} …`);
    await inflict(fault, world, between(LASTS_MS));
    done.push({ fault: fault.name, fromMs, toMs: Date.now() });
    await wait(between(GAP_MS));
  }
}

function shuffled<T>(random: () => number, values: readonly T[]): T[] {
  const left = [...values];
  for (let at = left.length - 1; at > 0; at--) {
    const other = integer(random, at + 1);
    [left[at], left[other]] = [left[other]!, left[at]!];
  }
  return left;
}
