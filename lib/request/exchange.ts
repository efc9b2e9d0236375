import type { ForwardReason } from "../forward_reason.ts";
import { KEY_SEPARATOR } from "../cache/key.ts";
import type { Invalidated } from "../cache/flights/invalidation_table.ts";
import type { StoredHead } from "../cache/stored_response.ts";
import { type KnownVariants, knownVariants } from "../cache/variants.ts";
import { plainAddress, toldApart } from "../http/forwarded.ts";
import { RequestFields } from "../http/request_fields.ts";
import { besideChanged, ChangedRequestFields, namesSet } from "../http/field_changes.ts";
import { endToEndFields, type Field, type Fields, fieldValue } from "../http/fields.ts";
import { publicOrigin } from "../http/public_origin.ts";
import type { Target } from "../http/target.ts";
import type { Arrival } from "../server/arrival.ts";
import type { RequestClass, TypedRequest } from "../upstream_type/upstream_type.ts";
import type { ClientIdentity } from "./client_auth.ts";
import type { Services } from "./services.ts";
import type { Tenant } from "./snapshot.ts";
import type { RequestChange, Ruling } from "./ruling.ts";
import { type Rewrite, rewriteOf, type Rewriting } from "./rewriting.ts";
import { type Finish, recordRequest } from "./request_log.ts";
import { requestKey, withoutPrefix } from "./request_key.ts";

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
  readonly identity?: ClientIdentity | null;
  /** What stood before the path, such as `/~TOKEN`. */
  readonly keyPrefix?: string;
  /** In place of the request's own. */
  readonly method?: string;
  /** What rules have changed in it; `fields` are changed already. */
  readonly change?: RequestChange;
  /** The request before that, for the log. */
  readonly asSent?: Exchange;
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
  readonly identity: ClientIdentity | null;
  /** The request's body, where the type looks into it. */
  bodyText: string | null = null;
  /** Tries at upstreams so far. */
  tries = 0;
  /** The upstream that answered last. */
  upstream: string | null = null;
  /** Why an upstream was asked; `null` where none was. */
  fwd: ForwardReason | null = null;
  /** Response fields about the client's quota; `null` where clients are not limited. */
  quotaFields: readonly Field[] | null = null;
  #variants: KnownVariants | null = null;
  /** What the rules of its listener say; `null` where none applies. */
  ruling: Ruling | null = null;
  readonly #fields: RequestFields;
  readonly #options: ExchangeOptions;
  /** Its response goes to nobody. */
  #quiet = false;
  #isUnderWay = false;
  readonly #isBarePrefix: boolean;
  #set: ReadonlySet<string> | null = null;
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
    const { change, asSent } = options;
    this.startedAtMs = asSent?.startedAtMs ?? services.clock.now();
    this.identity = options.identity ?? null;
    this.method = options.method ?? arrival.method;
    this.authority = target.authority;
    this.path = change?.path ?? (tenant.stripPrefix ? withoutPrefix(target.path, tenant.prefix) : target.path);
    this.#isBarePrefix = (change?.path ?? null) === null && tenant.stripPrefix && target.path === tenant.prefix &&
      target.path !== "/";
    this.query = change?.query ?? target.query;
    this.requestId = asSent?.requestId ?? requestIdOf(this.#fields.header("x-request-id"), services.nextRequestId);
    this.class = tenant.type.classify(this);
  }

  header(name: string): string | null {
    return this.#fields.header(name);
  }

  /** The client's name, by its token; `null` where it showed none that is valid, or the listener is open. */
  get clientName(): string | null {
    return this.identity === null ? null : this.identity.client;
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
    return this.#key ??= requestKey(this);
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

  /** What keys tell apart by what rules changed; empty where nothing is. */
  get changeKey(): string {
    const { change } = this.#options;
    return change === undefined || change.key === "" ? "" : `${KEY_SEPARATOR}~rules:${change.key}`;
  }

  /**
   * The request as rules change it: everything that follows sees only that. It counts as this one, which is over. A pool that the change
   * names is one of {@linkcode Tenant.elsewhere}.
   */
  changed(change: RequestChange): Exchange {
    const tenant = change.pool === null ? this.tenant : this.tenant.elsewhere.get(change.pool) ?? this.tenant;
    const fields = change.fields.length === 0
      ? this.#fields
      : new RequestFields(new ChangedRequestFields(this.#fields, change.fields));
    const changed = new Exchange({ ...this.#options, tenant, fields, change, asSent: this });
    changed.quotaFields = this.quotaFields;
    changed.ruling = this.ruling;
    changed.#isUnderWay = this.#isUnderWay;
    changed.#quiet = this.#quiet;
    this.#isUnderWay = false;
    return changed;
  }

  /** Id of the only upstream that is to be asked; `null` leaves the choice to the pool. */
  get pinned(): string | null {
    return this.#options.change?.upstream ?? null;
  }

  /** Whether a field of this name is not the client's any more, but what a rule has set. */
  isSetByRule(name: string): boolean {
    const { change } = this.#options;
    return change !== undefined && (this.#set ??= namesSet(change.fields)).has(name);
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
  leaveUnchanged(): void {
    this.#rewrite = null;
  }

  /** The scheme that the client used on its connection to this gateway, or to a proxy before it that passed the whole target on. */
  get scheme(): "http" | "https" {
    const { target, connection } = this.arrival;
    return target.startsWith("/") ? connection.scheme : target.startsWith("https:") ? "https" : "http";
  }

  /** By which the client came, as far as a trusted proxy says it. */
  get publicScheme(): "http" | "https" {
    const { authority, scheme } = this;
    return publicOrigin({ authority, scheme, trusted: this.isTrusted(), header: (name) => this.header(name) }).scheme;
  }

  /** What stood before the path, such as `/~TOKEN`; empty where nothing did. For what goes back to this client only. */
  get keyPrefix(): string {
    return this.#options.keyPrefix ?? "";
  }

  /** Says once in the log, for each configuration, that a peer's word on the scheme does not count. */
  warnUntrustedScheme(): void {
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
    const described = passed.filter(([name]) => name !== "content-length");
    this.arrival.interim(status, besideChanged(described, this.ruling?.response?.fields ?? []));
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
    const quiet = new Exchange({ ...this.#options, method: "GET", asSent: undefined });
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

  /** The request as the client sent it, before rules changed it. */
  get asSent(): Exchange {
    return this.#options.asSent ?? this;
  }

  /** Counts the request and writes its access line. */
  finish(finish: Finish): void {
    if (this.#quiet) return;
    if (this.#isUnderWay) this.tenant.counts.inFlight--;
    this.#isUnderWay = false;
    recordRequest(this, finish);
  }
}

/** Listeners that have said in the log whom they do not trust. */
const distrustful = new WeakSet<Rewriting>();

/** The client's own id where it is usable, so that one id can be followed through several systems. */
function requestIdOf(given: string | null, next: () => string): string {
  return given !== null && REQUEST_ID.test(given) ? given : next();
}
