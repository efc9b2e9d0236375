import type { Invalidated } from "../cache/flights/invalidation_table.ts";
import type { CacheRequest, PolicyOptions } from "../cache/policy/policy_options.ts";
import type { StoredResponse, Tier } from "../cache/stored_response.ts";
import type { Sharing } from "../cluster/entry_names.ts";
import type { Field, Fields } from "../http/fields.ts";
import type { ForwardedPolicy } from "../http/forwarded.ts";
import type { WayBack } from "../http/way_back.ts";
import type { Conversion, Recipe } from "../image/conversion.ts";
import type { RouteTable } from "../listener/route_table.ts";
import type { ListenerCounts, PoolCounts, UpstreamCounts } from "../metrics/gateway_metrics.ts";
import type { Pool } from "../pool/pool.ts";
import type { Arrival } from "../server/arrival.ts";
import type { Reply } from "../server/reply.ts";
import type { TlsFront } from "../server/tls_identity.ts";
import type { HedgePolicy } from "../upstream_client/hedge.ts";
import type { BackoffOptions } from "../upstream_client/retry.ts";
import type { RetryBudget } from "../upstream_client/retry_budget.ts";
import type { Transport } from "../upstream_client/transport.ts";
import type { Span } from "../tracing/span.ts";
import type { FillPlan } from "../upstream_type/type_traits.ts";
import type { CredentialState, TypedRequest, UpstreamType } from "../upstream_type/upstream_type.ts";
import type { Admission } from "./admission.ts";
import type { ClientAuth, ClientIdentity } from "./client_auth.ts";
import type { ByteRate } from "./byte_rate.ts";
import type { ClientRate } from "./client_rate.ts";
import type { Cors } from "./cors.ts";
import type { Rewriting } from "./rewriting.ts";
import type { Rules, Ruling } from "./ruling.ts";
import type { Services } from "./services.ts";
import type { TurnQueue } from "./turn_queue.ts";
import type { UploadPlaces } from "./upload_places.ts";

/** One upstream, as requests are sent to it. */
export interface Endpoint {
  readonly transport: Transport;
  /** Base path of the upstream's URL, without a slash at its end; often empty. */
  readonly basePath: string;
  /** `Host` field, where the client's is not kept. */
  readonly host: string;
  /** It is another Usher: the two agree on which of them makes further tries. */
  readonly usher: boolean;
  readonly counts: UpstreamCounts;
}

/** How requests are sent to the upstreams of a pool, as it is configured. */
export interface SendingOptions {
  readonly connectMs: number;
  readonly firstByteMs: number;
  readonly idleMs: number;
  /** All tries of a request together, until a response's field section. */
  readonly totalMs: number;
  /** Tries at most. */
  readonly attempts: number;
  /** Pauses before the same upstream is asked again; `maxMs` bounds what `Retry-After` asks for too. */
  readonly backoff: BackoffOptions;
  /** Send the client's `Host` instead of the upstream's. */
  readonly preserveHost: boolean;
  /** Without a byte in either direction for so long, a tunnel is closed. */
  readonly tunnelIdleMs: number;
  /** Tunnels at a time, in this worker. */
  readonly maxTunnels: number;
}

/** A pool with what is needed to use it. */
export interface PoolRuntime extends SendingOptions {
  readonly name: string;
  readonly pool: Pool;
  /** By upstream id. */
  readonly endpoints: ReadonlyMap<string, Endpoint>;
  readonly retries: RetryBudget;
  /** `null` where nothing is hedged. */
  readonly hedge: HedgePolicy | null;
  /** Requests that wait while every upstream that is in is at its limit. */
  readonly room: TurnQueue;
  /** Requests that wait while every credential is at its limit. */
  readonly keyRoom: TurnQueue;
  /** The same for users' requests: they wait for one credential only, and must not delay those that any credential will do for. */
  readonly userKeyRoom: TurnQueue;
  /** State of the pool's credentials. */
  readonly credentials: () => readonly CredentialState[];
  readonly counts: PoolCounts;
  /** Whether first bytes are compared with the content type. */
  readonly inspectsContent: boolean;
  /** Protocols in lower case that a connection may go on as (RFC 9110 §7.8); empty for none. */
  readonly upgrades: ReadonlySet<string>;
  /** Tunnels that are open in this worker, or asked for; the same from one snapshot to the next. */
  readonly tunnels: { open: number };
  /** Clients' uploads that are under way in this worker. */
  readonly uploads: UploadPlaces;
  /** Whether its upstreams are told the trace of a request. */
  readonly passesTrace: boolean;
}

/** Whose trace a listener continues: that of trusted proxies, of any client, or of none. */
export type TraceTrust = "trusted" | "any" | "ignore";

