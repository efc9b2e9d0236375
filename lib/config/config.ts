import type { AuthConfig, CorsConfig } from "./access_config.ts";
import type { ImageWorkerConfig, ListenerImagesConfig } from "./images_config.ts";
import type { ChangeFeedConfig } from "./change_feed_config.ts";
import type { PrewarmConfig } from "./prewarm_config.ts";
import type { ConnectionConfig } from "./connection_config.ts";
import type { StoringConfig } from "./storing_config.ts";
import type { ListenerLimitsConfig, PoolResilienceConfig } from "./resilience_config.ts";
import type { RewritingConfig } from "./rewriting_config.ts";
import type { RulesConfig } from "./rules_config.ts";
import type { TlsConfig } from "./tls_config.ts";

/** The whole configuration, checked, with every default filled in, frozen. Sizes are bytes and times milliseconds. */
export interface Config {
  readonly server: ServerConfig;
  readonly admin: AdminConfig;
  readonly logging: LoggingConfig;
  readonly cache: CacheConfig;
  readonly images: ImageWorkerConfig;
  readonly pools: readonly PoolConfig[];
  readonly listeners: readonly ListenerConfig[];
}

/** A host and port to listen on. */
export interface TcpAddress {
  readonly hostname: string;
  readonly port: number;
}

/** A unix socket to listen on. */
export interface UnixAddress {
  /** Absolute. */
  readonly path: string;
  /** Permission bits of the socket file: who may write to it may connect. */
  readonly mode: number;
}

/** An address to listen on. */
export type ListenAddress = TcpAddress | UnixAddress;

/** `server:` */
export interface ServerConfig {
  /** Pseudonym in `Via` and `Cache-Status`, key `name`. */
  readonly name: string;
  /** Serving workers; `auto` has become the number of cores. */
  readonly workers: number;
  /** Absolute path. */
  readonly dataDir: string;
  readonly shutdownGraceMs: number;
  /** How long a worker may stay silent before it is replaced, key `worker_timeout`. */
  readonly workerTimeoutMs: number;
  /** CIDR blocks whose `Forwarded` and `X-Forwarded-*` fields are believed, key `trusted_proxies`. */
  readonly trustedProxies: readonly string[];
  /** `auto`: every worker listens on every port where the system spreads connections; `false`: one of them does, key `reuse_port`. */
  readonly reusePort: "auto" | false;
  /** Pins serving workers: to the cores of this process (`true`) or to these, in turn; key `cpu_affinity`. */
  readonly cpuAffinity: boolean | readonly number[];
  readonly limits: ServerLimitsConfig;
}

/** `limits:` of the server: how long clients are waited for, and how much they may send. */
export interface ServerLimitsConfig {
  /** From the first byte of a request to the end of its fields. */
  readonly headTimeoutMs: number;
  readonly handshakeTimeoutMs: number;
  /** Between two requests of a connection. */
  readonly idleTimeoutMs: number;
  /** Grace of a request's content, after which `bodyBytesPerSecond` holds, and longest wait for more of it. */
  readonly bodyTimeoutMs: number;
  /** Key `body_rate`. */
  readonly bodyBytesPerSecond: number;
  readonly sendTimeoutMs: number;
  /** Connections of all workers together; `auto` goes by the descriptors that the process may have. */
  readonly maxConnections: number | "auto";
  /** Descriptors that `auto` leaves to upstreams and the disk. */
  readonly reserveDescriptors: number;
  /** Connections of one client address, of all workers together; 0 is no limit. */
  readonly perAddress: number;
  /** Field lines of a request. */
  readonly maxFields: number;
  /** All of them together, key `fields_size`. */
  readonly fieldsBytes: number;
  /** Key `target_size`. */
  readonly targetBytes: number;
  /** Requests that may wait on one connection. */
  readonly pipeline: number;
}

/** `admin:` */
export interface AdminConfig {
  readonly listen: TcpAddress;
  /** `null` where its connections are plain. */
  readonly tls: TlsConfig | null;
  /** `null` where none is set. */
  readonly token: string | null;
  /** Gateways that purges are passed on to. */
  readonly peers: readonly PeerConfig[];
}

/** One entry of `admin.peers`: another gateway's admin address. */
export interface PeerConfig {
  /** Without a slash at its end. */
  readonly url: string;
  /** `null` where it asks for none. */
  readonly token: string | null;
}

