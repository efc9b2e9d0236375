/**
 * The rules of RFC 9111 as pure functions of values and a time. What is asked of them while a response is stored and used:
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { storedResponse } from "../stored_response.ts";
 * import { allowsStaleIfError, evaluate } from "./policy.ts";
 * import type { CacheRequest, PolicyOptions } from "./policy_options.ts";
 * import { validationFields } from "./reuse.ts";
 * import { storable } from "./storable.ts";
 *
 * const options: PolicyOptions = {
 *   mode: "rfc9111", clientCacheControl: "ignore", rules: [], targetedFields: [], ignoreVary: new Set(), setCookie: "bypass", cookies: "ignore", maxTtlMs: null,
 * };
 * const request: CacheRequest = {
 *   method: "GET", path: "/", header: () => null, sharedAuthorization: false, private: null, routeTtl: null,
 * };
 * // A response comes: may it be stored, and for how long is it fresh?
 * const times = { requestTimeMs: 0, responseTimeMs: 0 };
 * const head = { status: 200, fields: [["cache-control", "max-age=60"], ["etag", '"1"']] as [string, string][] };
 * const decision = storable({ request, head, times, options });
 * assert.ok(decision.store);
 * const stored = storedResponse({ key: "films\0\0/", status: 200, body: new Uint8Array(), ...times, ...decision });
 * // Requests come: is it used as it is, or the origin asked?
 * assert.equal(evaluate(request, undefined, { options, nowMs: 0 }).kind, "miss");
 * assert.equal(evaluate(request, stored, { options, nowMs: 59_000 }).kind, "hit");
 * assert.equal(evaluate(request, stored, { options, nowMs: 61_000 }).kind, "validate");
 * assert.deepEqual(validationFields(stored), [["if-none-match", '"1"']]);
 * // The origin gives no answer: is the stale response better than none?
 * assert.ok(allowsStaleIfError(request, stored, { options, nowMs: 61_000, cause: "unreachable" }));
 * ```
 *
 * @module
 */
import type { ForwardReason } from "../../forward_reason.ts";
import { type RequestDirectives, requestDirectives } from "../../http/cache_control.ts";
import { applicableDirectives } from "./freshness.ts";
import type { CacheRequest, PolicyOptions } from "./policy_options.ts";
import { ageMs, selects, ttlMs } from "./reuse.ts";
import { allowsAuthorized } from "./storable.ts";
import type { StoredHead, StoredResponse } from "../stored_response.ts";

/** The decision about a request, given the stored response of its key. */
export interface Verdict {
  /**
   * - `hit`: serve the stored response.
   * - `stale_while_revalidate`: serve it, and validate it in the background.
   * - `validate`: ask the upstream, with {@linkcode validationFields} where there are any.
   * - `miss`: ask the upstream.
   * - `bypass`: ask the upstream; the cache has no part in it.
   */
  readonly kind: "hit" | "stale_while_revalidate" | "validate" | "miss" | "bypass";
  /** Why the request is forwarded (RFC 9211 §2.2); `null` on a hit. */
  readonly fwd: ForwardReason | null;
  /** For `Cache-Status` and the log; a token. */
  readonly detail: string | null;
  /** Where it would be forwarded: answer 504 instead (`only-if-cached`, RFC 9111 §5.2.1.7). */
  readonly onlyIfCached: boolean;
}

/** A verdict that is made once, and its twin for requests that want no forwarding. */
interface Prepared {
  readonly plain: Verdict;
  readonly onlyIfCached: Verdict;
}

function prepare(kind: Verdict["kind"], fwd: ForwardReason | null, detail: string | null = null): Prepared {
  const plain = Object.freeze({ kind, fwd, detail, onlyIfCached: false });
  return { plain, onlyIfCached: fwd === null ? plain : Object.freeze({ ...plain, onlyIfCached: true }) };
}

