import { changeFeedKeys } from "./change_feed_sections.ts";
import { connectionKeys } from "./connection_sections.ts";
import { resilienceKeys, upstreamLimitKeys } from "./resilience_sections.ts";

/** Keys of a pool that say what it does when upstreams are slow or fail, and when what they have has changed. */
export const poolKeys = { ...resilienceKeys, ...changeFeedKeys };

/** Keys of an upstream that say how it is reached, and how much it is given. */
export const upstreamKeys = { ...connectionKeys, ...upstreamLimitKeys };
