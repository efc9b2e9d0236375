import { isIP } from "node:net";
import { elapsedMs } from "../clock.ts";
import { fnv1a } from "../hash.ts";
import type { Invalidated } from "../cache/flights/invalidation_table.ts";
import { KEY_SEPARATOR } from "../cache/key.ts";
import type { StoredHead } from "../cache/stored_response.ts";
import { type KnownVariants, knownVariants } from "../cache/variants.ts";
import type { ForwardReason } from "../forward_reason.ts";
import { besideChanged, ChangedRequestFields, namesSet } from "../http/field_changes.ts";
import { endToEndFields, type Field, type Fields, fieldValue } from "../http/fields.ts";
import { plainAddress } from "../http/forwarded.ts";
import { publicOrigin } from "../http/public_origin.ts";
import { RequestFields } from "../http/request_fields.ts";
import type { Target } from "../http/target.ts";
import { shownClient } from "../logging/client_address.ts";
import type { Arrival } from "../server/arrival.ts";
import type { Span } from "../tracing/span.ts";
import type { RequestClass, TypedRequest } from "../upstream_type/upstream_type.ts";
import type { ByteAccount } from "./byte_rate.ts";
import type { ClientIdentity } from "./client_auth.ts";
import { beginTrace, endTrace } from "./request_trace.ts";
import { requestIdOf } from "./request_id.ts";
import { fetchedPath, keyAuthorityOf, requestKey } from "./request_key.ts";
import { Phases, type Stage } from "./phases.ts";
import { type Finish, recordRequest } from "./request_log.ts";
import { type Rewrite, rewriteOf, type Rewriting } from "./rewriting.ts";
import type { RequestChange, Ruling } from "./ruling.ts";
import type { Services } from "./services.ts";
import type { Tenant } from "./snapshot.ts";

/** The parts of an exchange. */
export interface ExchangeOptions {
  readonly services: Services;
  readonly tenant: Tenant;
  readonly arrival: Arrival;
  /** Its fields, without tokens. */
  readonly fields: RequestFields;
  readonly target: Target;
  /** The identified client; `null` on an open listener. */
  readonly identity?: ClientIdentity | null;
  /** Token before the path, such as `/~TOKEN`. */
  readonly keyPrefix?: string;
  /** In place of the request's own. */
  readonly method?: string;
  /** The changes that rules have made; `fields` are changed already. */
  readonly change?: RequestChange;
  /** The exchange of the unchanged request. */
  readonly asSent?: Exchange;
}

/** One request and its state while it is served; upstream types and the cache policy see it through their own interfaces. */
export class Exchange implements TypedRequest {
  readonly services: Services;
  readonly tenant: Tenant;
  /** The request as the server read it. */
  readonly arrival: Arrival;
  readonly method: string;
  readonly authority: string;
  /** Raw, without the listener's prefix where that is stripped. */
  readonly path: string;
  readonly query: string;
  readonly class: RequestClass;
  readonly requestId: string;
  readonly startedAtMs: number;
  /** By `elapsedMs` of the clock. */
  readonly beganMs: number;
  /** The client by its token; `null` where the listener is open. */
  readonly identity: ClientIdentity | null;
  /** The request's body, where the type looks into it. */
  bodyText: string | null = null;
  /** Tries at upstreams so far. */
  tries = 0;
  /** Path of the larger size of a picture that upstreams are asked for, since they do not have its own; `null` for its own. */
  largerPath: string | null = null;
  /** The upstream that answered last. */
  upstream: string | null = null;
  /** Why an upstream was asked; `null` where none was. */
  fwd: ForwardReason | null = null;
  /** Bytes of its content that were read so far, where their number is not stated. */
  contentBytes = 0;
  /** Where its time goes; `null` while nothing was waited for. */
  phases: Phases | null = null;
  /** Response fields about the client's quota; `null` where clients are not limited. */
  quotaFields: readonly Field[] | null = null;
  /** What the response costs its client's quota of bytes; `null` where that is not limited. */
  byteAccount: ByteAccount | null = null;
  #variants: KnownVariants | null = null;
  /** The ruling of the listener's rules; `null` where none applies. */
  ruling: Ruling | null = null;
  /** The span of the request; `null` where its trace is not recorded. */
  trace: Span | null = null;
  readonly #fields: RequestFields;
  readonly #options: ExchangeOptions;
  /** It fetches for the cache alone: no client waits for its answer. */
  isBackground = false;
  #isUnderWay = false;
  readonly #isBarePrefix: boolean;
  #setByRules: ReadonlySet<string> | null = null;
  #key: string | null = null;
  #plain: boolean | null = null;
  /** `undefined` until the first use. */
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
    this.beganMs = asSent?.beganMs ?? elapsedMs(services.clock);
    this.identity = options.identity ?? null;
    this.method = options.method ?? arrival.method;
    this.authority = target.authority;
    this.path = fetchedPath(tenant, target.path, change?.path ?? null);
    this.#isBarePrefix = (change?.path ?? null) === null && tenant.stripPrefix && target.path === tenant.prefix &&
      target.path !== "/";
    this.query = change?.query ?? target.query;
    this.requestId = asSent?.requestId ?? requestIdOf(this.#fields.header("x-request-id"), services.nextRequestId);
    this.class = tenant.type.classify(this);
  }

