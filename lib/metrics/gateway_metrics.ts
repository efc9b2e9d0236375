import { FORWARD_REASONS, type ForwardReason } from "../forward_reason.ts";
import { addNamed, type Counter, type CountsOf, type NamedCounts, newCounts } from "./counter_table.ts";
import { bucketOf, DURATION_BUCKETS_MS } from "./histogram.ts";

/** How the cache took part in a response. */
export const CACHE_RESULTS = [
  "hit_memory",
  "hit_disk",
  "hit_shared",
  "stale",
  "revalidated",
  "collapsed",
  "miss",
  "bypass",
  "none",
] as const;

/** One of {@linkcode CACHE_RESULTS}. */
export type CacheResult = typeof CACHE_RESULTS[number];

/** By first digit of the status; index 0 counts requests whose client left before the response. */
const CLASSES = ["499", "1xx", "2xx", "3xx", "4xx", "5xx"] as const;

const LISTENER = [
  { field: "requests" },
  {
    field: "inFlight",
    metric: "usher_requests_in_flight",
    isGauge: true,
    help: "Requests that are being answered",
  },
  {
    field: "byClass",
    metric: "usher_requests_total",
    by: "status",
    names: CLASSES,
    help: "Requests by listener and class of status; class 499 counts those whose client left first",
  },
  {
    field: "byCache",
    metric: "usher_cache_results_total",
    by: "result",
    names: CACHE_RESULTS,
    help: "Requests by listener and how the cache took part",
  },
  {
    field: "byReason",
    metric: "usher_forwarded_requests_total",
    by: "reason",
    names: FORWARD_REASONS,
    help: "Requests not answered from the store, by listener and reason (RFC 9211)",
  },
  { field: "responseBytes", metric: "usher_response_bytes_total", help: "Content bytes sent to clients" },
  {
    field: "durations",
    metric: "usher_request_duration_seconds",
    by: "result",
    names: CACHE_RESULTS,
    boundsMs: DURATION_BUCKETS_MS,
    sumField: "durationSumsMs",
    exemplarField: "exemplars",
    help: "Time from a request's arrival until its response was ready, or all sent where it came in piece by piece",
  },
  { field: "durationSumsMs", names: CACHE_RESULTS },
  { field: "exemplars", holdsExemplars: true },
  {
    field: "queued",
    metric: "usher_listener_queue_total",
    labels: { result: "waited" },
    help: "Requests that waited under max_in_flight, and those refused with 503",
  },
  { field: "turnedAway", metric: "usher_listener_queue_total", labels: { result: "refused" } },
  {
    field: "shed",
    metric: "usher_listener_shed_total",
    help:
      "Requests refused with 503: they would have had to wait for too long for a worker that had more to fetch than it could",
  },
  {
    field: "conversions",
    metric: "usher_image_conversions_total",
    by: "result",
    help: "Conversions of pictures by what became of them; what is not done is served as it is",
  },
  {
    field: "rateLimited",
    metric: "usher_rate_limited_total",
    help: "Requests refused with 429: their client's quota was spent",
  },
  {
    field: "clients",
    metric: "usher_client_requests_total",
    by: "client",
    help: "Requests with a valid token, by listener and the name of the client",
  },
  {
    field: "clientHits",
    metric: "usher_client_hits_total",
    by: "client",
    help: "Requests with a valid token that the cache answered, by listener and the name of the client",
  },
  {
    field: "clientBytes",
    metric: "usher_client_response_bytes_total",
    by: "client",
    help: "Content bytes sent to clients with a valid token, by listener and the name of the client",
  },
  {
    field: "unauthorized",
    metric: "usher_auth_failures_total",
    labels: { result: "refused" },
    help: "Requests without a valid token (401), and those of addresses that tried too many wrong ones (429)",
  },
  { field: "authBlocked", metric: "usher_auth_failures_total", labels: { result: "blocked" } },
] as const satisfies readonly Counter[];

const POOL = [
  {
    field: "retries",
    metric: "usher_retries_total",
    labels: { result: "made" },
    help: "Tries after a request's first, and those that the retry budget refused",
  },
  { field: "retriesRefused", metric: "usher_retries_total", labels: { result: "refused" } },
  {
    field: "hedges",
    metric: "usher_hedges_total",
    labels: { result: "sent" },
    help: "Second tries beside a late first one, and those that brought the answer",
  },
  { field: "hedgesWon", metric: "usher_hedges_total", labels: { result: "won" } },
  {
    field: "queued",
    metric: "usher_pool_queue_total",
    labels: { result: "waited" },
    help: "Requests that waited for an upstream with room, and those that did so in vain",
  },
  { field: "turnedAway", metric: "usher_pool_queue_total", labels: { result: "refused" } },
  {
    field: "credentialQueued",
    metric: "usher_key_queue_total",
    labels: { result: "waited" },
    help: "Requests that waited for a key with room, and those that did so in vain",
  },
  { field: "credentialTurnedAway", metric: "usher_key_queue_total", labels: { result: "refused" } },
] as const satisfies readonly Counter[];

