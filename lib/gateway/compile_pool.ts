import type { Clock } from "../clock.ts";
import type { PoolConfig } from "../config/pool.ts";
import type { UpstreamConfig } from "../config/upstream.ts";
import type { Endpoint, PoolRuntime } from "../request/snapshot.ts";
import type { PoolCounts, UpstreamCounts } from "../metrics/gateway_metrics.ts";
import { BREAKER_DEFAULTS } from "../pool/local_breaker.ts";
import { Pool } from "../pool/pool.ts";
import type { Upstream } from "../pool/upstream.ts";
import { SLOW_START_DEFAULTS } from "../pool/upstream_health.ts";
import { createFetchTransport } from "../upstream_client/fetch_transport.ts";
import { createHttp1Transport, type Http1TransportOptions } from "../upstream_client/http1_transport.ts";
import type { Transport } from "../upstream_client/transport.ts";
import type { UpstreamType } from "../upstream_type/upstream_type.ts";
import type { Limits } from "./limits.ts";

/** A transport and what it was made from: it is used on for as long as that stays the same. */
export interface OwnedTransport {
  readonly signature: string;
  readonly transport: Transport;
}

/** What a pool's compilation takes from outside. */
export interface PoolDeps {
  readonly clock: Clock;
  /** The transport for an upstream: one that is in use already, or a new one. */
  readonly transportOf: (upstream: UpstreamConfig) => Transport;
  /** Counters for an upstream of the pool; the same object through all reloads. */
  readonly countsOf: (pool: string, upstream: string) => UpstreamCounts;
  /** Counters for the pool itself; the same object through all reloads. */
  readonly poolCountsOf: (pool: string) => PoolCounts;
  readonly limits: Limits;
  /** Called when this worker takes an upstream out by itself, or in again. */
  readonly onBreaker: (pool: string, upstream: Upstream) => void;
}

/** Compiles a pool. */
export function compilePool(config: PoolConfig, type: UpstreamType, deps: PoolDeps): PoolRuntime {
  const { resilience } = config;
  const pool = new Pool({
    name: config.name,
    strategy: config.strategy,
    upstreams: config.upstreams.map((upstream) => {
      const { id, url, weight, backup } = upstream;
      return { id, url, weight, backup, gate: deps.limits.gate(config.name, upstream) };
    }),
    breaker: { ...BREAKER_DEFAULTS, maxFailures: config.health.maxFailures },
    panic: resilience.panic,
    panicThreshold: resilience.panicThreshold,
    slowStart: { ...SLOW_START_DEFAULTS, windowMs: resilience.slowStartMs },
    onBreaker: (upstream) => deps.onBreaker(config.name, upstream),
  });
  return {
    ...config.sending,
    name: config.name,
    pool,
    endpoints: new Map(config.upstreams.map((upstream) => [upstream.id, endpointOf(config.name, upstream, deps)])),
    retries: deps.limits.retries(config),
    hedge: deps.limits.hedge(config),
    room: deps.limits.room(config),
    keyRoom: deps.limits.keyRoom(config, "anybody"),
    userKeyRoom: deps.limits.keyRoom(config, "users"),
    credentials: () => type.credentials(),
    counts: deps.poolCountsOf(config.name),
    inspectsContent: type.inspectsContent,
    upgrades: new Set(config.upgrade ?? defaultUpgrades(config, type)),
    tunnels: deps.limits.tunnels(config),
    uploads: deps.limits.uploads(config),
    passesTrace: config.traceContext ?? type.readsTraces,
  };
}

/** The transport that an upstream's configuration asks for. */
export function createTransport(config: UpstreamConfig, clock: Clock): Transport {
  const options = http1Options(config, clock);
  if (!config.http2) return createHttp1Transport(options);
  return createFetchTransport({ ...options, maxRequests: config.maxConnections });
}

/** How an upstream is reached over HTTP/1.1. */
export function http1Options(config: UpstreamConfig, clock: Clock): Http1TransportOptions {
  const { allowPrivate, maxConnections } = config;
  return {
    url: new URL(config.url),
    tlsName: config.host === null ? null : new URL(`http://${config.host}`).hostname,
    address: config.resolve,
    proxy: config.proxy === null ? null : new URL(config.proxy),
    caCerts: config.ca === null ? [] : [config.ca],
    clientCertificate: config.clientCertificate,
    allowPrivate,
    maxConnections,
    maxIdle: config.maxIdle ?? maxConnections,
    idleTimeoutMs: config.idleTimeoutMs,
    clock,
  };
}

/** What of an upstream's configuration makes its transport another one. */
export function transportSignature(config: UpstreamConfig): string {
  const { url, clientCertificate, ...rest } = config;
  const { id: _id, weight: _weight, backup: _backup, usher: _usher, ...reached } = rest;
  const { maxInFlight: _inFlight, maxPerSecond: _perSecond, ...transport } = reached;
  // With another key it is another certificate.
  return JSON.stringify([new URL(url).origin, clientCertificate?.cert ?? null, transport]);
}

/** Authority and base path of an upstream, as requests name it. */
export function requestBase(upstream: UpstreamConfig): { readonly host: string; readonly basePath: string } {
  const url = new URL(upstream.url);
  return { host: upstream.host ?? url.host, basePath: url.pathname.replace(/\/$/, "") };
}

function endpointOf(pool: string, upstream: UpstreamConfig, deps: PoolDeps): Endpoint {
  return {
    transport: deps.transportOf(upstream),
    ...requestBase(upstream),
    usher: upstream.usher,
    counts: deps.countsOf(pool, upstream.id),
  };
}

/** HTTP/2 knows no `Upgrade` (RFC 9113 §8.6): a pool with such an upstream carries WebSocket only where its operator says so. */
function defaultUpgrades({ upstreams }: PoolConfig, type: UpstreamType): readonly string[] {
  return upstreams.some(({ http2 }) => http2) ? [] : type.upgrades;
}
