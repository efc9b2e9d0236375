import type { Collapse } from "../cache/flights/collapse.ts";
import type { FillBudget } from "../cache/flights/fill.ts";
import type { InvalidationTable } from "../cache/flights/invalidation_table.ts";
import type { Store } from "../cache/store.ts";
import type { Clock } from "../clock.ts";
import type { ImageConverter } from "../image/conversion.ts";
import type { AccessPolicy } from "../logging/access_log.ts";
import type { Logger } from "../logging/logger.ts";
import type { BackgroundTasks } from "./background_tasks.ts";

/** What the pipeline works with beside the snapshot; made once per worker, settings swapped with the snapshot. */
export interface Services {
  readonly store: Store;
  readonly collapse: Collapse;
  /** Settles when the other workers have forgotten what was deleted here so far, or do not answer. */
  readonly forgotten: () => Promise<void>;
  /** Has it written down that what has these tags has changed on the listeners of a type, so that it holds after a restart too. */
  readonly recordWrite: (type: string, tags: readonly string[]) => void;
  readonly budget: FillBudget;
  readonly background: BackgroundTasks;
  readonly invalidations: InvalidationTable;
  readonly images: ImageConverter;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Makes ids for requests that bring none. */
  readonly nextRequestId: () => string;
  /** This process in `CDN-Loop` (RFC 8586): a request that carries it has been here before. */
  readonly instanceId: string;
  settings: Settings;
}

/** The part of the configuration that the pipeline reads itself. */
export interface Settings {
  /** Pseudonym in `Via` and `Cache-Status`. */
  readonly name: string;
  readonly access: AccessPolicy;
  /** Whether an address belongs to a trusted proxy. */
  readonly isTrusted: (address: string) => boolean;
  readonly maxEntryBytes: number;
  /** How long a body may take to come in where its length is not known, or nobody waits for it. */
  readonly fillTimeoutMs: number;
  readonly backgroundFill: boolean;
}
