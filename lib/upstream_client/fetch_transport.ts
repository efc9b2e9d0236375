import type { Clock } from "../clock.ts";
import { type Hop, type Lookup, resolveHost, sharedLookup, systemLookup } from "./_dial.ts";
import { FetchExchange } from "./_fetch_exchange.ts";
import { formatRequestHead, unsendable } from "./_request_head.ts";
import {
  mayGoAgain,
  type SendOptions,
  type Transport,
  type TransportStats,
  UpstreamFailure,
  type UpstreamRequest,
  type UpstreamResponse,
} from "./transport.ts";

/** Interval at which a name's addresses are checked. */
const LOOK_UP_EVERY_MS = 30_000;

/** Options of {@linkcode createFetchTransport}. */
export interface FetchTransportOptions {
  /** Scheme `https`, host and port; the rest is not looked at. */
  readonly url: URL;
  /** Trusted certificates in PEM, in addition to the built-in ones. */
  readonly caCerts: readonly string[];
  /** Client certificate, `cert` and `key` in PEM. */
  readonly clientCertificate?: { readonly cert: string; readonly key: string } | null;
  /**
   * As in `Http1TransportOptions`; checked every 30 seconds by a separate look-up, because `fetch` does not show its addresses.
   */
  readonly allowPrivate: boolean;
  /** Most requests in flight; further ones fail as `connect`. */
  readonly maxRequests: number;
  /** @default the system's look-up, hosts file included */
  readonly lookup?: Lookup;
  readonly clock: Clock;
}

/** Idle connections that are kept. */
const MAX_IDLE = 8;

/** HTTP/2 through the runtime's own client. */
class FetchTransport implements Transport {
  readonly #options: FetchTransportOptions;
  readonly #hop: Hop;
  #client: Deno.HttpClient | null = null;
  /**
   * For requests that must not be repeated: it keeps no idle connections, because `fetch` repeats requests that a kept one has
   * lost.
   */
  #onceClient: Deno.HttpClient | null = null;
  #requests = 0;
  #keepsIdle = true;
  #isClosed = false;
  /** By `performance.now()`. */
  #lookedUpAtMs = -Infinity;

  constructor(options: FetchTransportOptions) {
    const { url, allowPrivate, maxRequests } = options;
    if (url.protocol !== "https:") {
      throw new RangeError(`Cannot create a transport: scheme must be https: received "${url.protocol}"`);
    }
    if (!(maxRequests >= 1)) {
      throw new RangeError(`Cannot create a transport: maxRequests must be >= 1: received ${maxRequests}`);
    }
    const host = url.hostname.replace(/^\[(.*)\]$/, "$1");
    const lookup = sharedLookup(options.lookup ?? systemLookup);
    this.#options = options;
    this.#hop = { host, port: Number(url.port || 443), address: null, allowPrivate, lookup };
  }

