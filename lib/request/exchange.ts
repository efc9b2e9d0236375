import { KEY_SEPARATOR } from "../cache/key.ts";
import type { Invalidated } from "../cache/invalidation_table.ts";
import type { StoredHead } from "../cache/stored_response.ts";
import { type KnownVariants, knownVariants } from "../cache/variants.ts";
import type { FwdReason } from "../http/cache_status.ts";
import { plainAddress, toldApart } from "../http/forwarded.ts";
import type { RequestFields } from "../http/request_fields.ts";
import { endToEndFields, type Field, type Fields, fieldValue } from "../http/fields.ts";
import type { Target } from "../http/target.ts";
import type { Arrival } from "../server/arrival.ts";
import { wantsAccessLine, writeAccessLine } from "../logging/access_log.ts";
import { type CacheResult, countClient, countRequest } from "../metrics/gateway_metrics.ts";
import type { RequestClass, TypedRequest } from "../upstream_type/upstream_type.ts";
import type { Visitor } from "./client_auth.ts";
import type { Services } from "./services.ts";
import type { PoolRuntime, Tenant } from "./snapshot.ts";
import { cookieKey } from "./cookie_key.ts";
import { fieldsKey } from "./fields_key.ts";
import { type Rewrite, rewriteOf, type Rewriting } from "./rewriting.ts";
import { tenantKey, withoutPrefix } from "./tenant_key.ts";

/** What the log says where a client did not wait for the end. */
const CLIENT_LEFT = 499;
const REQUEST_ID = /^[\w.:-]{1,128}$/;

/** What is handed to an exchange. */
export interface ExchangeOptions {
  readonly services: Services;
  readonly tenant: Tenant;
  readonly arrival: Arrival;
  /** Its fields, without tokens. */
  readonly fields: RequestFields;
  readonly target: Target;
  /** Who sends it; nobody in particular where the listener is open. */
  readonly visitor?: Visitor | null;
  /** What stood before the path, such as `/~TOKEN`. */
  readonly keyPrefix?: string;
  /** In place of the request's own. */
  readonly method?: string;
}

/** How a response went out, for the log and the counters. */
export interface Finish {
  readonly status: number;
  readonly bytes: number;
  readonly cache: CacheResult;
  /** The `Cache-Status` value. */
  readonly cacheStatus: string;
  readonly error?: string;
  /** The client left before the end. */
  readonly aborted?: boolean;
}

/** One request and all that is known of it while it is served; also what upstream types and the cache policy see of it. */
export class Exchange implements TypedRequest {
  readonly services: Services;
  readonly tenant: Tenant;
  /** As the server handed it over. */
  readonly arrival: Arrival;
  readonly method: string;
  readonly authority: string;
  /** As the upstream sees it: without the listener's prefix where that is stripped; raw. */
  readonly path: string;
  readonly query: string;
  readonly class: RequestClass;
  readonly requestId: string;
  readonly startedAtMs: number;
  /** Who sends it, by the tokens that it showed; `null` where the listener is open. */
  readonly visitor: Visitor | null;
  /** The request's body, where the type looks into it. */
  bodyText: string | null = null;
  /** Tries at upstreams so far. */
  tries = 0;
  /** The upstream that answered last. */
  upstream: string | null = null;
  /** Why an upstream was asked; `null` where none was. */
  fwd: FwdReason | null = null;
  /** Response fields about the client's quota; `null` where clients are not limited. */
  quotaFields: readonly Field[] | null = null;
  #variants: KnownVariants | null = null;
  readonly #fields: RequestFields;
  readonly #options: ExchangeOptions;
  /** Its response goes to nobody. */
  #quiet = false;
  #isUnderWay = false;
  readonly #isBarePrefix: boolean;
  #key: string | null = null;
  #plain: boolean | null = null;
  /** `undefined` until somebody asks. */
  #rewrite: Rewrite | null | undefined = undefined;

