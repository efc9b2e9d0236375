import { resolve } from "node:path";
import { cleanApiKey } from "./api_keys.ts";
import { buildChangeFeed } from "./build_change_feed.ts";
import { buildConnection, upstreamId } from "./build_connection.ts";
import { buildListener } from "./build_listener.ts";
import { buildResilience } from "./build_resilience.ts";
import type {
  CacheConfig,
  Config,
  HealthConfig,
  PoolConfig,
  ServerConfig,
  ServerLimitsConfig,
  UpstreamConfig,
} from "./config.ts";
import { buildImageWorker } from "./build_images.ts";
import { buildTls } from "./build_tls.ts";
import type { FileValues } from "./schema.ts";
import type { NamedFiles } from "./authorities.ts";

type PoolValues = FileValues["pools"][string];

/** What a configuration takes from the machine. */
export interface BuildOptions extends NamedFiles {
  readonly cores: number;
  /** Directory that relative paths start from, absolute. */
  readonly cwd: string;
}

/** Freezes a value and all that it holds. */
function deepFreeze<T>(value: T): T {
  if (typeof value === "object" && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const item of Object.values(value)) deepFreeze(item);
  }
  return value;
}

function buildServer(server: FileValues["server"], { cores, cwd }: BuildOptions): ServerConfig {
  return {
    name: server.name,
    workers: server.workers === "auto" ? Math.max(1, cores) : server.workers,
    dataDir: resolve(cwd, server.data_dir),
    shutdownGraceMs: server.shutdown_grace,
    workerTimeoutMs: server.worker_timeout,
    trustedProxies: server.trusted_proxies,
    reusePort: server.reuse_port,
    cpuAffinity: affinityOf(server.cpu_affinity),
    limits: buildServerLimits(server.limits),
  };
}

function affinityOf(cores: FileValues["server"]["cpu_affinity"]): ServerConfig["cpuAffinity"] {
  const numbers = cores.filter((core) => core !== "auto");
  return numbers.length < cores.length ? true : numbers.length > 0 && numbers;
}

function buildServerLimits(limits: FileValues["server"]["limits"]): ServerLimitsConfig {
  return {
    headTimeoutMs: limits.head_timeout,
    handshakeTimeoutMs: limits.handshake_timeout,
    idleTimeoutMs: limits.idle_timeout,
    bodyTimeoutMs: limits.body_timeout,
    bodyBytesPerSecond: limits.body_rate,
    sendTimeoutMs: limits.send_timeout,
    maxConnections: limits.max_connections,
    reserveDescriptors: limits.reserve_descriptors,
    perAddress: limits.per_address,
    maxFields: limits.max_fields,
    fieldsBytes: limits.fields_size,
    targetBytes: limits.target_size,
    pipeline: limits.pipeline,
  };
}

function buildCache(cache: FileValues["cache"]): CacheConfig {
  return {
    memoryBytes: cache.memory,
    diskBytes: cache.disk,
    minFreeDiskBytes: cache.min_free_disk,
    // The default shrinks with the tiers; a value from the file has been checked against them.
    maxEntryBytes: Math.min(cache.max_entry, Math.max(cache.memory, cache.disk)),
    fillMemoryBytes: cache.fill_memory,
    fillTimeoutMs: cache.fill_timeout,
    collapseTimeoutMs: cache.collapse_timeout,
    backgroundFill: cache.background_fill,
  };
}

/** The least time that a check and the interval of an upstream that is out have by default. */
const DEFAULT_CHECK_MS = 5000;

function buildHealth(health: PoolValues["health"]): HealthConfig {
  return {
    enabled: health.enabled,
    method: health.method ?? null,
    path: health.path ?? null,
    fields: { ...health.fields },
    status: health.status ?? null,
    contains: health.contains ?? null,
    intervalMs: health.interval,
    unhealthyIntervalMs: health.unhealthy_interval ?? Math.min(DEFAULT_CHECK_MS, health.interval),
    timeoutMs: health.timeout ?? Math.min(DEFAULT_CHECK_MS, Math.ceil(health.interval / 2)),
    rise: health.rise,
    fall: health.fall,
    maxFailures: health.max_failures,
  };
}

function buildUpstream(
  upstream: PoolValues["upstreams"][number],
  { authorities, certificates }: BuildOptions,
): Omit<UpstreamConfig, "id"> {
  return {
    url: upstream.url,
    weight: upstream.weight,
    backup: upstream.backup,
    ca: upstream.ca === undefined ? null : authorities.get(upstream.ca) ?? null,
    host: upstream.host ?? null,
    resolve: upstream.resolve ?? null,
    maxConnections: upstream.max_connections,
    ...buildConnection(upstream, { certificates }),
    maxInFlight: upstream.max_in_flight ?? null,
    maxPerSecond: upstream.max_rps ?? null,
  };
}

function buildPool(name: string, pool: PoolValues, options: BuildOptions): PoolConfig {
  const { connect, first_byte, idle, total } = pool.timeouts;
  return {
    name,
    type: pool.type,
    strategy: pool.strategy,
    upstreams: pool.upstreams.map((upstream) => ({
      ...buildUpstream(upstream, options),
      id: upstreamId(upstream, pool.upstreams),
    })),
    timeouts: { connectMs: connect, firstByteMs: first_byte, idleMs: idle, totalMs: total },
    resilience: buildResilience(pool),
    health: buildHealth(pool.health),
    apiKeys: [...new Set(pool.api_keys.map(cleanApiKey))].filter((key) => key !== ""),
    keyMode: pool.key_mode,
    imageAccept: pool.image_accept,
    keyLimits: buildKeyLimits(pool.key_limits),
    changeFeed: buildChangeFeed(pool),
    contentTypes: pool.content_types === undefined
      ? null
      : { ...pool.content_types, verify: pool.content_types.verify ?? null },
    preserveHost: pool.preserve_host,
    forwarded: pool.forwarded ?? null,
    upgrade: pool.upgrade ?? null,
    tunnels: { idleMs: pool.tunnels.idle, max: pool.tunnels.max },
  };
}

function buildKeyLimits(limits: FileValues["pools"][string]["key_limits"]): PoolConfig["keyLimits"] {
  return limits.enabled ? { per: limits.per, maxPerSecond: limits.max_rps, burst: limits.burst } : null;
}

/** The configuration that the values of a sound file mean, frozen. */
export function buildConfig(values: FileValues, options: BuildOptions): Config {
  return deepFreeze({
    server: buildServer(values.server, options),
    admin: {
      listen: values.admin.listen,
      tls: buildTls(values.admin.tls, options),
      token: values.admin.token ?? null,
      peers: values.admin.peers.map(({ url, token }) => ({ url, token: token ?? null })),
    },
    logging: values.logging,
    cache: buildCache(values.cache),
    images: buildImageWorker(values.images, options.cores),
    pools: Object.entries(values.pools).map(([name, pool]) => buildPool(name, pool, options)),
    listeners: values.listeners.map((listener) => buildListener(listener, values, options)),
  });
}
