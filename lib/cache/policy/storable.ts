import { type Qualified, requestDirectives, type ResponseDirectives } from "../../http/cache_control.ts";
import { endToEndFields, type Fields, fieldValue, type ResponseHead } from "../../http/fields.ts";
import { formatHttpDate, parseHttpDate } from "../../http/http_date.ts";
import { negotiatedCodings } from "../../http/content_coding.ts";
import { splitList } from "../../http/list.ts";
import { type SelectingFields, selectingFields, varyNames } from "../../http/vary.ts";
import {
  applicableDirectives,
  freshnessOf,
  type FreshnessResult,
  HEURISTIC_STATUSES,
  isEssential,
  isShielded,
  namesEssential,
} from "./freshness.ts";
import { type CacheRequest, matchingRule, type PolicyOptions, type ResponseTimes } from "./policy_options.ts";
import { purgeTags } from "../purge/purge_tags.ts";
import type { Freshness, Tiers } from "../stored_response.ts";

/** Input of {@linkcode storable}. */
export interface StorableSubject {
  readonly request: CacheRequest;
  readonly head: ResponseHead;
  readonly times: ResponseTimes;
  readonly options: PolicyOptions;
}

/** Why a response is not stored: a short token for `Cache-Status`, the log and the metrics. */
export type RefusalReason =
  | "method"
  | "private-request"
  | "cookie"
  | "request-no-store"
  | "partial"
  | "status"
  | "no-store"
  | "private"
  | "authorization"
  | "set-cookie"
  | "vary"
  | "no-freshness"
  | "endless";

/** The response may be stored, in this form. */
export interface Storable {
  readonly store: true;
  readonly freshness: Freshness;
  readonly selectedBy: SelectingFields;
  readonly tiers: Tiers;
  /** To be stored: end-to-end, without what belongs to one client, with `date`, without `age` and `content-length`. */
  readonly fields: Fields;
  /** End-to-end fields that only the client gets whose request brought the response (`Set-Cookie`, what `private` names). */
  readonly ownFields: Fields;
  /** From `Surrogate-Key` and `Cache-Tag`, sorted. */
  readonly tags: readonly string[];
}

/** The response may not be stored. */
export interface NotStorable {
  readonly store: false;
  readonly reason: RefusalReason;
  /** How long the key is to be taken for uncacheable, so that requests for it do not wait for each other; 0 not at all. */
  readonly hitForMissMs: number;
}

/** Refusals that speak of the response, not of this one request: the next one will most likely fare the same. */
const HIT_FOR_MISS_MS = 30_000;
/** A failure may be over with the next request. */
const HIT_FOR_FAILURE_MS = 1000;

/** Refusals that speak of this one request only. */
export const OF_REQUEST: ReadonlySet<RefusalReason> = new Set([
  "method",
  "private-request",
  "cookie",
  "request-no-store",
  "authorization",
  "partial",
]);

/** Final statuses whose meaning for caches is known here; `must-understand` stores no others (RFC 9111 §5.2.2.3). */
const UNDERSTOOD_STATUSES: ReadonlySet<number> = new Set(
  // deno-fmt-ignore
  [
    200, 201, 202, 203, 204, 205, 207, 208, 226, 300, 301, 302, 303, 305, 307, 308,
    400, 401, 402, 403, 404, 405, 406, 407, 408, 409, 410, 411, 412, 413, 414, 415, 416, 417, 421, 422, 423, 424, 425, 426, 428, 429, 431, 451,
    500, 501, 502, 503, 504, 505, 506, 507, 508, 511,
  ],
);

/** They answer one client, or one moment: in mode `ttl` they are never stored, even where origin or rules allow it. */
const ONE_CLIENTS_STATUSES: ReadonlySet<number> = new Set([401, 403, 407]);

const EVERYWHERE: Tiers = { memory: true, disk: true, shared: true };

/** Request fields that are credentials: their values must not become part of a key. */
const CREDENTIALS: ReadonlySet<string> = new Set(["authorization", "cookie", "proxy-authorization", "x-api-key"]);

/** Fields that are rewritten for each response, or are meant for this gateway alone. */
const NOT_KEPT: ReadonlySet<string> = new Set(["age", "content-length", "surrogate-control"]);
const COOKIES: ReadonlySet<string> = new Set(["set-cookie", "set-cookie2"]);

