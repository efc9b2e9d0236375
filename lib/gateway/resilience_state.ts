import type { PoolRuntime, Snapshot } from "../request/snapshot.ts";
import type { BreakerState } from "../pool/local_breaker.ts";
import type { Upstream } from "../pool/upstream.ts";
import type { CredentialState } from "../upstream_type/upstream_type.ts";

/** How one worker's pools and listeners stand at this moment: plain data. */
export interface ResilienceState {
  /** By pool. */
  readonly pools: Readonly<Record<string, PoolState>>;
  /** Requests that wait for their turn under `max_in_flight`, by listener. */
  readonly waiting: Readonly<Record<string, number>>;
}

/** How one pool stands in one worker. */
export interface PoolState {
  /** Retries under way. */
  readonly retrying: number;
  /** Retries that wait for the budget. */
  readonly retriesWaiting: number;
  /** Requests that wait for an upstream with room. */
  readonly waiting: number;
  /** By upstream id. */
  readonly upstreams: Readonly<Record<string, UpstreamState>>;
  /** Requests that wait for a credential with room. */
  readonly waitingForKey: number;
  /** As all workers know them. */
  readonly credentials: readonly CredentialState[];
}

/** How one upstream stands in one worker. */
export interface UpstreamState {
  readonly inFlight: number;
  /** This worker's own breaker. */
  readonly breaker: BreakerState;
  /** The part of the pool's picks that it may expect, 0 to 1. */
  readonly share: number;
}

/** How a worker's pools and listeners stand. */
export function resilienceState({ pools, tenants }: Snapshot, nowMs: number): ResilienceState {
  return {
    pools: Object.fromEntries(pools.map((runtime) => [runtime.name, poolState(runtime, nowMs)])),
    waiting: Object.fromEntries(tenants.map(({ name, admission }) => [name, admission?.waiting ?? 0])),
  };
}

function poolState({ pool, retries, room, keyRoom, userKeyRoom, credentials }: PoolRuntime, nowMs: number): PoolState {
  const shares = pool.shares(nowMs);
  return {
    retrying: retries.retrying,
    retriesWaiting: retries.waiting,
    waiting: room.size,
    upstreams: Object.fromEntries(
      pool.upstreams.map((upstream, place) => [upstream.id, upstreamState(upstream, shares[place]!, nowMs)]),
    ),
    waitingForKey: keyRoom.size + userKeyRoom.size,
    credentials: credentials(),
  };
}

function upstreamState(upstream: Upstream, share: number, nowMs: number): UpstreamState {
  return { inFlight: upstream.inFlight, breaker: upstream.breakerState(nowMs), share };
}