  async send(request: UpstreamRequest, options: SendOptions): Promise<UpstreamResponse> {
    if (options.upgrade !== undefined) throw unsendable("HTTP/2 upstreams are not asked for another protocol");
    const url = this.#urlOf(request);
    if (this.#isClosed) throw new UpstreamFailure("aborted", "Cannot send: the transport is closed", false);
    if (options.signal?.aborted) {
      throw new UpstreamFailure("aborted", "Request aborted", false, { cause: options.signal.reason });
    }
    const { maxRequests, clock, url: { host: authority } } = this.#options;
    if (this.#requests >= maxRequests) {
      const message = `Cannot connect to ${authority}: ${maxRequests} requests are under way already`;
      throw new UpstreamFailure("crowded", message, false);
    }
    this.#requests++;
    try {
      await this.#checkAddresses(options);
    } catch (error) {
      this.#onEnd();
      throw error;
    }
    // A request with a body cannot be repeated: the body is consumed.
    const client = request.body === null && !mayGoAgain(request, options)
      ? this.#onceClient ??= this.#createClient(0)
      : this.#client ??= this.#createClient(MAX_IDLE);
    const onEnd = () => this.#onEnd();
    options.onConnection?.();
    return await new FetchExchange({ ...options, client, url, authority, request, clock, onEnd }).run();
  }

  stats(): TransportStats {
    return { open: this.#requests, idle: 0 };
  }

  retire(): void {
    this.#keepsIdle = false;
    this.#letGo();
  }

  close(): void {
    this.#isClosed = true;
    this.retire();
  }

  #urlOf(request: UpstreamRequest): string {
    formatRequestHead(request);
    checkFetchable(request);
    const { url } = this.#options;
    const host = request.fields.find(([name]) => name.toLowerCase() === "host")?.[1].toLowerCase();
    if (host === url.host) return fetchUrl(url.origin, request.target);
    throw unsendable("HTTP/2 upstreams get the URL's host only");
  }

  async #checkAddresses({ deadlines, signal }: SendOptions): Promise<void> {
    if (this.#options.allowPrivate || performance.now() - this.#lookedUpAtMs < LOOK_UP_EVERY_MS) return;
    const limit = new AbortController();
    const giveUp = () => limit.abort();
    const timer = setTimeout(giveUp, deadlines.connectMs);
    signal?.addEventListener("abort", giveUp);
    try {
      await resolveHost(this.#hop, limit.signal);
      this.#lookedUpAtMs = performance.now();
    } catch (error) {
      if (signal?.aborted) throw new UpstreamFailure("aborted", "Request aborted", false, { cause: signal.reason });
      if (!limit.signal.aborted) throw error;
      const message = `Cannot connect to ${this.#options.url.host}: name not resolved within ${deadlines.connectMs} ms`;
      throw new UpstreamFailure("connect_timeout", message, false);
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener("abort", giveUp);
    }
  }

  #createClient(poolMaxIdlePerHost: number): Deno.HttpClient {
    const { caCerts, clientCertificate: own } = this.#options;
    // No poolIdleTimeout: given as a number it keeps the event loop spinning.
    return Deno.createHttpClient({
      http1: true,
      http2: true,
      caCerts: [...caCerts],
      ...(own ? { cert: own.cert, key: own.key } : {}),
      poolMaxIdlePerHost,
    });
  }

  #onEnd(): void {
    this.#requests--;
    this.#letGo();
  }

  #letGo(): void {
    if (this.#keepsIdle || this.#requests > 0) return;
    this.#client?.close();
    this.#onceClient?.close();
    this.#client = null;
    this.#onceClient = null;
  }
}

/** Refuses requests for which `fetch` would throw before it connects, which would look like a failure of the upstream. */
function checkFetchable({ method, body }: UpstreamRequest): void {
  if (FORBIDDEN_METHOD.test(method)) throw unsendable(`HTTP/2 upstreams are not sent ${method}`);
  if (body !== null && WITHOUT_CONTENT.test(method)) {
    throw unsendable("HTTP/2 upstreams are sent no content with GET or HEAD");
  }
}

const FORBIDDEN_METHOD = /^(?:connect|trace|track)$/i;
const WITHOUT_CONTENT = /^(?:get|head)$/i;

/**
 * Makes a transport for HTTP/2, or HTTP/1.1 where the upstream has no HTTP/2, by the runtime's `fetch`. Its limits: it writes
 * paths through a URL parser, sends bodies without their length, adds `Accept`, `Accept-Language` and `User-Agent` where they are
 * missing, and joins repeated response fields except `Set-Cookie`. It asks for no coding, because `fetch` would decode content and
 * keep its fields. It carries no interim responses, trailers or upgrades.
 *
 * @throws {RangeError} where the URL's scheme is not https, or not one request is allowed
 */
export function createFetchTransport(options: FetchTransportOptions): Transport {
  return new FetchTransport(options);
}

const DOT_SEGMENT = /^(?:\.|%2e){1,2}$/i;

function escaped(character: string): string {
  return `%${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`;
}

/**
 * The URL by which `fetch` requests `target`, whose characters are bytes. Bytes that a path may not hold are percent-encoded,
 * which keeps their meaning in a URL parser; segments that it would resolve are refused, because they could lead out of the base
 * path.
 *
 * @throws {UpstreamFailure} `unsendable` on dot segments and on what is no path
 */
export function fetchUrl(origin: string, target: string): string {
  if (!target.startsWith("/")) throw unsendable("HTTP/2 upstreams are asked for paths only");
  const query = target.indexOf("?");
  const path = query < 0 ? target : target.slice(0, query);
  const encodedPath = path.replace(/[^\x21-\x7e]|[\\#]/g, escaped);
  if (encodedPath.split("/").some((segment) => DOT_SEGMENT.test(segment))) {
    throw unsendable('HTTP/2 upstreams are not asked for paths with "." or ".." segments');
  }
  return origin + encodedPath + (query < 0 ? "" : target.slice(query).replace(/[^\x21-\x7e]|#/g, escaped));
}