/** A listener, compiled: everything a request needs that does not change from one to the next. */
export interface Tenant {
  readonly name: string;
  readonly prefix: string;
  readonly stripPrefix: boolean;
  readonly pool: PoolRuntime;
  readonly type: UpstreamType;
  /** `null` where nothing is cached. */
  readonly policy: PolicyOptions | null;
  readonly storing: StoringOptions;
  /** What its keys stand for, for gateways to share its responses; `null` where they do not. */
  readonly sharing: Sharing | null;
  /** `null` where pictures are served as they are. */
  readonly images: ConvertOptions | null;
  /** Sizes of pictures that upstreams are asked for in the place of others; `null` where they are asked as clients ask. */
  readonly sizing: SizingOptions | null;
  /** Reduces a query to its part in the key; `null` keeps all of it. */
  readonly filterQuery: ((query: string) => string) | null;
  readonly hostInKey: boolean;
  /** Stands in keys for every host that clients use, in lower case; `null` for theirs. */
  readonly keyHost: string | null;
  /** Largest request content that is passed on. */
  readonly maxRequestBodyBytes: number;
  readonly forwarded: ForwardedPolicy;
  /** Proxies' fields that are passed on to upstreams, in lower case and sorted; part of the key. */
  readonly forwardFields: readonly string[];
  /** Fields that every response of this listener gets. */
  readonly responseFields: readonly Field[];
  /** `null` where it is open to all clients. */
  readonly auth: ClientAuth | null;
  /** Whether a field carries a token of some listener, so that no upstream gets it; `null` where there are none. */
  readonly isToken: ((name: string, value: string) => boolean) | null;
  /** Whose trace is continued. */
  readonly traceTrust: TraceTrust;
  /** `null` where the upstream's own CORS fields are passed on. */
  readonly cors: Cors | null;
  readonly counts: ListenerCounts;
  /** `null` where requests at upstreams are not limited. */
  readonly admission: Admission | null;
  /** `null` where clients are not limited. */
  readonly clientRate: ClientRate | null;
  /** `null` where what clients are sent is not limited. */
  readonly byteRate: ByteRate | null;
  /** Bytes per second that a large response is sent at; `null` for as fast as its client takes it. */
  readonly paceBytes: number | null;
  /** Makes responses out of other stored ones before an upstream is asked; `null` for none. */
  readonly deriver: Deriver | null;
  /** Changes in documents when they are served; `null` for none. */
  readonly rewriting: Rewriting | null;
  /** Fills documents as {@linkcode Rewriting.fill} says; `null` where that is. */
  readonly filler: Filler | null;
  /** When a stored response of any age is served: never, while no upstream can answer (`auto`), or always. */
  readonly offline: boolean | "auto";
  /** Who is told where the time of a request went. */
  readonly serverTiming: "off" | "trusted" | "all";
  /** `null` where it has none. */
  readonly rules: Rules | null;
  /** The same listener over the other pools that its rules name. */
  readonly elsewhere: ReadonlyMap<string, Tenant>;
  /** Maps URLs of upstreams in response fields to the listener; `null` where none are mapped. */
  readonly wayBack: WayBack | null;
}

/** Options of a listening address. */
export interface ListenFacts {
  /** File and permission bits of a unix socket; `null` where the address is a host and port. */
  readonly unix: { readonly path: string; readonly mode: number } | null;
  /** Connections of trusted peers, and all over a unix socket, begin with a PROXY header. */
  readonly proxyProtocol: boolean;
  /** Certificates for TLS; `null` where connections are plain. */
  readonly tls: TlsFront | null;
  /** Every request is sent to the same URL with `https` on this port; `null` where they are served. */
  readonly httpsPort: number | null;
  /** What serves it as a forward proxy; `null` where listeners do. */
  readonly proxy: ForwardProxy | null;
}

/** What a forward proxy takes from the worker that it serves in. */
export interface ProxySurroundings {
  readonly services: Services;
  /** Serves a request as the listeners of an address do. */
  readonly serveAt: (address: string, arrival: Arrival) => Reply | Promise<Reply>;
  /** An address of the configuration as it is bound; `undefined` where it is not listened on here. */
  readonly boundAs: (address: string) => string | undefined;
}

/** Serves the requests of an address as a forward proxy does. */
export interface ForwardProxy {
  handle(arrival: Arrival, surroundings: ProxySurroundings): Reply | Promise<Reply>;
}

/** The compiled configuration that requests are served by: immutable, swapped as a whole. */
export interface Snapshot {
  readonly generation: number;
  /** By listen address, `host:port`, `[IPv6]:port` or `unix:/absolute/path`. */
  readonly tables: ReadonlyMap<string, RouteTable<Tenant>>;
  /** By the same addresses. */
  readonly listens: ReadonlyMap<string, ListenFacts>;
  readonly tenants: readonly Tenant[];
  readonly pools: readonly PoolRuntime[];
}

/** Number of conversions by their result; `derived` ones made a size. */
export type ConversionCounts = Record<Conversion["kind"] | "derived", number>;

/** A format that pictures are converted to. */
export interface FormRecipe extends Recipe {
  /** Suffix of the form's cache key: it names every setting that decides the bytes. */
  readonly id: string;
  readonly mediaType: string;
}

