import { FORWARD_REASONS, type ForwardReason } from "../forward_reason.ts";

/** How the cache took part in a response. */
export const CACHE_RESULTS = [
  "hit_memory",
  "hit_disk",
  "stale",
  "revalidated",
  "collapsed",
  "miss",
  "bypass",
  "none",
] as const;

/** One of {@linkcode CACHE_RESULTS}. */
export type CacheResult = typeof CACHE_RESULTS[number];

/** Upper bounds of the duration histogram, in milliseconds. */
export const DURATION_BUCKETS_MS = [1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000] as const;

/** Counters of one listener in one worker; plain numbers, so that counting costs an addition. */
export interface ListenerCounts {
  requests: number;
  /** By first digit of the status: index 1 to 5; index 0 counts requests whose client left before the response. */
  byClass: number[];
  responseBytes: number;
  /** By {@linkcode CACHE_RESULTS}. */
  byCache: number[];
  /** Requests for which an upstream was asked, or another request's answer awaited, by {@linkcode FORWARD_REASONS}. */
  byReason: number[];
  /** By {@linkcode DURATION_BUCKETS_MS}, with one more at the end for longer ones. Not cumulative. */
  durations: number[];
  durationSumMs: number;
  inFlight: number;
  /** Requests that waited for their turn under `max_in_flight`. */
  queued: number;
  /** Requests answered 503 because they waited in vain or too many waited. */
  turnedAway: number;
  /** Requests answered 429 because their client's quota was spent. */
  rateLimited: number;
  /** Conversions of pictures by what became of them; empty where the listener converts none. */
  conversions: Record<string, number>;
  /** Requests answered 401 because they showed no valid token. */
  unauthorized: number;
  /** Requests answered 429 because their address had tried too many wrong tokens. */
  authBlocked: number;
  /** Requests by the name of their client; the configuration bounds the names. */
  clients: Record<string, number>;
}

/** Counters of one pool in one worker. */
export interface PoolCounts {
  /** Tries after a request's first. */
  retries: number;
  /** Tries that were not made because the retry budget was spent. */
  retriesRefused: number;
  /** Second tries beside a late first one. */
  hedges: number;
  /** Those that brought the answer. */
  hedgesWon: number;
  /** Requests that waited for an upstream with room. */
  queued: number;
  /** Those that waited in vain, or could not wait because too many did. */
  turnedAway: number;
  /** Requests that waited for a credential that was at its limit. */
  credentialQueued: number;
  /** Those that waited in vain, or could not wait because too many did. */
  credentialTurnedAway: number;
}

/** Counters of one credential of a pool in one worker. */
export interface CredentialCounts {
  /** Tries that it was put into. */
  requests: number;
  /** Answers that said that it is at its limit (429). */
  limited: number;
  /** Answers that refused it (401). */
  refused: number;
}

/** Counters of one upstream in one worker. */
export interface UpstreamCounts {
  /** Tries by outcome name. */
  outcomes: Record<string, number>;
  latencySumMs: number;
}

/** Everything that one worker counts: plain data, sent to the supervisor as it is. */
export interface WorkerCounts {
  listeners: Record<string, ListenerCounts>;
  /** By pool. */
  pools: Record<string, PoolCounts>;
  /** By pool, then upstream id. */
  upstreams: Record<string, Record<string, UpstreamCounts>>;
  /** By pool, then the credential's place, from 1. */
  credentials: Record<string, Record<number, CredentialCounts>>;
}

/** No counters yet. The records inherit nothing: a listener or pool may be called `constructor`. */
export function newWorkerCounts(): WorkerCounts {
  return {
    listeners: Object.create(null),
    pools: Object.create(null),
    upstreams: Object.create(null),
    credentials: Object.create(null),
  };
}

/** Empty counters of a listener. */
export function newListenerCounts(): ListenerCounts {
  return {
    requests: 0,
    byClass: [0, 0, 0, 0, 0, 0],
    responseBytes: 0,
    byCache: CACHE_RESULTS.map(() => 0),
    byReason: FORWARD_REASONS.map(() => 0),
    durations: [...DURATION_BUCKETS_MS.map(() => 0), 0],
    durationSumMs: 0,
    inFlight: 0,
    queued: 0,
    turnedAway: 0,
    rateLimited: 0,
    conversions: Object.create(null),
    unauthorized: 0,
    authBlocked: 0,
    clients: Object.create(null),
  };
}

/** Empty counters of a pool. */
export function newPoolCounts(): PoolCounts {
  return {
    retries: 0,
    retriesRefused: 0,
    hedges: 0,
    hedgesWon: 0,
    queued: 0,
    turnedAway: 0,
    credentialQueued: 0,
    credentialTurnedAway: 0,
  };
}

/** Counters of a credential, by its place; made at the first call. */
export function credentialCounts(counts: WorkerCounts, pool: string, place: number): CredentialCounts {
  const ofPool = counts.credentials[pool] ??= Object.create(null) as Record<number, CredentialCounts>;
  return ofPool[place] ??= { requests: 0, limited: 0, refused: 0 };
}