const HIT = prepare("hit", null);
const STALE_HIT = prepare("hit", null, "max-stale");
const STALE_WHILE_REVALIDATE = prepare("stale_while_revalidate", null, "stale-while-revalidate");
const VALIDATE_STALE = prepare("validate", "stale");
const VALIDATE_ASKED = prepare("validate", "request");

/** The verdict on a hit that a client wants validated, see {@linkcode asksForValidation}. */
export const VALIDATION: Verdict = VALIDATE_ASKED.plain;

const URI_MISS = prepare("miss", "uri-miss");
const VARY_MISS = prepare("miss", "vary-miss");
const METHOD = prepare("bypass", "method");
const PRIVATE = prepare("bypass", "bypass", "private");
const COOKIE = prepare("bypass", "bypass", "cookie");
const AUTHORIZATION = prepare("bypass", "bypass", "authorization");

/** By what rules and at what time a request is judged. */
export interface EvaluationContext {
  readonly options: PolicyOptions;
  /** Milliseconds since the Unix epoch. */
  readonly nowMs: number;
}

/** The request's directives that are obeyed; `null` where it has none, as nearly all requests. */
type Asked = RequestDirectives | null;

/**
 * Decides about a request, given the stored response of its key (RFC 9111 §4, RFC 5861 §3). Called on every hit: a plain hit allocates
 * nothing.
 *
 * A request's `no-cache`, `max-age`, `min-fresh` and `Pragma` count only where `clientCacheControl` is `obey`: they would let any client
 * spend the requests that an upstream allows.
 */
export function evaluate(
  request: CacheRequest,
  stored: StoredHead | undefined,
  context: EvaluationContext,
): Verdict {
  const verdict = judge(request, stored, context);
  return verdict.plain.fwd !== null && wantsOnlyCached(request) ? verdict.onlyIfCached : verdict.plain;
}

/** RFC 9111 §5.2.1.7 */
function wantsOnlyCached(request: CacheRequest): boolean {
  return requestDirectives(request.header("cache-control")).onlyIfCached;
}

function askedOf(request: CacheRequest, { clientCacheControl }: PolicyOptions): Asked {
  const cacheControl = request.header("cache-control");
  const obeys = clientCacheControl === "obey";
  if (cacheControl === null) {
    if (!obeys) return null;
    // Only without Cache-Control does Pragma count (RFC 9111 §5.4).
    const pragma = request.header("pragma");
    return pragma !== null && /\bno-cache\b/i.test(pragma) ? requestDirectives("no-cache") : null;
  }
  const asked = requestDirectives(cacheControl);
  return obeys ? asked : { ...asked, noCache: false, maxAgeSeconds: null, minFreshSeconds: null };
}

function judge(request: CacheRequest, stored: StoredHead | undefined, context: EvaluationContext): Prepared {
  if (request.method !== "GET" && request.method !== "HEAD") return METHOD;
  if (request.private !== null) return PRIVATE;
  if (context.options.cookies === "bypass" && request.header("cookie") !== null) return COOKIE;
  return stored === undefined ? URI_MISS : judgeStored(request, stored, context);
}

/** A response from further in the future says that the clock was set back: its age is unknown, so it counts as stale. */
const MAX_CLOCK_STEP_MS = 10_000;

/** Judges a request against the response that is stored for its key. */
function judgeStored(request: CacheRequest, stored: StoredHead, { options, nowMs }: EvaluationContext): Prepared {
  const asked = askedOf(request, options);
  if (!selects(stored, request)) return VARY_MISS;
  if (!mayShare(request, stored, options)) return AUTHORIZATION;
  if (asked !== null && refuses(asked, stored, nowMs)) return VALIDATE_ASKED;
  const { freshness } = stored;
  if (freshness.alwaysValidate || nowMs < stored.responseTimeMs - MAX_CLOCK_STEP_MS) return VALIDATE_STALE;
  const leftMs = ttlMs(stored, nowMs);
  if (leftMs > 0) return HIT;
  if (freshness.mustRevalidate) return VALIDATE_STALE;
  if (-leftMs < freshness.staleWhileRevalidateMs) {
    return stored.isPurged && keepsCopies(request) ? VALIDATE_STALE : STALE_WHILE_REVALIDATE;
  }
  return asked?.maxStaleSeconds != null && -leftMs <= asked.maxStaleSeconds * 1000 ? STALE_HIT : VALIDATE_STALE;
}

