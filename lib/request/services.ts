import type { Collapse } from "../cache/flights/collapse.ts";
import type { FillBudget } from "../cache/flights/fill.ts";
import type { InvalidationTable } from "../cache/flights/invalidation_table.ts";
import type { ValidationTable } from "../cache/flights/validation_table.ts";
import type { Store } from "../cache/store.ts";
import type { SharedTier } from "../cluster/shared_tier.ts";
import { type Clock, within } from "../clock.ts";
import type { ImageConverter } from "../image/conversion.ts";
import type { AccessLog } from "../logging/access_log.ts";
import type { ClientDetail } from "../logging/client_address.ts";
import type { Logger } from "../logging/logger.ts";
import type { RequestSight } from "./request_sight.ts";
import type { Tracer } from "../tracing/tracer.ts";
import type { Repeats } from "../logging/repeats.ts";

/** Everything the pipeline uses beside the snapshot; made once per worker, settings swapped with the snapshot. */
export interface Services {
  readonly store: Store;
  /** Responses that the gateways of a cluster share; `null` for a gateway alone. */
  readonly shared: SharedTier | null;
  readonly collapse: Collapse;
  /** Settles when the other workers have deleted what was deleted here so far, or do not answer. */
  readonly forgotten: () => Promise<void>;
  /** Records on disk that responses with these tags have changed, for all listeners of a type. */
  readonly recordWrite: (type: string, tags: readonly string[]) => void;
  /** Tells the other gateways of a cluster that what these keys stand for has changed; `forgotten` waits for that too. */
  readonly tellChanged: (keys: readonly string[]) => void;
  readonly budget: FillBudget;
  readonly background: BackgroundTasks;
  readonly invalidations: InvalidationTable;
  readonly validations: ValidationTable;
  readonly images: ImageConverter;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly sight: RequestSight;
  /** Warnings that come with requests, folded where they repeat themselves. */
  readonly repeats: Repeats;
  /** Makes ids for requests that bring none. */
  readonly nextRequestId: () => string;
  /** This process in `CDN-Loop` (RFC 8586): a request that carries it has passed this gateway before. */
  readonly instanceId: string;
  settings: Settings;
  /** `null` where nothing is traced. Swapped with the snapshot, as `settings` is. */
  tracer: Tracer | null;
}

/** The part of the configuration that the pipeline reads itself. */
export interface Settings {
  /** Pseudonym in `Via` and `Cache-Status`. */
  readonly name: string;
  readonly accessLog: AccessLog;
  /** How much of a client's address is shown in logs. */
  readonly clientDetail: ClientDetail;
  /** Whether an address belongs to a trusted proxy. */
  readonly isTrusted: (address: string) => boolean;
  readonly maxEntryBytes: number;
  /** Time for a body to come in where its length is not known, or no client reads it. */
  readonly fillTimeoutMs: number;
  readonly backgroundFill: boolean;
}

/** Work that goes on after its response: counted, bounded, its errors caught, waited for at the end. */
export class BackgroundTasks {
  readonly #running = new Set<Promise<void>>();
  readonly #limit: number;
  readonly #onError: (error: unknown) => void;

  constructor(limit: number, onError: (error: unknown) => void) {
    this.#limit = limit;
    this.#onError = onError;
  }

  /** Tasks under way. */
  get size(): number {
    return this.#running.size;
  }

  /** Whether one more optional task would be too many. */
  get isFull(): boolean {
    return this.#running.size >= this.#limit;
  }

  /** Counts a task until it ends. */
  add(task: Promise<unknown>): void {
    const running: Promise<void> = task.then(() => {}, this.#onError).finally(() => this.#running.delete(running));
    this.#running.add(running);
  }

  /** Waits for the tasks under way, and for those that begin meanwhile, at most `graceMs`. */
  async drain(graceMs: number): Promise<void> {
    const untilMs = performance.now() + graceMs;
    const ended = () => Promise.all(this.#running).then(() => true);
    while (this.#running.size > 0 && await within(ended(), untilMs - performance.now(), false));
  }
}