/** Index of a cache result in {@linkcode ListenerCounts.byCache}. */
export const CACHE_RESULT_INDEX: Readonly<Record<CacheResult, number>> = Object.fromEntries(
  CACHE_RESULTS.map((name, index) => [name, index]),
) as Record<CacheResult, number>;

const FORWARD_REASON_INDEX = Object.fromEntries(
  FORWARD_REASONS.map((name, index) => [name, index]),
) as Readonly<Record<ForwardReason, number>>;

/** One finished request, as it is counted. */
export interface CountedRequest {
  readonly status: number;
  readonly bytes: number;
  readonly durationMs: number;
  readonly cache: CacheResult;
  /** Why it was not answered from the store; nothing where it was. */
  readonly fwd?: ForwardReason | null;
}

/** Counts a finished request. */
export function countRequest(counts: ListenerCounts, request: CountedRequest): void {
  counts.requests++;
  counts.byClass[Math.min(5, (request.status / 100) | 0)]!++;
  counts.responseBytes += request.bytes;
  counts.byCache[CACHE_RESULT_INDEX[request.cache]]!++;
  if (request.fwd !== undefined && request.fwd !== null) counts.byReason[FORWARD_REASON_INDEX[request.fwd]]!++;
  counts.durationSumMs += request.durationMs;
  let bucket = 0;
  while (bucket < DURATION_BUCKETS_MS.length && request.durationMs > DURATION_BUCKETS_MS[bucket]!) bucket++;
  counts.durations[bucket]!++;
}

/** Counts a finished request of a client with a name. */
export function countClient({ clients }: ListenerCounts, name: string): void {
  clients[name] = (clients[name] ?? 0) + 1;
}

/** Counts a try at an upstream. */
export function countTry(counts: UpstreamCounts, outcome: string, latencyMs: number): void {
  counts.outcomes[outcome] = (counts.outcomes[outcome] ?? 0) + 1;
  // How long a client stayed says nothing of the upstream.
  if (outcome !== "cancelled") counts.latencySumMs += latencyMs;
}

/** Adds one worker's counters to a sum, in place; the sum began as {@linkcode newWorkerCounts}. */
export function addCounts(sum: WorkerCounts, counts: WorkerCounts): void {
  for (const [name, listener] of Object.entries(counts.listeners)) {
    addListener(sum.listeners[name] ??= newListenerCounts(), listener);
  }
  for (const [name, pool] of Object.entries(counts.pools)) addPool(sum.pools[name] ??= newPoolCounts(), pool);
  for (const [pool, upstreams] of Object.entries(counts.upstreams)) {
    const pools = sum.upstreams[pool] ??= Object.create(null) as Record<string, UpstreamCounts>;
    for (const [id, upstream] of Object.entries(upstreams)) {
      addUpstream(pools[id] ??= { outcomes: {}, latencySumMs: 0 }, upstream);
    }
  }
  for (const [pool, credentials] of Object.entries(counts.credentials)) {
    for (const [place, credential] of Object.entries(credentials)) {
      addCredential(credentialCounts(sum, pool, Number(place)), credential);
    }
  }
}

function addListener(sum: ListenerCounts, counts: ListenerCounts): void {
  sum.requests += counts.requests;
  sum.responseBytes += counts.responseBytes;
  sum.durationSumMs += counts.durationSumMs;
  sum.inFlight += counts.inFlight;
  sum.queued += counts.queued;
  sum.turnedAway += counts.turnedAway;
  sum.rateLimited += counts.rateLimited;
  for (const [result, count] of Object.entries(counts.conversions)) {
    sum.conversions[result] = (sum.conversions[result] ?? 0) + count;
  }
  sum.unauthorized += counts.unauthorized;
  sum.authBlocked += counts.authBlocked;
  for (const [name, requests] of Object.entries(counts.clients)) {
    sum.clients[name] = (sum.clients[name] ?? 0) + requests;
  }
  addEach(sum.byClass, counts.byClass);
  addEach(sum.byCache, counts.byCache);
  addEach(sum.byReason, counts.byReason);
  addEach(sum.durations, counts.durations);
}

function addPool(sum: PoolCounts, counts: PoolCounts): void {
  sum.retries += counts.retries;
  sum.retriesRefused += counts.retriesRefused;
  sum.hedges += counts.hedges;
  sum.hedgesWon += counts.hedgesWon;
  sum.queued += counts.queued;
  sum.turnedAway += counts.turnedAway;
  sum.credentialQueued += counts.credentialQueued;
  sum.credentialTurnedAway += counts.credentialTurnedAway;
}

function addCredential(sum: CredentialCounts, counts: CredentialCounts): void {
  sum.requests += counts.requests;
  sum.limited += counts.limited;
  sum.refused += counts.refused;
}

function addUpstream(sum: UpstreamCounts, counts: UpstreamCounts): void {
  sum.latencySumMs += counts.latencySumMs;
  for (const [outcome, count] of Object.entries(counts.outcomes)) {
    sum.outcomes[outcome] = (sum.outcomes[outcome] ?? 0) + count;
  }
}

function addEach(sum: number[], values: readonly number[]): void {
  for (let index = 0; index < values.length; index++) sum[index] = (sum[index] ?? 0) + values[index]!;
}