/** Conversion options of a listener; compiled once from its configuration. */
export interface ConvertOptions {
  /** Best first. */
  readonly recipes: readonly FormRecipe[];
  /** Smaller and larger ones are served as they are. */
  readonly minBytes: number;
  readonly maxBytes: number;
  /** Every response of the listener says `Vary: Accept` anyway. */
  readonly saysVary: boolean;
  /** How long a request waits for a conversion that is under way. */
  readonly waitMs: number;
  readonly counts: ConversionCounts;
}

/** A content coding that is made here. */
export type Coding = "br" | "gzip" | "zstd";

/** Which sizes of pictures a listener asks upstreams for. */
export interface SizingOptions {
  /** The path in the place of one whose picture is too large, `null` for others; no function where none is. */
  readonly bounded: ((path: string) => string | null) | null;
  /** Paths to ask for, one after the other, where one is missing; `null` where that is the answer. */
  readonly larger: ((path: string) => readonly string[]) | null;
}

/** Storing and serving options of a listener beside its cache policy; compiled once from its configuration. */
export interface StoringOptions {
  /** A range request that misses is forwarded, or the whole is fetched and stored. */
  readonly range: "pass" | "fetch-full";
  /** Cookies whose values are part of the key, sorted. */
  readonly cookieKey: readonly string[];
  /** `Cache-Status` tells the cache key (RFC 9211 §2.7). */
  readonly statusKey: boolean;
  /** `null` where nothing is compressed. */
  readonly compress: CompressOptions | null;
}

/** Which stored responses are served compressed, and how. */
export interface CompressOptions {
  /** Smaller bodies are served as they are. */
  readonly minBytes: number;
  /** Over a media type in lower case, without parameters. */
  readonly isCompressible: (mediaType: string) => boolean;
  /** Best first. */
  readonly codings: readonly Coding[];
}

/** A response that was made of another stored one. */
export interface Derived {
  /**
   * Whole, under the request's key, with its own `etag` and no other validator, and with the times, the freshness and the tags of its
   * source. The same object for the same source where possible: its codings and field lines are remembered by it.
   */
  readonly response: StoredResponse;
  /** The tier that its source was found in. */
  readonly tier: Tier;
  /** A token for `Cache-Status` that says how it was made. */
  readonly detail: string;
}

/** A request whose document may be filled: what other requests beside it are made of. */
export interface FillableRequest extends DerivableRequest {
  readonly requestId: string;
  readonly authority: string;
  readonly keyPrefix: string;
  readonly identity: ClientIdentity | null;
  readonly arrival: Arrival;
  readonly fields: Readonly<Fields>;
  readonly ruling: Ruling | null;
  readonly trace: Span | null;
  readonly isBackground: boolean;
}

/** A stored response with its document filled. */
export interface Filled {
  /** The stored one where nothing is filled. */
  readonly response: StoredResponse;
  /** What was filled, or why not, for `Cache-Status`; `null` where nothing was missing. */
  readonly detail: string | null;
}

/** Fills what documents of a listener lack in one language from other languages, when they are served. */
export interface Filler {
  /** Whether a document lacks something, so that clients may get other bytes than the stored ones. */
  lacks(stored: StoredResponse, plan: FillPlan): boolean;
  /**
   * Fills a document, or leaves it where nothing is missing or can be had in time. Returns no promise where the filled document is
   * known already. Never rejects.
   */
  fill(request: FillableRequest, stored: StoredResponse, plan: FillPlan): Filled | Promise<Filled>;
}

/** A request, as far as a {@linkcode Deriver} looks at it. */
export interface DerivableRequest extends TypedRequest, CacheRequest {
  readonly services: Services;
  readonly tenant: Tenant;
  /** The primary cache key. */
  readonly key: string;
  /** The client's authority, as it is part of keys. */
  readonly keyAuthority: string;
  /** The part of the key that rules add. */
  readonly changeKey: string;
  readonly hasEmptyQuery: boolean;
  /** Whether a stored response was invalidated since it was asked for (RFC 9111 §4.4). */
  isChanged(stored: Invalidated): boolean;
}

/**
 * Makes responses out of other stored ones: a document with fewer parts, a smaller picture.
 *
 * It is asked before any upstream, when no stored response can serve the request; for `GET` and `HEAD` alike, and never for requests
 * that are private or carry `If-Match` or `If-Unmodified-Since`. It checks itself that its source is fresh, not invalidated, and may be
 * served to the request. Its work must be bounded in time, since the client waits. An error that it throws is logged and counts as `null`.
 */
export interface Deriver {
  /** A response for the request, or `null`: then an upstream is asked. */
  readonly derive: (request: DerivableRequest) => Derived | null | Promise<Derived | null>;
  /** Called with each response of the listener that was stored or renewed. It must not throw. */
  readonly onStored?: (request: DerivableRequest, stored: StoredResponse) => void;
}
