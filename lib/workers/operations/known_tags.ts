import { scanTags } from "../../cache/disk/kv_tags.ts";
import { TAG_FILTER_AT } from "../../cache/flights/lease_table.ts";
import { TagFilter } from "../../cache/purge/tag_filter.ts";
import type { Logger } from "../../logging/logger.ts";

/** Options of {@linkcode KnownTags}. */
export interface KnownTagsOptions {
  readonly kv: Deno.Kv | null;
  readonly logger: Logger;
  /** See `newLeaseMemory`. */
  readonly memory: SharedArrayBuffer;
}

/** Which tags may be stored: what workers note as they store, and what is on disk from before. */
export class KnownTags {
  readonly #options: KnownTagsOptions;
  readonly #filter: TagFilter;
  readonly #ending = new AbortController();
  #kv: Deno.Kv | null;
  #scan: Promise<void> | null = null;
  /** The disk could not be looked through: anything may be there. */
  #isUnknown = false;

  constructor(options: KnownTagsOptions) {
    this.#options = options;
    this.#kv = options.kv;
    this.#filter = new TagFilter(options.memory, TAG_FILTER_AT);
  }

  /** Whether something with this tag may be stored. */
  mayHold(tag: string): boolean {
    return this.#isUnknown || this.#filter.mayHold(tag);
  }

  /** Looks the disk through, once; settles when that is done. */
  whenKnown(): Promise<void> {
    return this.#scan ??= this.#look();
  }

  /** There is a disk now, with what it holds from before. */
  attach(kv: Deno.Kv): void {
    this.#kv = kv;
    // Until it is looked through.
    this.#isUnknown = true;
    this.#scan = this.#look();
  }

  /** Ends a look at the disk that is under way. */
  close(): void {
    this.#ending.abort();
  }

  async #look(): Promise<void> {
    const { logger } = this.#options;
    const kv = this.#kv;
    if (kv === null) return;
    try {
      await scanTags(kv, (tags) => this.#filter.add(tags), this.#ending.signal);
      this.#isUnknown = false;
    } catch (error) {
      this.#isUnknown = true;
      // The gateway ends, and lets go of KV.
      if (this.#ending.signal.aborted) return;
      logger.warn("The tags on disk cannot be read: every change is purged", { problem: String(error) });
    }
  }
}
