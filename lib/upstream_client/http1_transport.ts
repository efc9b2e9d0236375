import type { Clock } from "../clock.ts";
import { Deadlines } from "../wire/deadlines.ts";
import type { Connection } from "./_connection.ts";
import { ConnectionPool } from "./_connection_pool.ts";
import { type Endpoint, type Lookup, openSocket, sharedLookup, systemLookup } from "./_dial.ts";
import { authorityOf, type EgressProxy, parseEgressProxy, proxyAuthorization } from "./_egress_proxy.ts";
import { Exchange, type ExchangeHome } from "./_exchange.ts";
import { formatRequestHead, type ForwardProxy } from "./_request_head.ts";
import { type ClientCertificate, TlsPeer } from "./_secure.ts";
import {
  mayGoAgain,
  type SendOptions,
  type Transport,
  type TransportStats,
  UpstreamFailure,
  type UpstreamRequest,
  type UpstreamResponse,
} from "./transport.ts";

const IDLE_TIMEOUT_MS = 55_000;
/** Age at which connections are replaced, so that a new address is noticed. */
const MAX_AGE_MS = 10 * 60_000;
const MAX_WAITING = 1024;

/** Options of {@linkcode createHttp1Transport}. */
export interface Http1TransportOptions {
  /** Scheme (`http` or `https`), host and port; the rest is not looked at. */
  readonly url: URL;
  /** For SNI and the certificate in place of the URL's host. */
  readonly tlsName?: string | null;
  /** An IP address to connect to without a look-up; exempt from `allowPrivate`. */
  readonly address?: string | null;
  /**
   * URL of a proxy to connect through: `http`, `https` or `socks5`, user and password percent-encoded. Names are resolved there.
   * Requests to an `http` upstream are sent in absolute form, unless `tlsName` or `address` is set.
   */
  readonly proxy?: URL | null;
  /** Trusted certificates in PEM, in addition to the built-in ones. */
  readonly caCerts: readonly string[];
  /** Client certificate and key. */
  readonly clientCertificate?: ClientCertificate | null;
  /** Whether a public name may resolve to a loopback, private or link-local address. Addresses in the URL always may. */
  readonly allowPrivate: boolean;
  /** Most connections; further requests wait in order, up to their `connectMs`. */
  readonly maxConnections: number;
  /** Idle connections kept. @default {maxConnections} */
  readonly maxIdle?: number;
  /** Requests that may wait for a connection. @default {1024} */
  readonly maxWaiting?: number;
  /** Idle time after which a connection is closed, earlier where the upstream's `Keep-Alive` says so. */
  readonly idleTimeoutMs?: number;
  /** Age after which a connection is not reused, so that a new address is noticed. */
  readonly maxAgeMs?: number;
  /** @default the system's look-up, hosts file included */
  readonly lookup?: Lookup;
  readonly clock: Clock;
}

/**
 * The endpoint that a transport with these options connects to.
 *
 * @throws {RangeError} where the URL's scheme is neither http nor https, or the proxy's is unknown
 */
export function endpointOf(options: Http1TransportOptions): Endpoint {
  const { url } = options;
  if (url.protocol !== "http:" && url.protocol !== "https:") {
    throw new RangeError(`Cannot create a transport: scheme must be http or https: received "${url.protocol}"`);
  }
  const isTls = url.protocol === "https:";
  const host = url.hostname.replace(/^\[(.*)\]$/, "$1");
  const caCerts = [...options.caCerts];
  const proxy = options.proxy == null ? null : parseEgressProxy(options.proxy);
  return {
    host,
    port: url.port === "" ? (isTls ? 443 : 80) : Number(url.port),
    tls: isTls ? new TlsPeer(options.tlsName ?? host, caCerts, options.clientCertificate ?? null) : null,
    address: options.address ?? null,
    allowPrivate: options.allowPrivate,
    proxy,
    proxyTls: proxy?.scheme === "https" ? new TlsPeer(proxy.host, caCerts) : null,
    isForwarded: !isTls && proxy !== null && proxy.scheme !== "socks5" && options.address == null &&
      options.tlsName == null,
    lookup: sharedLookup(options.lookup ?? systemLookup),
  };
}

function forwardProxyOf(endpoint: Endpoint, url: URL): ForwardProxy | null {
  if (endpoint.proxy === null || !endpoint.isForwarded) return null;
  return { authority: url.host, authorization: proxyAuthorization(endpoint.proxy) };
}