  constructor(options: ExchangeOptions) {
    const { services, tenant, arrival, target } = options;
    this.#options = options;
    this.services = services;
    this.tenant = tenant;
    this.arrival = arrival;
    this.#fields = options.fields;
    this.startedAtMs = services.clock.now();
    this.visitor = options.visitor ?? null;
    this.method = options.method ?? arrival.method;
    this.authority = target.authority;
    this.path = tenant.stripPrefix ? withoutPrefix(target.path, tenant.prefix) : target.path;
    this.#isBarePrefix = tenant.stripPrefix && target.path === tenant.prefix && target.path !== "/";
    this.query = target.query;
    this.requestId = requestIdOf(this.#fields.header("x-request-id"), services.nextRequestId);
    this.class = tenant.type.classify(this);
  }

  header(name: string): string | null {
    return this.#fields.header(name);
  }

  /** The client's name, by its token; `null` where it showed none that is valid, or the listener is open. */
  get clientName(): string | null {
    return this.visitor === null ? null : this.visitor.client;
  }

  /** See {@linkcode RequestClass.sharedAuthorization}. */
  get sharedAuthorization(): boolean {
    return this.class.sharedAuthorization;
  }

  /** See {@linkcode RequestClass.private}. */
  get private(): string | null {
    return this.class.private;
  }

  /** See {@linkcode RequestClass.ttl}. */
  get routeTtl(): RequestClass["ttl"] {
    return this.class.ttl;
  }

  /** The target ends with a lone `?`: another URI than the one without (RFC 3986 §6.2.3). */
  get hasEmptyQuery(): boolean {
    return this.query === "" && this.arrival.target.endsWith("?");
  }

  /** The primary cache key. */
  get key(): string {
    return this.#key ??= this.#makeKey();
  }

  /** What its client called the gateway, as keys tell apart what upstreams are told of that. */
  get keyAuthority(): string {
    const { tenant, authority } = this;
    return tenant.hostInKey ? authority + toldApart(tenant.forwarded, this) : authority;
  }

  /** Whether a stored response has changed since it was asked for, by an unsafe request (RFC 9111 §4.4). */
  isChanged(stored: Invalidated): boolean {
    const { type } = this.tenant;
    return this.services.invalidations.concerns(stored, type.written === undefined ? null : type.name);
  }

  /** What is known of the key's variants; `null` where it may have none. */
  get variants(): KnownVariants | null {
    return this.#variants;
  }

  /** Learns by which fields the key's variants are told apart, from a marker or a response (RFC 9111 §4.1). */
  knowVariants({ selectedBy, requestTimeMs }: Pick<StoredHead, "selectedBy" | "requestTimeMs">): void {
    const sinceMs = this.#variants?.sinceMs ?? requestTimeMs;
    this.#variants = knownVariants(this.key, { selectedBy, sinceMs, header: (name) => this.header(name) });
  }

  /** The key of what it asks for, as far as it is known: that of a variant, or the primary one. Requests that share it wait for one fetch. */
  get variantKey(): string {
    return this.#variants?.key ?? this.key;
  }

  /** Whether the target's variants differ in their codings. */
  get isNegotiated(): boolean {
    return this.#variants?.isNegotiated === true;
  }

  #makeKey(): string {
    const { tenant } = this;
    return tenantKey(tenant, this, this.keyAuthority) + (this.hasEmptyQuery ? "?" : "") +
      (this.isBarePrefix && hasBasePath(tenant.pool) ? BARE_PREFIX : "") +
      cookieKey(tenant.storing.cookieKey, () => this.header("cookie")) +
      fieldsKey(tenant.forwardFields, (name) => this.header(name));
  }

  /** Whether it asks for the listener's prefix itself, without a slash behind it, and the prefix is stripped. */
  get isBarePrefix(): boolean {
    return this.#isBarePrefix;
  }