/** `logging:` */
export interface LoggingConfig {
  readonly level: "debug" | "info" | "warn" | "error";
  readonly format: "text" | "json";
  /** Which requests get an access line: all, those with status >= 500 or a failed attempt, or none. */
  readonly access: "all" | "errors" | "off";
}

/** `cache:` at the top level. */
export interface CacheConfig {
  /** Held by each serving worker, key `memory`. */
  readonly memoryBytes: number;
  /** Deno KV tier; 0 turns it off, key `disk`. */
  readonly diskBytes: number;
  /** Free bytes of the disk below which nothing more is stored on it, key `min_free_disk`. */
  readonly minFreeDiskBytes: number;
  /** Largest body that is stored, key `max_entry`. */
  readonly maxEntryBytes: number;
  /** Bodies on their way into the cache, all together, per worker, key `fill_memory`. */
  readonly fillMemoryBytes: number;
  /** How long a body may take to be stored where its length is not known, or its clients have left, key `fill_timeout`. */
  readonly fillTimeoutMs: number;
  /** How long a request waits for another's fetch of the same key to answer before it goes on its own, key `collapse_timeout`. */
  readonly collapseTimeoutMs: number;
  /** Go on filling the cache when the client that asked has left, key `background_fill`. */
  readonly backgroundFill: boolean;
}

/** One entry of `pools:`; the map's key is `name`. */
export interface PoolConfig {
  readonly name: string;
  readonly type: string;
  readonly strategy: string;
  readonly upstreams: readonly UpstreamConfig[];
  readonly timeouts: TimeoutsConfig;
  readonly resilience: PoolResilienceConfig;
  readonly health: HealthConfig;
  /** Keys of TMDB types; empty on others. */
  readonly apiKeys: readonly string[];
  readonly keyMode: "inject-missing" | "replace" | "pass";
  /** What upstreams of type `tmdb-image` are asked for, key `image_accept`. */
  readonly imageAccept: "named" | "negotiate";
  /** What all keys together, or each alone, may be given, by all workers; `null` for no limit, key `key_limits`. */
  readonly keyLimits: { readonly per: "pool" | "key"; readonly maxPerSecond: number; readonly burst: number } | null;
  /** `null` where changes are not looked up, key `change_feed`. */
  readonly changeFeed: ChangeFeedConfig | null;
  /** `null` where the type's own rule holds. */
  readonly contentTypes: ContentTypesConfig | null;
  /** Send the client's `Host` instead of the upstream's, key `preserve_host`. */
  readonly preserveHost: boolean;
  /** Which forwarding fields an upstream is told, key `forwarded`; `null` is the type's default. */
  readonly forwarded: "x-forwarded" | "forwarded" | "both" | "off" | null;
  /** Protocols that a connection may go on as; `null` is the type's default, key `upgrade`. */
  readonly upgrade: readonly "websocket"[] | null;
  readonly tunnels: TunnelsConfig;
}

/** `tunnels:` of a pool: limits of connections that go on as another protocol. */
export interface TunnelsConfig {
  /** Without a byte in either direction for so long, a tunnel is closed. */
  readonly idleMs: number;
  /** Tunnels at a time, in each serving worker. */
  readonly max: number;
}

/** One upstream; a bare URL in the file is `{ url }`. */
export interface UpstreamConfig extends ConnectionConfig {
  /** Name in status, logs and metrics, unique in its pool: the URL, and how it is reached where the pool has it twice. */
  readonly id: string;
  /** Scheme, authority and optional base path, without a slash at its end. */
  readonly url: string;
  /** 0 where only a rule asks it. */
  readonly weight: number;
  /** It is asked only when no other is fit. */
  readonly backup: boolean;
  /** PEM text of extra certificate authorities, key `ca` (a path in the file). */
  readonly ca: string | null;
  /** `Host` field sent, and TLS name asked for; `null` is the URL's own, key `host`. */
  readonly host: string | null;
  /** Address to connect to instead of looking the name up, key `resolve`. */
  readonly resolve: string | null;
  /** Connections at most, key `max_connections`. */
  readonly maxConnections: number;
  /** Requests at a time, of all workers; `null` for no limit, key `max_in_flight`. */
  readonly maxInFlight: number | null;
  /** Requests per second, of all workers; `null` for no limit, key `max_rps`. */
  readonly maxPerSecond: number | null;
}