/**
 * Decides whether a response may be stored and in what form (RFC 9111 §3). Pure: nothing but its arguments counts.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { storable } from "./storable.ts";
 * const decision = storable({
 *   request: { method: "GET", path: "/", header: () => null, sharedAuthorization: false, private: null, routeTtl: null },
 *   head: { status: 200, fields: [["cache-control", "max-age=60"], ["connection", "x"], ["x", "1"]] },
 *   times: { requestTimeMs: 0, responseTimeMs: 0 },
 *   options: {
 *     mode: "rfc9111", clientCacheControl: "ignore", rules: [], targetedFields: [], ignoreVary: new Set(), setCookie: "bypass", cookies: "ignore", maxTtlMs: null,
 *   },
 * });
 * assert.ok(decision.store);
 * assert.equal(decision.freshness.lifetimeMs, 60_000);
 * assert.deepEqual(decision.fields, [["cache-control", "max-age=60"], ["date", "Thu, 01 Jan 1970 00:00:00 GMT"]]);
 * ```
 */
export function storable(subject: StorableSubject): Storable | NotStorable {
  const { request, head, options, times } = subject;
  const applicable = applicableDirectives((name) => fieldValue(head.fields, name), options.targetedFields);
  const { directives } = applicable;
  const refusal = refusedByRequest(request, options) ?? refusedByStatus(subject) ??
    refusedByDirectives(subject, directives);
  if (refusal !== null) return notStorable(refusal, head.status);
  const { fields, ownFields } = dividedFields(subject, directives);
  if (options.setCookie === "bypass" && fields.some(([name]) => COOKIES.has(name))) return notStorable("set-cookie");
  const selectedBy = selection(subject);
  if (selectedBy === null) return notStorable("vary");
  const rule = matchingRule(options.rules, { path: request.path, status: head.status, fields: head.fields });
  if (isEndless(head.fields) && rule?.contentType == null) return notStorable("endless");
  const { freshness, basis } = freshnessOf({ head, times, applicable, options, rule, routeTtl: request.routeTtl });
  if (!isAllowedStatus(subject, directives, basis)) return notStorable("status", head.status);
  if (!isOfUse(freshness, fields)) return notStorable("no-freshness");
  return {
    store: true,
    freshness,
    selectedBy,
    tiers: rule?.tiers ?? EVERYWHERE,
    fields: withVary(fields, selectedBy),
    ownFields,
    tags: purgeTags(head.fields),
  };
}

/** Media types of bodies that go on until somebody leaves: they are stored only where a rule names their type. */
const ENDLESS = /^\s*(?:text\/event-stream|multipart\/x-mixed-replace|application\/grpc)/i;

/** Whether fields announce such a body. */
export function isEndless(fields: Readonly<Fields>): boolean {
  return ENDLESS.test(fieldValue(fields, "content-type") ?? "");
}

function notStorable(reason: RefusalReason, status = 200): NotStorable {
  const isOfRequest = OF_REQUEST.has(reason) || ONE_CLIENTS_STATUSES.has(status);
  const hitForMissMs = isOfRequest ? 0 : isShielded(status) ? HIT_FOR_FAILURE_MS : HIT_FOR_MISS_MS;
  return { store: false, reason, hitForMissMs };
}

function refusedByRequest(request: CacheRequest, options: PolicyOptions): RefusalReason | null {
  if (request.method !== "GET") return "method";
  if (request.private !== null) return "private-request";
  if (options.cookies === "bypass" && request.header("cookie") !== null) return "cookie";
  // RFC 9111 §5.2.1.5
  return requestDirectives(request.header("cache-control")).noStore ? "request-no-store" : null;
}

function refusedByStatus(subject: StorableSubject): RefusalReason | null {
  const { head: { status }, options } = subject;
  if (status < 200) return "status";
  // A part is not the whole, and a 304 has no content of its own (RFC 9111 §3.3, §4.3.4).
  if (status === 304 || status === 206 && !isLonePart(subject)) return "partial";
  return options.mode === "ttl" && ONE_CLIENTS_STATUSES.has(status) ? "status" : null;
}

/** Whether a 206 is one range that this very request asked for, so that it can answer the same request again. */
function isLonePart({ request, head, options }: StorableSubject): boolean {
  if (options.storePartial !== true || request.header("range") === null || request.header("if-range") !== null) {
    return false;
  }
  const contentRange = fieldValue(head.fields, "content-range");
  return contentRange !== null && /^bytes \d+-\d+\/(?:\d+|\*)$/.test(contentRange);
}

/** RFC 9111 §5.2.2.3 (`must-understand`), §5.2.2.5 (`no-store`), §5.2.2.7 (`private`), §3.5 (`Authorization`). */
function refusedByDirectives(
  { request, head }: StorableSubject,
  directives: ResponseDirectives,
): RefusalReason | null {
  const isUnderstood = UNDERSTOOD_STATUSES.has(head.status);
  if (directives.mustUnderstand && !isUnderstood) return "status";
  if (directives.noStore && !directives.mustUnderstand) return "no-store";
  if (directives.private === true || namesEssential(directives.private)) return "private";
  const isUsers = !request.sharedAuthorization && request.header("authorization") !== null;
  return isUsers && !allowsAuthorized(directives) ? "authorization" : null;
}

