import { hash } from "node:crypto";
import { isMadeKey } from "../../cache/key.ts";
import { TAG_FILTER_AT, TRUST_AT } from "../../cache/flights/lease_table.ts";
import { createMemoryTier, type MemoryTier } from "../../cache/memory/memory_tier.ts";
import { PeerNotices } from "../../cache/flights/peer_notices.ts";
import { type PurgeRule, PurgeRules } from "../../cache/purge/purge_rules.ts";
import { newPurge, PurgeTable } from "../../cache/purge/purge_table.ts";
import type { StoredHead, StoredResponse } from "../../cache/stored_response.ts";
import { Trust } from "../../cache/purge/trust.ts";
import { TagFilter } from "../../cache/purge/tag_filter.ts";
import { primaryKeyOf } from "../../cache/variants.ts";
import { createTieredStore, type TieredStore } from "../../cache/tiered_store.ts";
import { systemClock } from "../../clock.ts";
import type { Config } from "../../config/config.ts";
import type { Logger } from "../../logging/logger.ts";
import { memoryShareBytes } from "../../gateway/memory_share.ts";
import type { InitMessage, TakeDisk, WorkerReport } from "../messages.ts";
import { Disk } from "./disk.ts";
import { SharedCache } from "./shared_cache.ts";

/** How long an unsafe request's response waits for the other workers; they answer within a millisecond unless they are stuck. */
const NOTICE_TIMEOUT_MS = 500;

/** Entries that are held against a purge to tell how many it names: some ten milliseconds. */
const MAX_LOOKED_AT = 20_000;

const TRIM_EVERY_MS = 5;

/** 48 bits of a key's digest. */
function numberOf(key: string): number {
  return parseInt(hash("sha256", key).slice(0, 12), 16);
}

function isVariantOf(response: StoredResponse, primaryKey: string): boolean {
  return response.selectedBy.length > 0 && !isMadeKey(response.key) && primaryKeyOf(response) === primaryKey;
}

/** One worker's store with all that keeps it in step with the other workers'. */
export class WorkerStore {
  readonly store: TieredStore;
  readonly disk: Disk;
  /** `null` where no other gateway shares anything. */
  readonly shared: SharedCache | null;
  readonly #memory: MemoryTier;
  readonly #purges: PurgeTable;
  readonly #peers: PeerNotices;
  #onForget: (key: string) => void = () => {};

  private constructor(disk: Disk, shared: SharedCache | null, init: InitMessage) {
    this.disk = disk;
    this.shared = shared;
    this.#purges = new PurgeTable(init.purges);
    this.#memory = createMemoryTier({ limitBytes: memoryShareBytes(init.config) });
    this.#peers = new PeerNotices({ timeoutMs: NOTICE_TIMEOUT_MS, onForget: (key) => this.#forget(key) });
    const known = new TagFilter(init.leaseMemory, TAG_FILTER_AT);
    this.store = createTieredStore({
      memory: this.#memory,
      disk: disk.below,
      purges: this.#purges,
      trust: init.config.cluster?.alone === "revalidate" ? new Trust(init.leaseMemory, TRUST_AT) : null,
      onPut: ({ tags }) => known.add(tags),
      onDelete: (key) => this.#peers.forget(key),
    });
  }

  /** Opens the tiers. */
  static async open(init: InitMessage, logger: Logger): Promise<WorkerStore> {
    return new WorkerStore(await Disk.open(init, logger), SharedCache.open(init.config, logger), init);
  }

  /** Takes the file that another process had until now. */
  async takeDisk({ kvPath, purgePosition: position }: TakeDisk): Promise<void> {
    if (await this.disk.take(kvPath)) return;
    // More was removed meanwhile than could be remembered.
    const nowMs = systemClock.now();
    this.#purges.add(newPurge({ kind: "all", listener: null }, { soft: false, nowMs, position }));
  }

  /** Settles when the other workers have forgotten what was deleted here so far, or do not answer. */
  forgotten(): Promise<void> {
    return this.#peers.settled();
  }