  header(name: string): string | null {
    return this.#fields.header(name);
  }

  /** The client's name, by its token; `null` without a valid one, or where the listener is open. */
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

  /** The client's authority, with the forwarding facts that upstreams are told, as part of the key. */
  get keyAuthority(): string {
    return keyAuthorityOf(this.tenant, this);
  }

  /** Whether a stored response has changed since it was asked for, by an unsafe request (RFC 9111 §4.4). */
  isChanged(stored: Invalidated): boolean {
    const { type } = this.tenant;
    return this.services.invalidations.concerns(stored, type.written === undefined ? null : type.name);
  }

  /** Known facts of the key's variants; `null` where none are known. */
  get variants(): KnownVariants | null {
    return this.#variants;
  }

  /** Sets the fields that select among the key's variants, as a marker or a response names them (RFC 9111 §4.1). */
  knowVariants({ selectedBy, requestTimeMs }: Pick<StoredHead, "selectedBy" | "requestTimeMs">): void {
    const sinceMs = this.#variants?.sinceMs ?? requestTimeMs;
    this.#variants = knownVariants(this.key, { selectedBy, sinceMs, header: (name) => this.header(name) });
  }

  /** The key of the variant that the request selects, else the primary key. Requests with the same key wait for one fetch. */
  get variantKey(): string {
    return this.#variants?.key ?? this.key;
  }

  /** Whether the target's variants are selected by `Accept-Encoding`. */
  get isNegotiated(): boolean {
    return this.#variants?.isNegotiated === true;
  }

  /** The part of the key for changes by rules; empty where there are none. */
  get changeKey(): string {
    const { change } = this.#options;
    return change === undefined || change.key === "" ? "" : `${KEY_SEPARATOR}~rules:${change.key}`;
  }

