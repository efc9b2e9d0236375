import type { ChaosGateway } from "./chaos_gateway.ts";
import type { ChaosOrigin } from "./origin_faults.ts";
import type { Excuse, Timeline } from "./timeline.ts";
import type { Workshop } from "./workshop.ts";

/** What a fault works on. */
export interface World {
  readonly gateway: ChaosGateway;
  readonly origins: readonly ChaosOrigin[];
  readonly timeline: Timeline;
  readonly shop: Workshop;
  readonly random: () => number;
  /** Something went wrong that no response shows: it counts as wrong. */
  readonly complain: (what: string) => void;
}

/** One kind of fault. */
export interface Fault {
  readonly name: string;
  /** What it is, for people. */
  readonly about: string;
  /** What requests may fare meanwhile; nothing where the gateway promises to bear it. */
  readonly excuses: readonly Excuse[];
  /** The pools that it concerns; `null` is all. */
  readonly pools?: readonly string[];
  /** So long it is felt when it is over. */
  readonly afterMs: number;
  /** Faults of one track come one after the other, those of different tracks at the same time. */
  readonly track: "process" | "upstream" | "disk";
  /** How often it comes in one round of its track. */
  readonly weight?: number;
  /** Does it, for a time where it has one. */
  readonly inflict: (world: World, lastsMs: number) => Promise<void>;
}

/** Waits. */
export function wait(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Inflicts a fault within its window. */
export async function inflict(fault: Fault, world: World, lastsMs: number): Promise<void> {
  const { name, excuses, pools = null, afterMs } = fault;
  const close = world.timeline.open({ fault: name, excuses, pools }, afterMs);
  try {
    await fault.inflict(world, lastsMs);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    // A process that has ended by itself meanwhile is told of where it is started again.
    if (!/already terminated/.test(message)) world.complain(`${name}: ${message}`);
  } finally {
    close();
  }
}
