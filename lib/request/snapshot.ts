import type { ConvertOptions } from "./convert_options.ts";
import type { PolicyOptions } from "../cache/policy/policy_options.ts";
import type { Field } from "../http/fields.ts";
import type { ForwardedPolicy } from "../http/forwarded.ts";
import type { RouteTable } from "../listener/route_table.ts";
import type { ListenerCounts, PoolCounts, UpstreamCounts } from "../metrics/gateway_metrics.ts";
import type { Pool } from "../pool/pool.ts";
import type { TlsFront } from "../server/tls_identity.ts";
import type { HedgePolicy } from "../upstream_client/hedge.ts";
import type { BackoffOptions } from "../upstream_client/retry.ts";
import type { RetryBudget } from "../upstream_client/retry_budget.ts";
import type { Transport } from "../upstream_client/transport.ts";
import type { Rewriting } from "./rewriting.ts";
import type { Rules } from "./ruling.ts";
import type { StoringOptions } from "./storing_options.ts";
import type { CredentialState, UpstreamType } from "../upstream_type/upstream_type.ts";
import type { Admission } from "./admission.ts";
import type { ClientAuth } from "./client_auth.ts";
import type { ClientRate } from "./client_rate.ts";
import type { Cors } from "./cors.ts";
import type { Deriver } from "./deriver.ts";
import type { WayBack } from "../http/way_back.ts";
import type { TurnQueue } from "./turn_queue.ts";

/** One upstream as a request is sent to it. */
export interface Endpoint {
  readonly transport: Transport;
  /** Base path of the upstream's URL, without a slash at its end; often empty. */
  readonly basePath: string;
  /** `Host` field, where the client's is not kept. */
  readonly host: string;
  /** It is another Usher: what tries again, it or this one, is agreed on. */
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
  /** Where requests wait while every upstream that is in has as many as it may. */
  readonly room: TurnQueue;
  /** Where requests wait while every credential is at its limit. */
  readonly keyRoom: TurnQueue;
  /** The same for those of users: they wait for one credential only, and must not hold up those that any will do for. */
  readonly userKeyRoom: TurnQueue;
  /** How the pool's credentials stand. */
  readonly credentials: () => readonly CredentialState[];
  readonly counts: PoolCounts;
  /** Whether first bytes are held against the content type: the pool says what it carries. */
  readonly inspectsContent: boolean;
  /** Protocols in lower case that a connection may go on as (RFC 9110 §7.8); empty for none. */
  readonly upgrades: ReadonlySet<string>;
  /** Tunnels that are open in this worker, or asked for; the same from one snapshot to the next. */
  readonly tunnels: { open: number };
}

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
  /** `null` where pictures are served as they are. */
  readonly images: ConvertOptions | null;
  /** Leaves of a query what is part of the key; `null` keeps all. */
  readonly filterQuery: ((query: string) => string) | null;
  readonly hostInKey: boolean;
  /** Largest request content that is passed on. */
  readonly maxRequestBodyBytes: number;
  readonly forwarded: ForwardedPolicy;
  /** Fields that speak for a proxy and go to upstreams all the same, in lower case and sorted; part of the key. */
  readonly forwardFields: readonly string[];
  /** Fields that every response of this listener gets. */
  readonly responseFields: readonly Field[];
  /** `null` where anybody may use it. */
  readonly auth: ClientAuth | null;
  /** Whether a field carries a token of some listener, so that no upstream gets it; `null` where there are none. */
  readonly isToken: ((name: string, value: string) => boolean) | null;
  /** `null` where the upstream speaks to pages for itself. */
  readonly cors: Cors | null;
  readonly counts: ListenerCounts;
  /** `null` where requests at upstreams are not limited. */
  readonly admission: Admission | null;
  /** `null` where clients are not limited. */
  readonly clientRate: ClientRate | null;
  /** Makes responses of others that are stored, before an upstream is asked; `null` where nothing does. */
  readonly deriver: Deriver | null;
  /** What is changed in documents when they are served; `null` where nothing is. */
  readonly rewriting: Rewriting | null;
  /** Serve any stored response: never, while no upstream can answer, or always. */
  readonly offline: boolean | "auto";
  /** `null` where it has none. */
  readonly rules: Rules | null;
  /** The same listener over the other pools that its rules name. */
  readonly elsewhere: ReadonlyMap<string, Tenant>;
  /** Leads back to the listener what in responses points at its upstreams; `null` where nothing is mapped. */
  readonly wayBack: WayBack | null;
}

/** How an address is listened on. */
export interface ListenFacts {
  /** File and permission bits of a unix socket; `null` where the address is a host and port. */
  readonly unix: { readonly path: string; readonly mode: number } | null;
  /** Connections of trusted peers, and all over a unix socket, begin with a PROXY header. */
  readonly proxyProtocol: boolean;
  /** What TLS is spoken with; `null` where connections are plain. */
  readonly tls: TlsFront | null;
  /** Every request is sent to the same URL with `https` on this port; `null` where they are served. */
  readonly httpsPort: number | null;
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
