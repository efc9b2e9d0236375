import { createHash } from "node:crypto";
import type { ListenerConfig } from "../config/listener.ts";
import type { PoolConfig } from "../config/pool.ts";
import type { UpstreamConfig } from "../config/upstream.ts";
import { Admission } from "../request/admission.ts";
import { ByteRate } from "../request/byte_rate.ts";
import { ClientRate } from "../request/client_rate.ts";
import { newClientMemory } from "../request/client_table.ts";
import { TurnQueue } from "../request/turn_queue.ts";
import { UploadPlaces } from "../request/upload_places.ts";
import { gateCells, SharedGate } from "../pool/shared_gate.ts";
import { HedgePolicy } from "../upstream_client/hedge.ts";
import { RETRY_BUDGET_DEFAULTS, RetryBudget } from "../upstream_client/retry_budget.ts";
import { RateShare } from "../rate_share.ts";
import { LimitMemory, newLimitMemory, shareCells } from "./limit_memory.ts";

/** What all workers hold their limits in. */
export interface SharedLimits {
  readonly limits: SharedArrayBuffer;
  readonly clients: SharedArrayBuffer;
  /** Serving workers. */
  readonly workers: number;
  /** Whether rates of keys and upstreams are shared with other gateways. */
  readonly sharesKeys?: boolean;
}

/** Memory of all limits, to be handed to every worker; `sharedSecret` is that of gateways that count clients together. */
export function newSharedLimits(workers: number, sharedSecret: string | null = null, sharesKeys = false): SharedLimits {
  return { limits: newLimitMemory(workers), clients: newClientMemory(sharedSecret), workers, sharesKeys };
}

/** Gives back what a worker that has died had under way; called by the supervisor. */
export function sweepLimits({ limits, workers }: SharedLimits, worker: number): void {
  new LimitMemory(limits, workers).sweep(worker, {
    // As many cells as a gate needs for the workers before it stand before its own.
    gate: (index) => [gateCells(index)],
    admission: (index) => [index, workers + index],
    // What is known of a key is nobody's own.
    key: () => [],
  });
}

/** Requests that may wait for an upstream with room, or for a key, for each pool and worker. */
const ROOM_QUEUE = 1_024;

/**
 * Everything of a snapshot that counts requests under way. What has the same name and limits in the snapshot after it is used on,
 * because requests under way end in what they began in.
 */
export class Limits {
  readonly #shared: SharedLimits;
  readonly #worker: number;
  readonly #memory: LimitMemory;
  readonly #before: ReadonlyMap<string, unknown>;
  readonly #kept = new Map<string, unknown>();

  constructor(shared: SharedLimits, worker: number, before: ReadonlyMap<string, unknown> = new Map()) {
    this.#shared = shared;
    this.#worker = worker;
    this.#memory = new LimitMemory(shared.limits, shared.workers);
    this.#before = before;
  }

