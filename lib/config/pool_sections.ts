import { changeFeedKeys } from "./change_feed.ts";
import { connectionKeys } from "./connection_sections.ts";
import { resilienceKeys, upstreamLimitKeys } from "./resilience.ts";
import { choice, duration, flag, integer, scalar, Unusable } from "./yaml/scalars.ts";
import { asMapping, list, section } from "./yaml/section.ts";

const SECOND = 1000;
const DAY = 24 * 60 * 60 * SECOND;

const tunnelsSection = section({
  idle: duration(SECOND, DAY).prefault("5m").describe(
    "Without a byte in either direction for so long, a tunnel is closed.",
  ),
  max: integer(1, 1_000_000).prefault(1_000).describe("Tunnels at a time, in each serving worker; beyond them 503."),
});

const tunnelKeys = {
  upgrade: list(choice(["websocket"]), 1).optional().describe(
    "Protocols that a client's connection may go on as, tunnelled to an upstream that agrees; `[]` for none. " +
      "Default: `[websocket]` on type `custom`; others have none.",
  ),
  tunnels: asMapping(tunnelsSection).prefault({}).describe("Limits of these tunnels."),
};

/** Keys of a pool that say what it does when upstreams are slow or fail, when what they have has changed, and what is tunnelled. */
export const poolKeys = { ...resilienceKeys, ...changeFeedKeys, ...tunnelKeys };

/** Keys of an upstream that say how it is reached, and how much it is given. */
export const upstreamKeys = { ...connectionKeys, ...upstreamLimitKeys };

/** A number from zero on. */
function weight(max: number) {
  const expected = new Unusable(`a number from 0 to ${max}`);
  return scalar<number>({
    title: "number",
    json: { type: "number", minimum: 0, maximum: max },
    expected,
    interpolated: "value",
    read: (value) => typeof value === "number" && value >= 0 && value <= max ? value : expected,
  });
}

/** Keys of an upstream that say which part it plays in its pool. */
export const upstreamPartKeys = {
  weight: weight(1_000_000).prefault(1).describe(
    "Share of the requests, in proportion to the other weights; one with 0 is asked only where a rule names it.",
  ),
  backup: flag().prefault(false).describe("Ask it only when no other is fit: each is out, full, or has been tried."),
};
