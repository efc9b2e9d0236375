import { type Fault, wait, type World } from "./fault.ts";
import { ORIGIN_FAULT_NAMES, ORIGIN_FAULTS, type OriginFault } from "./origin_faults.ts";

/** Faults that are seen only when a part of the content has been passed on. */
const IN_CONTENT: readonly OriginFault[] = ["slow-body", "stall-in-body", "reset-in-body", "truncated", "bad-chunks"];

/** So long an upstream may be out when its fault is over: ejections, their trials, checks. */
const RECOVERY_MS = 20_000;
/** The origin that has had a fault last, in each run. */
const last = new WeakMap<World["origins"], number>();

/** The next origin that has a fault: mostly the one before, else only when that is in again, or both would be out. */
async function oneOf({ origins, random }: World): Promise<number> {
  const before = last.get(origins) ?? 0;
  if (random() < 0.75) return before;
  await wait(RECOVERY_MS);
  last.set(origins, 1 - before);
  return 1 - before;
}

/** Each fault of one upstream of two: nothing but a broken-off large response is excused. And some of both. */
export const UPSTREAM_FAULTS: readonly Fault[] = [
  ...ORIGIN_FAULT_NAMES.map((name): Fault => ({
    name: `one upstream: ${name}`,
    about: ORIGIN_FAULTS[name],
    // What may be sent once only may have been with it.
    excuses: ["stale", "unsafe-error", ...IN_CONTENT.includes(name) ? ["cut"] as const : []],
    afterMs: 12_000,
    track: "upstream",
    async inflict(world, lastsMs) {
      const origin = world.origins[await oneOf(world)]!;
      await origin.have(name);
      await wait(lastsMs);
      await origin.have("none");
    },
  })),
  ...(["refused", "hang", "503", "truncated", "no-handshake"] as const).map((name): Fault => ({
    name: `both upstreams: ${name}`,
    about: ORIGIN_FAULTS[name],
    excuses: ["stale", "error", "cut"],
    afterMs: RECOVERY_MS,
    track: "upstream",
    async inflict({ origins }, lastsMs) {
      for (const origin of origins) await origin.have(name);
      await wait(lastsMs);
      for (const origin of origins) await origin.have("none");
    },
  })),
];