  /** Whether it asks for the whole, without conditions: the case that has to be fast. */
  get isPlain(): boolean {
    return this.#plain ??= this.header("if-none-match") === null && this.header("if-modified-since") === null &&
      this.header("range") === null && this.header("if-match") === null && this.header("if-unmodified-since") === null;
  }

  /** What is changed in the document of the response; `null` where nothing is. */
  get rewrite(): Rewrite | null {
    const { rewriting } = this.tenant;
    if (rewriting === null || (this.method !== "GET" && this.method !== "HEAD")) return null;
    return this.#rewrite === undefined ? this.#rewrite = rewriteOf(rewriting, this) : this.#rewrite;
  }

  /** Leaves the response as it is after all: it is no document, and has to be asked for in the client's own way. */
  leaveAsItIs(): void {
    this.#rewrite = null;
  }

  /** The scheme that the client used on its connection to this gateway, or to a proxy before it that passed the whole target on. */
  get scheme(): "http" | "https" {
    const { target, connection } = this.arrival;
    return target.startsWith("/") ? connection.scheme : target.startsWith("https:") ? "https" : "http";
  }

  /** What stood before the path, such as `/~TOKEN`; empty where nothing did. For what goes back to this client only. */
  get keyPrefix(): string {
    return this.#options.keyPrefix ?? "";
  }

  /** Says once in the log, for each configuration, that a peer's word on the scheme does not count. */
  distrusted(): void {
    const { tenant: { name, rewriting }, services: { logger } } = this;
    if (rewriting === null || distrustful.has(rewriting)) return;
    distrustful.add(rewriting);
    logger.warn("Image addresses begin with http: the peer says https, but it is not in server.trusted_proxies", {
      listener: name,
      peer: this.peer,
    });
  }

  /** Whether the connection's other end is a trusted proxy. */
  isTrusted(): boolean {
    return this.services.settings.isTrusted(this.peer);
  }

  /** Whether the client wants a part of the representation only; nobody does in the background. */
  get wantsPart(): boolean {
    return !this.#quiet && this.header("range") !== null;
  }

  /** What the request is about, 32 bits, for strategies that keep a target at one upstream. */
  get keyHash(): number {
    let hash = 0x811c9dc5;
    for (let index = 0; index < this.path.length; index++) {
      hash = Math.imul(hash ^ this.path.charCodeAt(index), 0x01000193);
    }
    return hash >>> 0;
  }

  /** Address of the connection's other end. */
  get peer(): string {
    return this.arrival.connection.peer;
  }

  /** Aborted when the client has left. */
  get signal(): AbortSignal {
    return this.arrival.signal;
  }

  /** Whether the client has left; nobody does in the background. */
  get hasLeft(): boolean {
    return !this.#quiet && this.arrival.isGone;
  }

  /** Whether the client takes a trailer section (RFC 9110 §10.1.4). */
  get wantsTrailers(): boolean {
    const te = this.header("te");
    return te !== null && /(?:^|,)[ \t]*trailers[ \t]*(?:,|$)/i.test(te);
  }