  /** Those of the next snapshot. */
  next(): Limits {
    return new Limits(this.#shared, this.#worker, this.#kept);
  }

  /** What an upstream is given by all workers; nothing where it has no limits. */
  gate(pool: string, { id, maxInFlight, maxPerSecond }: UpstreamConfig): SharedGate | undefined {
    if (maxInFlight === null && maxPerSecond === null) return undefined;
    return this.#keep(
      ["gate", pool, id, maxInFlight, maxPerSecond],
      (name) => {
        const cells = this.#memory.cells(name, "gate");
        return new SharedGate(cells, { maxInFlight, maxPerSecond }, this.#place, this.#shareOf(cells));
      },
    );
  }

  /** What of a listener may be at upstreams; `null` where that has no limit. */
  admission({ name: listener, limits: { admission } }: ListenerConfig): Admission | null {
    if (admission === null) return null;
    return this.#keep(
      ["admission", listener, admission],
      (name) => new Admission(this.#memory.cells(name, "admission"), admission, this.#place),
    );
  }

  /** What each client of a listener may ask; `null` where that has no limit. */
  clientRate({ name: listener, limits: { rate } }: ListenerConfig): ClientRate | null {
    return rate === null ? null : new ClientRate(this.#shared.clients, { listener, ...rate });
  }

  /** What each client of a listener may be sent; `null` where that has no limit. */
  byteRate({ name, limits: { byteRate } }: ListenerConfig): ByteRate | null {
    // No listener is called so: names have no space.
    return byteRate === null ? null : new ByteRate(this.#shared.clients, { listener: `bytes of ${name}`, ...byteRate });
  }

  /** Different wrong tokens that an address may try at a listener in a minute. */
  wrongTokens(listener: string, requests: number): ClientRate {
    // No listener is called so: names have no space.
    const name = `tokens of ${listener}`;
    const perAddress = { perMs: 60_000, burst: requests, header: null, ipv4Prefix: 32, ipv6Prefix: 64 };
    return new ClientRate(this.#shared.clients, { listener: name, requests, ...perAddress });
  }

  /** A pool's retry budget. */
  retries({ name, resilience: { retryBudget } }: PoolConfig): RetryBudget {
    const options = { ...RETRY_BUDGET_DEFAULTS, ...retryBudget };
    return this.#keep(["retries", name, retryBudget], () => new RetryBudget(options));
  }

  /** A pool's open tunnels; they outlive reloads, as the connections do. */
  tunnels({ name }: PoolConfig): { open: number } {
    return this.#keep(["tunnels", name], () => ({ open: 0 }));
  }

  /** Clients' uploads to a pool; with other limits of connections they are counted anew. */
  uploads({ name, upstreams }: PoolConfig): UploadPlaces {
    const connections = upstreams.reduce((sum, { maxConnections }) => sum + maxConnections, 0);
    return this.#keep(["uploads", name, connections], () => new UploadPlaces(connections));
  }

  /** When a pool's requests are hedged; `null` for never. */
  hedge({ name, resilience: { hedge } }: PoolConfig): HedgePolicy | null {
    return hedge === null ? null : this.#keep(["hedge", name, hedge], () => new HedgePolicy(hedge));
  }

  /** Where requests of a pool wait for an upstream with room; with other upstreams nobody waits behind those for the old ones. */
  room({ name, upstreams }: PoolConfig): TurnQueue {
    const limits = upstreams.map(({ id, maxInFlight, maxPerSecond }) => [id, maxInFlight, maxPerSecond]);
    return this.#keep(["room", name, limits], () => new TurnQueue(ROOM_QUEUE));
  }

  /** Where requests of a pool, or those of users, wait for a key with room; with other keys nobody waits behind those for the old ones. */
  keyRoom({ name, apiKeys }: PoolConfig, whose: "anybody" | "users"): TurnQueue {
    const keys = createHash("sha256").update(JSON.stringify(apiKeys)).digest("base64url");
    return this.#keep(["key room", name, whose, keys], () => new TurnQueue(ROOM_QUEUE));
  }

  /** What all workers know of a pool's key, by its digest; it outlives reloads. */
  keyCells(pool: string, digest: string): Int32Array {
    const cells = this.#memory.cells(JSON.stringify(["key", pool, digest]), "key");
    this.#shareOf(cells);
    return cells;
  }

  /** The share of what is counted in these cells, with other gateways where there are any. */
  #shareOf(cells: Int32Array): RateShare {
    const share = new RateShare(shareCells(cells));
    if (this.#shared.sharesKeys === true) share.share();
    return share;
  }

  get #place() {
    return { worker: this.#worker, workers: this.#shared.workers };
  }

  #keep<T>(facts: readonly unknown[], make: (name: string) => T): T {
    const name = JSON.stringify(facts);
    const kept = (this.#kept.get(name) ?? this.#before.get(name) ?? make(name)) as T;
    this.#kept.set(name, kept);
    return kept;
  }
}
