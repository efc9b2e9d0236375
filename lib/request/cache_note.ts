import type { ForwardReason } from "../forward_reason.ts";
import type { StoredHead } from "../cache/stored_response.ts";
import { KEY_SEPARATOR } from "../cache/key.ts";
import { ageSeconds, ttlSeconds } from "../cache/policy/reuse.ts";
import { forwardedStatus, hitStatus, withKey } from "../http/cache_status.ts";
import type { CacheResult } from "../metrics/gateway_metrics.ts";
import type { Exchange } from "./exchange.ts";

/** How the cache took part in a response: for the `Cache-Status` and `Age` fields, the log and the counters. */
export interface CacheNote {
  readonly result: CacheResult;
  /** Our member of `Cache-Status` (RFC 9211). */
  readonly status: string;
  /** Current age in seconds; `null` for a response that comes straight from an upstream. */
  readonly ageSeconds: number | null;
  /** Others get the same response from the cache, or may; not where it was purged since. */
  readonly isShared?: boolean;
}

/** The note of a response that comes from the cache. */
export function hitNote(exchange: Exchange, stored: StoredHead, result: CacheResult): CacheNote {
  const nowMs = exchange.services.clock.now();
  const detail = result === "hit_memory" ? "memory" : result === "hit_disk" ? "kv" : null;
  return {
    result,
    status: keyed(exchange, hitStatus(exchange.services.settings.name, ttlSeconds(stored, nowMs), detail)),
    ageSeconds: ageSeconds(stored, nowMs),
    isShared: !stored.isPurged,
  };
}

/** The note of a response that was made of one in a tier; `detail` says how. */
export function derivedNote(
  exchange: Exchange,
  stored: StoredHead,
  { tier, detail }: { readonly tier: "memory" | "disk"; readonly detail: string },
): CacheNote {
  const nowMs = exchange.services.clock.now();
  return {
    result: tier === "memory" ? "hit_memory" : "hit_disk",
    status: keyed(exchange, hitStatus(exchange.services.settings.name, ttlSeconds(stored, nowMs), detail)),
    ageSeconds: ageSeconds(stored, nowMs),
    isShared: true,
  };
}

/** What is said of a request that went to an upstream. */
export interface ForwardFacts {
  readonly fwd: ForwardReason;
  readonly fwdStatus?: number | null;
  /** The response that was stored with it. */
  readonly stored?: StoredHead;
  /** A stored response that is served in place of the upstream's. */
  readonly served?: StoredHead;
  readonly collapsed?: boolean;
  readonly detail?: string | null;
  /** `miss` where nothing is said. */
  readonly result?: CacheResult;
}

/** The note of a response for which an upstream was asked. */
export function forwardNote(exchange: Exchange, facts: ForwardFacts): CacheNote {
  exchange.fwd = facts.fwd;
  const nowMs = exchange.services.clock.now();
  const kept = facts.stored ?? facts.served;
  return {
    result: facts.result ?? "miss",
    status: forwardedStatus(exchange.services.settings.name, {
      fwd: facts.fwd,
      fwdStatus: facts.fwdStatus ?? null,
      ttlSeconds: kept === undefined ? null : ttlSeconds(kept, nowMs),
      stored: facts.stored !== undefined,
      collapsed: facts.collapsed ?? false,
      key: shownKey(exchange),
      detail: facts.detail ?? null,
    }),
    ageSeconds: kept === undefined ? null : ageSeconds(kept, nowMs),
    isShared: kept !== undefined && !kept.isPurged,
  };
}

/** A hit's member, with the key where the listener tells it. */
function keyed(exchange: Exchange, status: string): string {
  const key = shownKey(exchange);
  return key === null ? status : withKey(status, key);
}

/** The key's parts, the listener's name first, with spaces between; `null` where it is not told, or there is none. */
function shownKey(exchange: Exchange): string | null {
  const { storing, policy } = exchange.tenant;
  if (!storing.statusKey || policy === null || exchange.private !== null) return null;
  return exchange.key.split(KEY_SEPARATOR).filter((part) => part !== "").join(" ");
}