  /** Takes what a reload changes. */
  reconfigure(config: Config): void {
    this.disk.reconfigure(config);
    this.#memory.limit(memoryShareBytes(config));
    this.#trim();
  }

  /** Takes the port to another worker; `onForget` is told of the keys that it has deleted. */
  connect(peer: number, port: MessagePort, onForget: (key: string) => void): void {
    this.#onForget = onForget;
    this.#peers.connect(peer, port);
  }

  /** Waits for that worker no more. */
  disconnect(peer: number): void {
    this.#peers.disconnect(peer);
  }

  /**
   * The responses in memory that rules name and that are not gone yet, each by a number that is the same in every worker; `null` where too
   * many lie there for a look at all of them.
   */
  named(rules: readonly PurgeRule[]): readonly number[] | null {
    if (this.#memory.stats().entries > MAX_LOOKED_AT) return null;
    const asked = new PurgeRules(rules);
    const found: number[] = [];
    for (const { key, response } of this.#memory.entries()) {
      if (response.kind !== "response" && response.kind !== "part" || isMadeKey(key)) continue;
      if (asked.verdict(response).kind === "keep" || this.#purges.apply(response) === undefined) continue;
      found.push(numberOf(key));
    }
    return found;
  }

  /** What a key holds in this worker's memory, as purges leave it, and the look-ups that have found it; no use of it. */
  peek(key: string): { readonly response: StoredResponse; readonly hits: number } | undefined {
    const entry = this.#memory.peek(key);
    const response = entry && this.#purges.apply(entry.response);
    return response && { response, hits: entry.hits };
  }

  /** The head of what a key holds on the disk, as purges leave it; no use of it. */
  async peekOnDisk(key: string): Promise<StoredHead | undefined> {
    const head = await this.disk.tier?.peek(key);
    return head && this.#purges.apply(head);
  }

  /** Keys of the variants of a primary key that lie in this worker's memory, as far as a look at all of it is cheap. */
  variantKeys(primaryKey: string, limit: number): readonly string[] {
    if (this.#memory.stats().entries > MAX_LOOKED_AT) return [];
    const found: string[] = [];
    for (const { key, response } of this.#memory.entries()) {
      if (response.kind === "response" && key.startsWith(primaryKey) && isVariantOf(response, primaryKey)) {
        found.push(key);
      }
      if (found.length >= limit) break;
    }
    return found;
  }

  /** From its return on, nothing is answered that the rules purge. */
  purge(rules: readonly PurgeRule[]): void {
    for (const rule of rules) this.#purges.add(rule);
  }

  /** Whether the rules leave a response as it is. */
  keeps(response: StoredResponse): boolean {
    return this.#purges.apply(response) === response;
  }

  /** The store's part of a report. */
  figures(): Pick<WorkerReport, "memory" | "disk" | "diskProblem" | "shared" | "byListener" | "purgeRules"> {
    return {
      memory: this.#memory.stats(),
      disk: this.disk.tier?.stats() ?? null,
      diskProblem: this.disk.tier?.problem ?? null,
      shared: this.shared?.figures() ?? null,
      byListener: this.#holdings(),
      purgeRules: this.#purges.size,
    };
  }

  #holdings(): WorkerReport["byListener"] {
    const holdings: Record<string, WorkerReport["byListener"][string]> = {};
    for (const [name, { entries, bytes }] of this.#memory.usage()) {
      holdings[name] = { memoryEntries: entries, memoryBytes: bytes, diskBytes: 0 };
    }
    for (const [name, diskBytes] of Object.entries(this.disk.listenerBytes)) {
      holdings[name] = { ...holdings[name] ?? { memoryEntries: 0, memoryBytes: 0 }, diskBytes };
    }
    return holdings;
  }

  /** In small steps, between which requests are served. */
  #trim(): void {
    if (this.#memory.trim()) setTimeout(() => this.#trim(), TRIM_EVERY_MS);
  }

  #forget(key: string): void {
    this.#onForget(key);
    this.store.forget(key);
  }
}
