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

/** How long a name's addresses count as looked at. */
const LOOK_UP_EVERY_MS = 30_000;

/** How {@linkcode createFetchTransport} reaches its upstream. */
export interface FetchTransportOptions {
  /** Scheme `https`, host and port; the rest is not looked at. */
  readonly url: URL;
  /** Certificates in PEM form that are trusted beside the built-in ones. */
  readonly caCerts: readonly string[];
  /** What the upstream is shown where it asks for a certificate; its `cert` and `key` in PEM. */
  readonly clientCertificate?: { readonly cert: string; readonly key: string } | null;
  /** As of the other transport; checked every 30 seconds by a look-up of its own, as the client does not tell its addresses. */
  readonly allowPrivate: boolean;
  /** Requests under way at a time; further ones fail as `connect`. */
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
  /** For requests that go out once: it keeps no connection, since `fetch` sends again what a kept one has lost. */
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
      throw new UpstreamFailure("connect", message, false);
    }
    this.#requests++;
    try {
      await this.#checkAddresses(options);
    } catch (error) {
      this.#onEnd();
      throw error;
    }
    // What has a body is not sent again: it is gone.
    const client = request.body === null && !mayGoAgain(request, options)
      ? this.#onceClient ??= this.#createClient(0)
      : this.#client ??= this.#createClient(MAX_IDLE);
    const onEnd = () => this.#onEnd();
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

/** Refuses what `fetch` throws for before it connects: that would look like a failure of the upstream. */
function checkFetchable({ method, body }: UpstreamRequest): void {
  if (FORBIDDEN_METHOD.test(method)) throw unsendable(`HTTP/2 upstreams are not sent ${method}`);
  if (body !== null && WITHOUT_CONTENT.test(method)) {
    throw unsendable("HTTP/2 upstreams are sent no content with GET or HEAD");
  }
}

const FORBIDDEN_METHOD = /^(?:connect|trace|track)$/i;
const WITHOUT_CONTENT = /^(?:get|head)$/i;

/**
 * A transport that speaks HTTP/2, or HTTP/1.1 where the upstream does not, through the runtime's `fetch`. What that client does
 * not leave to its user is the price: it writes paths through a URL parser, sends bodies without their length, adds `Accept`,
 * `Accept-Language` and `User-Agent` where they are missing, and joins repeated response fields except `Set-Cookie`. Responses
 * are asked for without a coding, because it would decode them and keep their labels. Interim responses, trailers either way and
 * upgrades do not pass it.
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
 * The URL that makes `fetch` ask for `target`, whose characters are bytes. A URL parser does not leave a target alone: bytes
 * that a path may not hold become percent-encoded here, so that they mean the same; what it would resolve away is refused,
 * because it could lead out of the base path.
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