const UPSTREAM = [
  { field: "outcomes", metric: "usher_upstream_tries_total", by: "outcome", help: "Tries at upstreams by outcome" },
  {
    field: "firstByte",
    metric: "usher_upstream_first_byte_seconds",
    boundsMs: DURATION_BUCKETS_MS,
    sumField: "firstByteSumMs",
    help: "Time from a try's start to the end of the answer's field section, of tries that were answered",
  },
  { field: "firstByteSumMs" },
  {
    field: "durations",
    metric: "usher_upstream_duration_seconds",
    boundsMs: DURATION_BUCKETS_MS,
    sumField: "durationSumMs",
    help: "Time from a try's start to the last byte of its answer, or to its failure; not of tries that were given up",
  },
  { field: "durationSumMs" },
  {
    field: "receivedBytes",
    metric: "usher_upstream_received_bytes_total",
    help: "Content bytes received from upstreams, as they were coded",
  },
] as const satisfies readonly Counter[];

const CREDENTIAL = [
  {
    field: "requests",
    metric: "usher_key_requests_total",
    help: "Tries at upstreams that a key of the pool was put into, by its place",
  },
  {
    field: "limited",
    metric: "usher_key_rejections_total",
    labels: { reason: "limited" },
    help: "Answers that said that a key is at its limit (429), or refused it (401)",
  },
  { field: "refused", metric: "usher_key_rejections_total", labels: { reason: "refused" } },
] as const satisfies readonly Counter[];

/** What became of a request to a forward proxy. */
export const PROXY_RESULTS = ["served", "tunnel", "client", "token", "target", "address", "full", "failed"] as const;

/** One of {@linkcode PROXY_RESULTS}. */
export type ProxyResult = typeof PROXY_RESULTS[number];

const FORWARD_PROXY = [
  {
    field: "byResult",
    metric: "usher_forward_proxy_requests_total",
    by: "result",
    names: PROXY_RESULTS,
    help:
      "Requests to forward proxies by what became of them: served here, passed on in a tunnel, or why they were not",
  },
  {
    field: "tunnels",
    metric: "usher_forward_proxy_tunnels",
    isGauge: true,
    help: "Tunnels to other hosts that are open, or are being opened",
  },
  { field: "bytes", metric: "usher_forward_proxy_bytes_total", help: "Bytes sent to clients through such tunnels" },
] as const satisfies readonly Counter[];

/** The tables by the member of {@linkcode WorkerCounts} that holds their counts, with the labels of its one or two levels of names. */
export const COUNTER_TABLES = {
  listeners: { counters: LISTENER, labels: ["listener"] },
  pools: { counters: POOL, labels: ["pool"] },
  upstreams: { counters: UPSTREAM, labels: ["pool", "upstream"] },
  credentials: { counters: CREDENTIAL, labels: ["pool", "key"] },
  forwardProxies: { counters: FORWARD_PROXY, labels: ["forward_proxy"] },
} as const;

/** Counters of one listener in one worker. */
export type ListenerCounts = CountsOf<typeof LISTENER>;

/** Counters of one pool in one worker. */
export type PoolCounts = CountsOf<typeof POOL>;

/** Counters of one upstream in one worker. */
export type UpstreamCounts = CountsOf<typeof UPSTREAM>;

/** Counters of one credential of a pool in one worker. */
export type CredentialCounts = CountsOf<typeof CREDENTIAL>;

/** Counters of one forward proxy in one worker. */
export type ForwardProxyCounts = CountsOf<typeof FORWARD_PROXY>;

/** Everything that one worker counts: plain data, sent to the supervisor as it is. */
export interface WorkerCounts {
  listeners: Record<string, ListenerCounts>;
  /** By pool. */
  pools: Record<string, PoolCounts>;
  /** By pool, then upstream id. */
  upstreams: Record<string, Record<string, UpstreamCounts>>;
  /** By pool, then the credential's place, from 1. */
  credentials: Record<string, Record<number, CredentialCounts>>;
  forwardProxies: Record<string, ForwardProxyCounts>;
}

/** No counters yet. The records inherit nothing: a listener or pool may be called `constructor`. */
export function newWorkerCounts(): WorkerCounts {
  return {
    listeners: Object.create(null),
    pools: Object.create(null),
    upstreams: Object.create(null),
    credentials: Object.create(null),
    forwardProxies: Object.create(null),
  };
}

/** Empty counters of a listener. */
export function newListenerCounts(): ListenerCounts {
  return newCounts(LISTENER);
}

/** Empty counters of a pool. */
export function newPoolCounts(): PoolCounts {
  return newCounts(POOL);
}

/** Empty counters of a forward proxy. */
export function newForwardProxyCounts(): ForwardProxyCounts {
  return newCounts(FORWARD_PROXY);
}