/** Authority of the upstream, for messages. */
function authorityLabel({ host, port, proxy }: Endpoint): string {
  const authority = authorityOf({ host, port });
  return proxy === null ? authority : `${authority} through proxy ${proxy.label}`;
}

/** HTTP/1.1 over its own connections (RFC 9112). */
class Http1Transport implements Transport, ExchangeHome {
  readonly pool: ConnectionPool;
  readonly clock: Clock;
  readonly #proxy: EgressProxy | null;
  readonly #forwardProxy: ForwardProxy | null;
  #isClosed = false;

  constructor(options: Http1TransportOptions) {
    if (!(options.maxConnections >= 1)) {
      throw new RangeError(
        `Cannot create a transport: maxConnections must be >= 1: received ${options.maxConnections}`,
      );
    }
    const endpoint = endpointOf(options);
    this.clock = options.clock;
    this.#proxy = endpoint.proxy;
    this.#forwardProxy = forwardProxyOf(endpoint, options.url);
    this.pool = new ConnectionPool({
      open: (signal) => openSocket(endpoint, signal),
      authority: authorityLabel(endpoint),
      deadlines: new Deadlines(),
      maxConnections: options.maxConnections,
      maxIdle: options.maxIdle ?? options.maxConnections,
      maxWaiting: options.maxWaiting ?? MAX_WAITING,
      idleTimeoutMs: options.idleTimeoutMs ?? IDLE_TIMEOUT_MS,
      maxAgeMs: options.maxAgeMs ?? MAX_AGE_MS,
    });
  }

  async send(request: UpstreamRequest, options: SendOptions): Promise<UpstreamResponse> {
    const head = formatRequestHead(request, this.#forwardProxy, options);
    if (this.#isClosed) throw new UpstreamFailure("aborted", "Cannot send: the transport is closed", false);
    if (options.signal?.aborted) {
      throw new UpstreamFailure("aborted", "Request aborted", false, { cause: options.signal.reason });
    }
    // An upgrade gets a new connection: it is not returned to the pool, and must not be dead.
    const isFresh = options.upgrade !== undefined;
    const idle = isFresh ? undefined : this.pool.takeIdle();
    const exchange = new Exchange(this, idle ?? await this.#acquire(options, isFresh), request, options);
    let response: UpstreamResponse;
    try {
      response = await exchange.run(head);
    } catch (failure) {
      // A connection that died while idle says nothing about the upstream: a safe request may be sent again.
      const isStale = exchange.connection.isReused && !exchange.hasResponseBytes &&
        (failure as UpstreamFailure).kind === "reset";
      if (!isStale || !mayGoAgain(request, options)) throw failure;
      response = await new Exchange(this, await this.#acquire(options, true), request, options).run(head);
    }
    if (this.#forwardProxy !== null && response.status === 407) throw this.#refusedByProxy(response);
    return response;
  }

  stats(): TransportStats {
    return { open: this.pool.openCount, idle: this.pool.idleCount };
  }

  retire(): void {
    this.pool.close();
  }

  close(): void {
    this.#isClosed = true;
    this.pool.close();
  }

  #acquire(options: SendOptions, isFresh: boolean): Promise<Connection> {
    return this.pool.acquire({ connectMs: options.deadlines.connectMs, signal: options.signal, isFresh });
  }

  /** The proxy refuses the gateway; the client is not concerned (RFC 9110 §15.5.8). */
  #refusedByProxy(response: UpstreamResponse): UpstreamFailure {
    response.body.cancel();
    const what = `Proxy ${this.#proxy?.label} refuses the credentials, or their lack (407)`;
    return new UpstreamFailure("proxy", what, true);
  }
}

/**
 * Makes a transport for HTTP/1.1 to one upstream, with its own connections. Paths are sent byte for byte, bodies are not decoded,
 * and SNI, `Host` and address are independent. Input from the upstream is bounded and parsed strictly.
 *
 * A GET, HEAD or OPTIONS request without a body is repeated once on a new connection where its reused connection turns out to be
 * dead before the first byte of a response, unless it is to be sent `once`.
 *
 * @throws {RangeError} where the URL's scheme is neither http nor https, the proxy's is unknown, or not one connection is allowed
 */
export function createHttp1Transport(options: Http1TransportOptions): Transport {
  return new Http1Transport(options);
}
