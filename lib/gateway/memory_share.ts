import { MAX_ENTRY_SHARE } from "../cache/memory/memory_tier.ts";
import type { Config } from "../config/config.ts";
import { SHARES_PORTS } from "../server/listen_target.ts";

/** The settings that a worker's part of `cache.memory` follows from. */
type MemorySettings = Pick<Config, "server" | "cache">;

/** A worker's part of `cache.memory`, in bytes: all of it where only one of them serves. */
export function memoryShareBytes({ server, cache }: MemorySettings): number {
  const workers = SHARES_PORTS && server.reusePort !== false ? server.workers : 1;
  return Math.floor(cache.memoryBytes / workers);
}

/** The largest response, in bytes, that a worker holds in memory. */
export function largestInMemoryBytes(settings: MemorySettings): number {
  return Math.floor(memoryShareBytes(settings) * MAX_ENTRY_SHARE);
}

/** The largest body, in bytes, that is stored: without a disk tier, none that neither memory nor the tier that gateways share holds. */
export function largestStoredBytes(settings: MemorySettings): number {
  const { maxEntryBytes, diskBytes, shared } = settings.cache;
  if (diskBytes > 0) return maxEntryBytes;
  return Math.min(maxEntryBytes, Math.max(largestInMemoryBytes(settings), shared?.maxEntryBytes ?? 0));
}
