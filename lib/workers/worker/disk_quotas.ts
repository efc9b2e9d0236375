import type { Config } from "../../config/config.ts";

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