  /**
   * The request as rules change it, which replaces this one in all that follows and in counts. A pool that the change names is one of
   * {@linkcode Tenant.elsewhere}.
   */
  changed(change: RequestChange): Exchange {
    const tenant = change.pool === null ? this.tenant : this.tenant.elsewhere.get(change.pool) ?? this.tenant;
    const fields = change.fields.length === 0
      ? this.#fields
      : new RequestFields(new ChangedRequestFields(this.#fields, change.fields));
    const changed = new Exchange({ ...this.#options, tenant, fields, change, asSent: this });
    changed.quotaFields = this.quotaFields;
    changed.byteAccount = this.byteAccount;
    changed.ruling = this.ruling;
    changed.trace = this.trace;
    changed.#isUnderWay = this.#isUnderWay;
    changed.isBackground = this.isBackground;
    changed.phases = this.phases;
    this.#isUnderWay = false;
    return changed;
  }

  /** Id of the only upstream that may be asked; `null` leaves the choice to the pool. */
  get pinned(): string | null {
    return this.#options.change?.upstream ?? null;
  }

  /** Whether a rule has set the field of this name. */
  isSetByRule(name: string): boolean {
    const { change } = this.#options;
    return change !== undefined && (this.#setByRules ??= namesSet(change.fields)).has(name);
  }

  /** Whether the target is the listener's prefix without a slash behind it, and the prefix is stripped. */
  get isBarePrefix(): boolean {
    return this.#isBarePrefix;
  }

  /** Whether it has neither conditions nor a range: the case that has to be fast. */
  get isPlain(): boolean {
    return this.#plain ??= this.header("if-none-match") === null && this.header("if-modified-since") === null &&
      this.header("range") === null && this.header("if-match") === null && this.header("if-unmodified-since") === null;
  }

  /** The changes in the response's document; `null` for none. */
  get rewrite(): Rewrite | null {
    const { rewriting } = this.tenant;
    if (rewriting === null || (this.method !== "GET" && this.method !== "HEAD")) return null;
    return this.#rewrite === undefined ? this.#rewrite = rewriteOf(rewriting, this) : this.#rewrite;
  }

  /** Drops {@linkcode rewrite}: the response turned out to be no document. */
  leaveUnchanged(): void {
    this.#rewrite = null;
  }

  /** The scheme that the client used on its connection to this gateway, or to a proxy before it that passed the whole target on. */
  get scheme(): "http" | "https" {
    const { target, connection } = this.arrival;
    return target.startsWith("/") ? connection.scheme : target.startsWith("https:") ? "https" : "http";
  }

  /** Scheme that the client used, as a trusted proxy states it. */
  get publicScheme(): "http" | "https" {
    const { authority, scheme } = this;
    return publicOrigin({ authority, scheme, trusted: this.isTrusted(), header: (name) => this.header(name) }).scheme;
  }

  /** Token before the path, such as `/~TOKEN`; often empty. For responses to this client only. */
  get keyPrefix(): string {
    return this.#options.keyPrefix ?? "";
  }

  /** Warns once for each configuration that an untrusted peer's scheme is ignored. */
  warnUntrustedScheme(): void {
    const { tenant: { name, rewriting }, services: { logger } } = this;
    if (rewriting === null || warned.has(rewriting)) return;
    warned.add(rewriting);
    logger.in("request").warn(
      "Image addresses begin with http: the peer says https, but it is not in server.trusted_proxies",
      {
        listener: name,
        peer: shownClient(this.peer, this.services.settings.clientDetail),
      },
    );
  }

  /** Whether the connection's other end is a trusted proxy. */
  isTrusted(): boolean {
    return this.services.settings.isTrusted(this.peer);
  }

  /** Whether a client waits for a range of the representation. */
  get wantsPart(): boolean {
    return !this.isBackground && this.header("range") !== null;
  }

  /** 32-bit hash of the path, for strategies that keep a target at one upstream. */
  get keyHash(): number {
    return fnv1a(this.path);
  }

  /** Address of the connection's other end. */
  get peer(): string {
    return this.arrival.connection.peer;
  }

  /** Aborted when the client has left. */
  get signal(): AbortSignal {
    return this.arrival.signal;
  }

  /** Whether the client has left; `false` in the background. */
  get hasLeft(): boolean {
    return !this.isBackground && this.arrival.isGone;
  }

  /** Whether the client takes a trailer section (RFC 9110 §10.1.4). */
  get wantsTrailers(): boolean {
    const te = this.header("te");
    return te !== null && /(?:^|,)[ \t]*trailers[ \t]*(?:,|$)/i.test(te);
  }

  /** Passes an interim response of an upstream on to the client (RFC 9110 §15.2); not in the background. */
  passInterim(status: number, fields: Readonly<Fields>): void {
    if (this.isBackground) return;
    const passed = endToEndFields(fields, fieldValue(fields, "connection"));
    // An interim response has no content, so that there is no length to state (RFC 9110 §8.6).
    const described = passed.filter(([name]) => name !== "content-length");
    this.arrival.interim(status, besideChanged(described, this.ruling?.response?.fields ?? []));
  }

  /** Every field of the request, names in lower case. */
  get fields(): Readonly<Fields> {
    return this.#fields.list();
  }

  /** Address of the client: the peer's, or the one that a trusted proxy states. */
  get client(): string {
    const peer = this.peer;
    if (!this.services.settings.isTrusted(peer)) return peer;
    const said = this.header("x-forwarded-for")?.split(",").map((part) => plainAddress(part.trim())) ?? [];
    // The rightmost address that is no trusted proxy's is the last one that a trusted proxy has seen.
    const stated = said.findLast((address) => !this.services.settings.isTrusted(address));
    // Where a proxy says `unknown`, or passes on what it was told, each text would be a client of its own.
    return stated === undefined || isIP(stated) === 0 ? peer : stated;
  }

  /** A copy of the request for a fetch in the background: with GET, and not counted. */
  inBackground(): Exchange {
    const copy = new Exchange({ ...this.#options, method: "GET", asSent: undefined });
    copy.isBackground = true;
    copy.#variants = this.#variants;
    return copy;
  }

  /** Whether its response is stored to the end when no client waits for it. */
  get fillsToTheEnd(): boolean {
    return this.isBackground || this.services.settings.backgroundFill;
  }

  /** Id of the request's trace; `null` where that is not recorded. */
  get traceId(): string | null {
    return this.trace === null ? null : this.trace.trace.traceId;
  }

  /** Enters a stage; the result is the one before. */
  enter(stage: Stage): Stage {
    return (this.phases ??= new Phases()).enter(stage);
  }

  /** Waits in a stage for a promise, and goes back to the stage before; where it rejects, the request ends in this one. */
  async during<T>(stage: Stage, waiting: Promise<T>): Promise<T> {
    const before = this.enter(stage);
    const result = await waiting;
    this.enter(before);
    return result;
  }

  /** Counts the request as under way, until {@linkcode finish}, and begins its span. */
  begin(): void {
    if (this.services.tracer !== null) this.trace = beginTrace(this);
    this.#isUnderWay = true;
    this.tenant.counts.inFlight++;
  }

  /** The request as the client sent it, before rules changed it. */
  get asSent(): Exchange {
    return this.#options.asSent ?? this;
  }

  /** Counts the request as ended, writes its access line and ends its span. */
  finish(finish: Finish): void {
    if (this.isBackground) return;
    if (this.#isUnderWay) this.tenant.counts.inFlight--;
    this.#isUnderWay = false;
    if (this.byteAccount !== null) this.byteAccount.settle(finish.bytes);
    recordRequest(this, finish);
    if (this.trace !== null) endTrace(this, finish);
  }
}

/** Configurations that have been warned of. */
const warned = new WeakSet<Rewriting>();
