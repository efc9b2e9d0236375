import { DiskFilter } from "../../cache/disk/disk_filter.ts";
import type { DiskTier } from "../../cache/disk/disk_tier.ts";
import { createKvTier, type KvTier } from "../../cache/disk/kv_tier.ts";
import { LateDisk } from "../../cache/disk/late_disk.ts";
import { freeBytesBeside, logBytesBeside, markDamaged, openKvFile } from "../../cache/disk/kv_open.ts";
import { systemClock } from "../../clock.ts";
import type { Config } from "../../config/config.ts";
import type { Logger } from "../../logging/logger.ts";
import type { InitMessage } from "../messages.ts";

/** How often the figures of all workers together are read. */
const FIGURES_EVERY_MS = 2_000;

/** One worker's way to the disk: its connections to Deno KV, and the tier over them. */
export class Disk {
  #init: InitMessage;
  readonly #logger: Logger;
  readonly #quotas: DiskQuotas;
  /** What stands in for the tier where there is no file yet; `null` where there was one, or is not to be any. */
  readonly #late: LateDisk | null;
  #kvs: readonly Deno.Kv[];
  #tier: KvTier | null = null;
  #timer: ReturnType<typeof setInterval> | undefined;
  #listenerBytes: Readonly<Record<string, number>> = {};

  private constructor(init: InitMessage, kvs: readonly Deno.Kv[], logger: Logger) {
    this.#init = init;
    this.#logger = logger;
    this.#quotas = new DiskQuotas(init.config);
    this.#kvs = kvs;
    this.#begin(init.kvPath);
    this.#late = this.#tier === null && init.config.cache.diskBytes > 0 ? new LateDisk(systemClock) : null;
  }

  /** Opens what there is; a file that cannot be used is logged and leaves the memory tier alone. */
  static async open(init: InitMessage, logger: Logger): Promise<Disk> {
    const kvs = await openKvs(init.kvPath, logger);
    return new Disk(init, kvs, logger);
  }

  /** `null` where there is no disk tier, or not yet. */
  get tier(): KvTier | null {
    return this.#tier;
  }

  /** What the store keeps below memory, now or later; `null` where there is never a disk tier. */
  get below(): DiskTier | null {
    return this.#late ?? this.#tier;
  }

  /**
   * Takes the file that another process had until now; does nothing where there is one already. `false` where what it holds from before
   * may not be used, see {@linkcode LateDisk.take}.
   */
  async take(kvPath: string): Promise<boolean> {
    if (this.#kvs.length > 0) return true;
    this.#kvs = await openKvs(kvPath, this.#logger);
    this.#begin(kvPath);
    return this.#tier === null || (this.#late?.take(this.#tier) ?? true);
  }

  /** A connection for other uses than the cache; `undefined` where there is none. */
  get kv(): Deno.Kv | undefined {
    return this.#kvs[0];
  }

  /** Bytes on disk by listener, as last read. */
  get listenerBytes(): Readonly<Record<string, number>> {
    return this.#listenerBytes;
  }

  /** Takes what a reload changes: the limit, and the quotas of the listeners. A tier that is off stays off, one that is on stays on. */
  reconfigure(config: Config): void {
    this.#init = { ...this.#init, config };
    this.#tier?.limit(config.cache.diskBytes);
    this.#quotas.reconfigure(config);
  }

  /** Writes what waits, for at most `graceMs`, and lets go of the file: nothing is read or stored from then on. */
  async release(graceMs: number): Promise<void> {
    await this.#tier?.close(graceMs);
    this.close();
  }

  /** Closes the connections; the tier is closed by its store. */
  close(): void {
    clearInterval(this.#timer);
    for (const kv of this.#kvs) kv.close();
    this.#kvs = [];
  }

  #begin(kvPath: string | null): void {
    this.#tier = createTier({ ...this.#init, kvPath }, this.#kvs, { logger: this.#logger, quotas: this.#quotas });
    if (this.#tier !== null) this.#timer = setInterval(() => void this.#readFigures(), FIGURES_EVERY_MS);
  }

  async #readFigures(): Promise<void> {
    await this.#tier?.refresh();
    this.#listenerBytes = Object.fromEntries(await this.#tier?.usage() ?? []);
  }
}

/** One connection to read by and one to write by, so that reads don't wait behind writes; none where the file cannot be opened. */
async function openKvs(path: string | null, logger: Logger): Promise<Deno.Kv[]> {
  if (path === null) return [];
  const options = { clock: systemClock, log: logger };
  const opened = await Promise.all([openKvFile(path, options), openKvFile(path, options)]);
  return opened.flatMap((kv) => kv ?? []);
}

function createTier(
  { config, index, kvPath, diskFilter }: InitMessage,
  kvs: readonly Deno.Kv[],
  { logger, quotas }: { readonly logger: Logger; readonly quotas: DiskQuotas },
): KvTier | null {
  const [kv, writeKv] = kvs;
  const limitBytes = config.cache.diskBytes;
  if (kv === undefined || kvPath === null || limitBytes === 0) return null;
  const log = {
    warn: (message: string, fields?: Readonly<Record<string, unknown>>) =>
      logger.warn(message, fields as Record<string, string>),
  };
  return createKvTier({
    kv,
    writeKv,
    clock: systemClock,
    log,
    limitBytes,
    quotaBytes: quotas.of,
    minFreeBytes: config.cache.minFreeDiskBytes,
    freeBytes: () => freeBytesBeside(kvPath),
    logBytes: () => logBytesBeside(kvPath),
    onDamage: () => markDamaged(kvPath),
    filter: diskFilter === null ? undefined : new DiskFilter(diskFilter, index),
  });
}

/** How much each listener may hold on disk, as the configuration in force says. */
export class DiskQuotas {
  #bytes: ReadonlyMap<string, number>;

  constructor(config: Config) {
    this.#bytes = diskQuotasOf(config);
  }

  /** Takes the quotas of a reload; the writers and the janitor go by them from now on. */
  reconfigure(config: Config): void {
    this.#bytes = diskQuotasOf(config);
  }

  /** Bytes that a listener may hold; `null` where only `cache.disk` counts, and for a listener that is gone. */
  readonly of = (listener: string): number | null => this.#bytes.get(listener) ?? null;
}

/** The quotas that a configuration names, in bytes by listener. */
export function diskQuotasOf(config: Config): ReadonlyMap<string, number> {
  return new Map(
    config.listeners.flatMap(({ name, cache }) => cache.diskQuotaBytes === null ? [] : [[name, cache.diskQuotaBytes]]),
  );
}
