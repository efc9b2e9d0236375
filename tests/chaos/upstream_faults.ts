import { type Fault, wait } from "./fault.ts";
import { ORIGIN_FAULT_NAMES, ORIGIN_FAULTS, type OriginFault } from "./origin_faults.ts";

/** Faults that are seen only when a part of the content has been passed on. */
const IN_CONTENT: readonly OriginFault[] = ["slow-body", "stall-in-body", "reset-in-body", "truncated", "bad-chunks"];

/** Each fault of one upstream of two: nothing but a broken-off large response is excused. And some of both. */
export const UPSTREAM_FAULTS: readonly Fault[] = [
  ...ORIGIN_FAULT_NAMES.map((name): Fault => ({
    name: `one upstream: ${name}`,
    about: ORIGIN_FAULTS[name],
    // What may be sent once only may have been with it.
    excuses: ["stale", "unsafe-error", ...IN_CONTENT.includes(name) ? ["cut"] as const : []],
    afterMs: 6_000,
    track: "upstream",
    async inflict({ origins, random }, lastsMs) {
      const origin = origins[random() < 0.5 ? 0 : 1]!;
      await origin.have(name);
      await wait(lastsMs);
      await origin.have("none");
    },
  })),
  ...(["refused", "hang", "503", "truncated", "no-handshake"] as const).map((name): Fault => ({
    name: `both upstreams: ${name}`,
    about: ORIGIN_FAULTS[name],
    excuses: ["stale", "error", "cut"],
    afterMs: 8_000,
    track: "upstream",
    async inflict({ origins }, lastsMs) {
      for (const origin of origins) await origin.have(name);
      await wait(lastsMs);
      for (const origin of origins) await origin.have("none");
    },
  })),
];