  /** Passes an interim response of an upstream on (RFC 9110 §15.2); to nobody in the background. */
  passInterim(status: number, fields: Readonly<Fields>): void {
    if (this.#quiet) return;
    const passed = endToEndFields(fields, fieldValue(fields, "connection"));
    // There is no content that it could be the length of (RFC 9110 §8.6).
    this.arrival.interim(status, passed.filter(([name]) => name !== "content-length"));
  }

  /** Every field of the request, names in lower case. */
  get fields(): Readonly<Fields> {
    return this.#fields.list();
  }

  /** Address of the client: the peer, or what a trusted proxy says. */
  get client(): string {
    const peer = this.peer;
    if (!this.services.settings.isTrusted(peer)) return peer;
    const said = this.header("x-forwarded-for")?.split(",").map((part) => plainAddress(part.trim())) ?? [];
    // The rightmost address that is not a proxy of ours is the last one that somebody we trust has seen.
    return said.findLast((address) => !this.services.settings.isTrusted(address)) ?? peer;
  }

  /** The same request once more, for a fetch that goes on after its response: with GET whatever it was, and not counted. */
  inBackground(): Exchange {
    const quiet = new Exchange({ ...this.#options, method: "GET" });
    quiet.#quiet = true;
    quiet.#variants = this.#variants;
    return quiet;
  }

  /** Whether its response goes on into the cache when its client has left, or never was. */
  get fillsToTheEnd(): boolean {
    return this.#quiet || this.services.settings.backgroundFill;
  }

  /** Counts the request as under way, until {@linkcode finish}. */
  begin(): void {
    this.#isUnderWay = true;
    this.tenant.counts.inFlight++;
  }

  /** Counts the request and writes its access line. */
  finish(finish: Finish): void {
    if (this.#quiet) return;
    if (this.#isUnderWay) this.tenant.counts.inFlight--;
    this.#isUnderWay = false;
    const durationMs = Math.max(0, this.services.clock.now() - this.startedAtMs);
    const status = finish.aborted ? CLIENT_LEFT : finish.status;
    countRequest(this.tenant.counts, {
      status: finish.aborted ? 0 : status,
      bytes: finish.bytes,
      durationMs,
      cache: finish.cache,
      fwd: this.fwd,
    });
    if (this.clientName !== null) countClient(this.tenant.counts, this.clientName);
    if (this.services.logger.enabled("debug")) this.#explain(finish, durationMs);
    if (!wantsAccessLine(this.services.settings.access, status, this.tries)) return;
    writeAccessLine(this.services.logger, {
      requestId: this.requestId,
      listener: this.tenant.name,
      client: this.client,
      clientName: this.clientName,
      method: this.method,
      target: rawTarget(this),
      status,
      bytes: finish.bytes,
      durationMs,
      cache: finish.cacheStatus,
      upstream: this.upstream,
      tries: this.tries,
      error: finish.error ?? null,
    });
  }

  /** Says in the log how the request was understood and what was decided, beyond what an access line says. */
  #explain(finish: Finish, durationMs: number): void {
    const { tenant, private: reason } = this;
    const isShared = reason === null && tenant.policy !== null;
    this.services.logger.debug("A request was served", {
      id: this.requestId,
      listener: tenant.name,
      pool: tenant.pool.name,
      method: this.method,
      class: this.class.name,
      private: reason ?? undefined,
      key: isShared ? this.key.split(KEY_SEPARATOR).filter((part) => part !== "").join(" ") : undefined,
      result: finish.cache,
      cache: finish.cacheStatus,
      fwd: this.fwd ?? undefined,
      status: finish.status,
      client_left: finish.aborted === true ? true : undefined,
      upstream: this.upstream ?? undefined,
      tries: this.tries,
      ms: Math.round(durationMs * 10) / 10,
    });
  }
}

/** Tells `/pre` from `/pre/` where an upstream sees them as `/base` and `/base/`. */
const BARE_PREFIX = `${KEY_SEPARATOR}~bare`;

function hasBasePath({ endpoints }: PoolRuntime): boolean {
  for (const { basePath } of endpoints.values()) if (basePath !== "") return true;
  return false;
}

/** Listeners that have said in the log whom they do not trust. */
const distrustful = new WeakSet<Rewriting>();

function rawTarget(exchange: Exchange): string {
  const prefix = exchange.tenant.stripPrefix && exchange.tenant.prefix !== "/" ? exchange.tenant.prefix : "";
  return prefix + exchange.path + (exchange.query === "" ? "" : `?${exchange.query}`);
}

/** The client's own id where it is usable, so that one id can be followed through several systems. */
function requestIdOf(given: string | null, next: () => string): string {
  return given !== null && REQUEST_ID.test(given) ? given : next();
}