/** `timeouts:` of a pool. */
export interface TimeoutsConfig {
  readonly connectMs: number;
  readonly firstByteMs: number;
  readonly idleMs: number;
  /** All tries of one request together, until the response's field section. */
  readonly totalMs: number;
}

/** `health:` of a pool; `null` in a key is the type's default. */
export interface HealthConfig {
  readonly enabled: boolean;
  readonly method: string | null;
  readonly path: string | null;
  readonly fields: Readonly<Record<string, string>>;
  /** Status ranges, such as [[200, 299]], key `status` (`200-299` or a list). */
  readonly status: ReadonlyArray<readonly [from: number, to: number]> | null;
  /** Text that the body must contain, key `contains`. */
  readonly contains: string | null;
  readonly intervalMs: number;
  /** Interval while the upstream is out, key `unhealthy_interval`. */
  readonly unhealthyIntervalMs: number;
  readonly timeoutMs: number;
  /** Good checks in a row that bring it back. */
  readonly rise: number;
  /** Failed checks in a row that take it out. */
  readonly fall: number;
  /** Failed requests in a row that take it out, key `max_failures`. */
  readonly maxFailures: number;
}

/** `content_types:` — media ranges such as `image/*`. */
export interface ContentTypesConfig {
  /** Empty allows all. */
  readonly allow: readonly string[];
  readonly deny: readonly string[];
  /** Whose content must be what it says; `null` is the type's own list. */
  readonly verify: readonly string[] | null;
}

/** One entry of `listeners:`. */
export interface ListenerConfig extends RewritingConfig, RulesConfig {
  readonly name: string;
  readonly listen: ListenAddress;
  /** Connections of trusted peers begin with a PROXY header, key `proxy_protocol`; the same for all listeners of an address. */
  readonly proxyProtocol: boolean;
  /** `null` where the address is plain; the listeners of an address all have it or none does. */
  readonly tls: TlsConfig | null;
  /** On a plain address: every request is sent to the same URL with `https`, key `redirect_to_https`; the same for all listeners of it. */
  readonly redirectToHttps: boolean;
  /** Largest request body that is passed on, key `max_request_body`. */
  readonly maxRequestBodyBytes: number;
  /** Fields that speak for a proxy and are passed on all the same, key `forward_fields`; lower case, sorted. */
  readonly forwardFields: readonly string[];
  /** Exact names and `*.example.com`; empty is any host. */
  readonly hosts: readonly string[];
  /** Begins with `/`, no slash at its end unless it is `/`. */
  readonly prefix: string;
  readonly stripPrefix: boolean;
  readonly pool: string;
  readonly cache: ListenerCacheConfig;
  /** `null` lets anybody use it. */
  readonly auth: AuthConfig | null;
  /** `null` is the type's default. */
  readonly cors: CorsConfig | null;
  readonly limits: ListenerLimitsConfig;
  /** Serve any stored response: never, while no upstream can answer, or always. */
  readonly offline: boolean | "auto";
  readonly prewarm: PrewarmConfig;
  readonly images: ListenerImagesConfig;
}

/** `cache:` of a listener. */
export interface ListenerCacheConfig extends StoringConfig {
  /** `null` is the type's default. */
  readonly mode: "rfc9111" | "ttl" | "off" | null;
  readonly rules: readonly CacheRuleConfig[];
  readonly query: QueryKeyConfig;
}

/** One rule; the first whose conditions all hold decides, keys it leaves out fall to the type's default. */
export interface CacheRuleConfig {
  /** Glob over the path as the upstream sees it: `*` within a segment, `**` across. */
  readonly path: string | null;
  /** Media range. */
  readonly contentType: string | null;
  readonly status: ReadonlyArray<readonly [from: number, to: number]> | null;
  readonly ttlMs: number | null;
  readonly minTtlMs: number | null;
  readonly maxTtlMs: number | null;
  readonly staleWhileRevalidateMs: number | null;
  readonly staleIfErrorMs: number | null;
  readonly memory: boolean;
  readonly disk: boolean;
}

/** Which query parameters are part of the cache key. */
export interface QueryKeyConfig {
  /** `null` takes all; names, `*` at the end allowed. */
  readonly include: readonly string[] | null;
  readonly exclude: readonly string[];
  /** Order does not matter. */
  readonly sort: boolean;
}