/** How old the answer of an origin is before clients may have it validated, where their directives are limited. */
const LIMITED_MS = 10_000;

/**
 * Whether the request would have a stored response validated that could answer it, where clients' directives are limited. Ask it of
 * hits alone; who answers `true` still has to be given one of the validations that all clients share.
 */
export function asksForValidation(request: CacheRequest, stored: StoredResponse, context: EvaluationContext): boolean {
  const { options, nowMs } = context;
  if (options.clientCacheControl !== "limit" || nowMs - stored.responseTimeMs < LIMITED_MS) return false;
  const asked = askedOf(request, { ...options, clientCacheControl: "obey" });
  return asked !== null && refuses(asked, stored, nowMs);
}

/**
 * Whether a request comes from a cache that holds on to what it is answered: one that validates its own copy, or a gateway (RFC 8586). It
 * would go on with what was purged for another lifetime, so it waits for the validation.
 */
function keepsCopies(request: CacheRequest): boolean {
  return request.header("if-none-match") !== null || request.header("if-modified-since") !== null ||
    request.header("cdn-loop") !== null;
}

/** A user's request gets a shared response only where the origin says that it is for all (the mirror of RFC 9111 §3.5). */
function mayShare(request: CacheRequest, stored: StoredHead, options: PolicyOptions): boolean {
  if (request.sharedAuthorization || request.header("authorization") === null) return true;
  return allowsAuthorized(applicableDirectives((name) => stored.field(name), options.targetedFields).directives);
}

/** Whether the client wants a fresher response than this one (RFC 9111 §5.2.1.1, §5.2.1.3, §5.2.1.4). */
function refuses(asked: RequestDirectives, stored: StoredHead, nowMs: number): boolean {
  if (asked.noCache || asked.maxAgeSeconds === 0) return true;
  if (asked.maxAgeSeconds !== null && ageMs(stored, nowMs) > asked.maxAgeSeconds * 1000) return true;
  return asked.minFreshSeconds !== null && ttlMs(stored, nowMs) < asked.minFreshSeconds * 1000;
}

/** Statuses that `stale-if-error` speaks of (RFC 5861 §4). */
const ERROR_STATUSES: ReadonlySet<number> = new Set([500, 502, 503, 504]);

/** A failure of the upstream, and when. */
export interface FailureContext extends EvaluationContext {
  /** It gave no answer, or one with this status. */
  readonly cause: "unreachable" | number;
}

/**
 * Whether a stored response may answer although it is stale, because the upstream failed (RFC 9111 §4.2.4, RFC 5861 §4): within
 * `stale-if-error`, and in mode `rfc9111` at any age where the upstream cannot be reached, unless a directive forbids it. In
 * mode `ttl` a 429 counts as a failure too: the limit is the gateway's to bear, not the client's.
 */
export function allowsStaleIfError(request: CacheRequest, stored: StoredResponse, context: FailureContext): boolean {
  const { freshness } = stored;
  const { options, nowMs, cause } = context;
  if (freshness.mustRevalidate || !selects(stored, request) || !mayShare(request, stored, options)) return false;
  const asked = askedOf(request, options);
  if (asked?.noCache) return false;
  const staleMs = -ttlMs(stored, nowMs);
  const windowMs = Math.max(freshness.staleIfErrorMs, (asked?.staleIfErrorSeconds ?? 0) * 1000);
  if (cause === "unreachable") return options.mode === "rfc9111" || staleMs <= windowMs;
  return (ERROR_STATUSES.has(cause) || options.mode === "ttl" && cause === 429) && staleMs <= windowMs;
}