/** Counters of an upstream; made at the first call. */
export function upstreamCounts(counts: WorkerCounts, pool: string, upstream: string): UpstreamCounts {
  const ofPool = counts.upstreams[pool] ??= Object.create(null) as Record<string, UpstreamCounts>;
  return ofPool[upstream] ??= newCounts(UPSTREAM);
}

/** Counters of a credential, by its place; made at the first call. */
export function credentialCounts(counts: WorkerCounts, pool: string, place: number): CredentialCounts {
  const ofPool = counts.credentials[pool] ??= Object.create(null) as Record<number, CredentialCounts>;
  return ofPool[place] ??= newCounts(CREDENTIAL);
}

/** Index of a cache result in {@linkcode ListenerCounts.byCache}. */
export const CACHE_RESULT_INDEX: Readonly<Record<CacheResult, number>> = Object.fromEntries(
  CACHE_RESULTS.map((name, index) => [name, index]),
) as Record<CacheResult, number>;

/** Counts what became of a request to a forward proxy. */
export function countProxied(counts: ForwardProxyCounts, result: ProxyResult): void {
  counts.byResult[PROXY_RESULTS.indexOf(result)]!++;
}

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
  /** Where it was traced: it becomes the exemplar of its bucket. */
  readonly trace?: { readonly id: string; readonly atMs: number } | null;
}

const BUCKETS = DURATION_BUCKETS_MS.length + 1;

/** Counts a finished request. */
export function countRequest(counts: ListenerCounts, request: CountedRequest): void {
  counts.requests++;
  counts.byClass[Math.min(5, (request.status / 100) | 0)]!++;
  counts.responseBytes += request.bytes;
  if (request.fwd !== undefined && request.fwd !== null) counts.byReason[FORWARD_REASON_INDEX[request.fwd]]!++;
  const { durationMs, trace } = request;
  const result = CACHE_RESULT_INDEX[request.cache];
  const bucket = result * BUCKETS + bucketOf(DURATION_BUCKETS_MS, durationMs);
  counts.byCache[result]!++;
  counts.durations[bucket]!++;
  counts.durationSumsMs[result]! += durationMs;
  if (trace !== undefined && trace !== null) {
    counts.exemplars[bucket] = { traceId: trace.id, valueMs: durationMs, atMs: trace.atMs };
  }
}

/**
 * Buckets of how long requests took, all cache results together: what {@linkcode DURATION_BUCKETS_MS} bounds, not cumulative. The
 * difference of two such lists is what `quantileMs` takes for the time between them.
 */
export function durationBuckets({ durations }: ListenerCounts): number[] {
  const sums = Array.from({ length: BUCKETS }, () => 0);
  for (const [index, count] of durations.entries()) sums[index % BUCKETS]! += count;
  return sums;
}

/** Counts a finished request of a client with a name. */
export function countClient(counts: ListenerCounts, name: string, request: CountedRequest): void {
  const { clients, clientHits, clientBytes } = counts;
  clients[name] = (clients[name] ?? 0) + 1;
  clientBytes[name] = (clientBytes[name] ?? 0) + request.bytes;
  if (isHit(request.cache)) clientHits[name] = (clientHits[name] ?? 0) + 1;
}

const HITS: ReadonlySet<CacheResult> = new Set(["hit_memory", "hit_disk", "hit_shared", "stale", "collapsed"]);

/** Whether the cache answered. */
export function isHit(result: CacheResult): boolean {
  return HITS.has(result);
}

/** Requests that the cache answered. */
export function hitsOf({ byCache }: ListenerCounts): number {
  return CACHE_RESULTS.reduce((sum, result, index) => isHit(result) ? sum + byCache[index]! : sum, 0);
}

/** One ended try at an upstream, as it is counted. */
export interface CountedTry {
  readonly outcome: string;
  /** Until the field section; `null` where none came. */
  readonly firstByteMs: number | null;
  /** Until the last byte or the failure; `null` where that tells nothing: the client left, or had a tunnel. */
  readonly durationMs: number | null;
}

/** Counts a try at an upstream. */
export function countTry(counts: UpstreamCounts, { outcome, firstByteMs, durationMs }: CountedTry): void {
  counts.outcomes[outcome] = (counts.outcomes[outcome] ?? 0) + 1;
  if (firstByteMs !== null) {
    counts.firstByte[bucketOf(DURATION_BUCKETS_MS, firstByteMs)]!++;
    counts.firstByteSumMs += firstByteMs;
  }
  if (durationMs !== null) {
    counts.durations[bucketOf(DURATION_BUCKETS_MS, durationMs)]!++;
    counts.durationSumMs += durationMs;
  }
}

/** Adds one worker's counters to a sum, in place; the sum began as {@linkcode newWorkerCounts}. */
export function addCounts(sum: WorkerCounts, counts: WorkerCounts): void {
  for (const [member, { counters, labels }] of Object.entries(COUNTER_TABLES)) {
    const key = member as keyof typeof COUNTER_TABLES;
    addNamed(sum[key] as NamedCounts, counts[key] as NamedCounts, { counters, levels: labels.length });
  }
}
