import { KEY_SEPARATOR } from "../cache/key.ts";
import { ageSeconds, ttlSeconds } from "../cache/policy/reuse.ts";
import type { StoredHead, Tier } from "../cache/stored_response.ts";
import type { ForwardReason } from "../forward_reason.ts";
import { forwardedStatus, hitStatus, withKey } from "../http/cache_status.ts";
import type { CacheResult } from "../metrics/gateway_metrics.ts";
import type { Exchange } from "./exchange.ts";
import type { LoggedNote } from "./request_log.ts";

/** The cache's part in a response: for `Cache-Status`, `Age`, the log and the counters. */
export interface CacheNote extends LoggedNote {
  /** Current age in seconds; `null` for a response that comes straight from an upstream. */
  readonly ageSeconds: number | null;
  /** The response may be served to other clients: it is stored, and not purged. */
  readonly isShared?: boolean;
}

/** How a hit counts, by the tier that had it. */
export const RESULT_OF_TIER: Readonly<Record<Tier, CacheResult>> = {
  memory: "hit_memory",
  disk: "hit_disk",
  shared: "hit_shared",
};

/** The note of a stored response. */
export function hitNote(exchange: Exchange, stored: StoredHead, result: CacheResult): CacheNote {
  const nowMs = exchange.services.clock.now();
  const detail = result === "hit_memory" ? "memory" : DETAILS[result] ?? null;
  const ttl = ttlSeconds(stored, nowMs);
  return {
    result,
    status: keyed(exchange, hitStatus(exchange.services.settings.name, ttl, detail)),
    ageSeconds: ageSeconds(stored, nowMs),
    isShared: !stored.isPurged,
    ttlSeconds: ttl,
  };
}

/** What `Cache-Status` says of where a response was found. */
const DETAILS: Partial<Record<CacheResult, string>> = { hit_disk: "kv", hit_shared: "shared" };

/** The note of a response that was derived from a stored one; `detail` says how. */
export function derivedNote(
  exchange: Exchange,
  stored: StoredHead,
  { tier, detail }: { readonly tier: Tier; readonly detail: string },
): CacheNote {
  const nowMs = exchange.services.clock.now();
  const ttl = ttlSeconds(stored, nowMs);
  return {
    result: RESULT_OF_TIER[tier],
    status: keyed(exchange, hitStatus(exchange.services.settings.name, ttl, detail)),
    ageSeconds: ageSeconds(stored, nowMs),
    isShared: true,
    ttlSeconds: ttl,
    detail,
  };
}

/** The facts of a request that went to an upstream. */
export interface ForwardFacts {
  readonly fwd: ForwardReason;
  readonly fwdStatus?: number | null;
  /** The response that was stored with it. */
  readonly stored?: StoredHead;
  /** A stored response that is served in place of the upstream's. */
  readonly served?: StoredHead;
  readonly collapsed?: boolean;
  readonly detail?: string | null;
  /** @default "miss" */
  readonly result?: CacheResult;
}

/** The note of a response for which an upstream was asked. */
export function forwardNote(exchange: Exchange, facts: ForwardFacts): CacheNote {
  exchange.fwd = facts.fwd;
  const nowMs = exchange.services.clock.now();
  const response = facts.stored ?? facts.served;
  const ttl = response === undefined ? null : ttlSeconds(response, nowMs);
  const detail = facts.detail ?? null;
  return {
    result: facts.result ?? "miss",
    status: forwardedStatus(exchange.services.settings.name, {
      fwd: facts.fwd,
      fwdStatus: facts.fwdStatus ?? null,
      ttlSeconds: ttl,
      stored: facts.stored !== undefined,
      collapsed: facts.collapsed ?? false,
      key: shownKey(exchange),
      detail,
    }),
    ageSeconds: response === undefined ? null : ageSeconds(response, nowMs),
    isShared: response !== undefined && !response.isPurged,
    ttlSeconds: ttl,
    fwdStatus: facts.fwdStatus,
    isStored: facts.stored !== undefined,
    detail,
  };
}

/** A hit's member, with the key where the listener shows it. */
function keyed(exchange: Exchange, status: string): string {
  const key = shownKey(exchange);
  return key === null ? status : withKey(status, key);
}

/** The key's parts, the listener's name first, separated by spaces; `null` where it is not shown, or there is none. */
function shownKey(exchange: Exchange): string | null {
  const { storing, policy } = exchange.tenant;
  if (!storing.statusKey || policy === null || exchange.private !== null) return null;
  return exchange.key.split(KEY_SEPARATOR).filter((part) => part !== "").join(" ");
}