/** Whether a response to a request with `Authorization` may be shared (RFC 9111 §3.5). */
export function allowsAuthorized(directives: ResponseDirectives): boolean {
  return directives.public || directives.mustRevalidate || directives.sMaxageSeconds !== null;
}

/** RFC 9111 §3: a stated lifetime, `public`, or a status that allows a guess; in mode `ttl` failures only where a rule names them. */
function isAllowedStatus(
  { head: { status }, options }: StorableSubject,
  directives: ResponseDirectives,
  basis: FreshnessResult["basis"],
): boolean {
  if (options.mode === "ttl" && isShielded(status)) return basis === "configured";
  return basis !== "guess" || directives.public || HEURISTIC_STATUSES.has(status);
}

/** Fresh for a while, to be validated, or good for a while when stale; else there is nothing to keep it for. */
function isOfUse(freshness: Freshness, fields: Readonly<Fields>): boolean {
  if (freshness.lifetimeMs > 0 && !freshness.alwaysValidate) return true;
  if (freshness.staleWhileRevalidateMs > 0 || freshness.staleIfErrorMs > 0) return true;
  return fields.some(([name, value]) => (name === "etag" || name === "last-modified") && value !== "");
}

/** Fields for the store, and those that belong to one client. */
function dividedFields(
  { head, times, options }: StorableSubject,
  directives: ResponseDirectives,
): { fields: Fields; ownFields: Fields } {
  const named = new Set([...namesOf(directives.private), ...namesOf(directives.noCache)]);
  const isOwn = (name: string): boolean =>
    named.has(name) && !isEssential(name) || options.setCookie === "strip" && COOKIES.has(name);
  const fields: Fields = [];
  const ownFields: Fields = [];
  for (const field of endToEndFields(head.fields, fieldValue(head.fields, "connection"))) {
    if (NOT_KEPT.has(field[0])) continue;
    (isOwn(field[0]) ? ownFields : fields).push(field);
  }
  return { fields: withDate(fields, times.responseTimeMs), ownFields };
}

function namesOf(names: Qualified): readonly string[] {
  return typeof names === "boolean" ? [] : names;
}

/** The fields with a `Date` that is one: the time of receipt replaces a missing or broken one (RFC 9110 §6.6.1). */
function withDate(fields: Fields, responseTimeMs: number): Fields {
  const date = fieldValue(fields, "date");
  if (date !== null && parseHttpDate(date, responseTimeMs) !== null) return fields;
  const rest = date === null ? fields : fields.filter(([name]) => name !== "date");
  rest.push(["date", formatHttpDate(responseTimeMs)]);
  return rest;
}

/** The request's values of what `Vary` names; `null` where they cannot be part of a key. */
function selection({ request, head, options }: StorableSubject): SelectingFields | null {
  const varying = varyNames(fieldValue(head.fields, "vary"))?.filter((name) => !options.ignoreVary.has(name));
  if (varying === undefined) return null;
  // An origin may choose a coding without saying so: what it chose for one client does not suit every other.
  if (request.isNegotiated === true || negotiatedCodings(fieldValue(head.fields, "content-encoding")).length > 0) {
    if (!options.ignoreVary.has(CODINGS)) varying.push(CODINGS);
  }
  // A part answers only a request for the same part.
  if (head.status === 206) varying.push("range");
  const names = [...new Set(varying)].sort();
  // A field that the client's Connection names was not sent on: the origin answered without it.
  const withheld = new Set(splitList((request.header("connection") ?? "").toLowerCase(), Infinity));
  if (names.some((name) => withheld.has(name))) return null;
  const selectedBy = selectingFields(names, (name) => request.header(name));
  return selectedBy.some(([name, value]) => value !== null && CREDENTIALS.has(name)) ? null : selectedBy;
}

const CODINGS = "accept-encoding";

/** The fields with a `Vary` that tells caches behind this one that codings were chosen (RFC 9110 §12.5.5). */
function withVary(fields: Fields, selectedBy: SelectingFields): Fields {
  if (!selectedBy.some(([name]) => name === CODINGS)) return fields;
  const vary = fieldValue(fields, "vary");
  if (varyNames(vary)?.includes(CODINGS)) return fields;
  return [...fields.filter(([name]) => name !== "vary"), [
    "vary",
    vary === null ? "Accept-Encoding" : `${vary}, Accept-Encoding`,
  ]];
}
