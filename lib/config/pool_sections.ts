import { changeFeedKeys } from "./change_feed_sections.ts";
import { connectionKeys } from "./connection_sections.ts";
import { resilienceKeys, upstreamLimitKeys } from "./resilience_sections.ts";
import { choice, duration, integer } from "./scalars.ts";
import { asMapping, list, section } from "./section.ts";

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
