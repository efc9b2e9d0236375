import {
  deltaSeconds,
  MAX_DELTA_SECONDS,
  type Qualified,
  type ResponseDirectives,
  responseDirectives,
} from "../../http/cache_control.ts";
import { saysStale } from "../../http/cache_status.ts";
import { type Fields, fieldValue, type ResponseHead } from "../../http/fields.ts";
import { parseHttpDate } from "../../http/http_date.ts";
import { trimSpace } from "../../http/list.ts";
import { surrogateDirectives, targetedDirectives } from "../../http/targeted_cache_control.ts";
import type { CacheRule, PolicyOptions, ResponseTimes, RouteTimes } from "./policy_options.ts";
import type { Freshness } from "../stored_response.ts";

/** Statuses whose responses may be given a lifetime by guess (RFC 9110 §15.1). */
export const HEURISTIC_STATUSES: ReadonlySet<number> = new Set(
  [200, 203, 204, 206, 300, 301, 308, 404, 405, 410, 414, 501],
);

/** Statuses that a configured time is meant for without being named: whole answers. */
const CONFIGURED_STATUSES: ReadonlySet<number> = new Set([200, 203]);
/**
 * What is not there today, or elsewhere, may be there tomorrow, and a redirect may be that of a block page: these are kept for a
 * short time only.
 */
const NEGATIVE_STATUSES: ReadonlySet<number> = new Set([204, 300, 301, 308, 404, 410]);
/** Longest time that a thing is remembered as missing or elsewhere where no rule names its status. */
export const MAX_NEGATIVE_TTL_MS = 10 * 60_000;
/** Longest time that a failure may be remembered at all: enough to break a storm, too short to be noticed. */
export const MAX_SHIELD_TTL_MS = 1000;

/** Share of the time since the last change that is guessed to be fresh, and the most of it (RFC 9111 §4.2.2). */
const HEURISTIC_SHARE = 0.1;
const MAX_HEURISTIC_MS = 24 * 3_600_000;

/** Fields that make sense of the body or steer its caching: a response cannot be kept without them. */
const ESSENTIAL: ReadonlySet<string> = new Set([
  "cache-control",
  "content-encoding",
  "content-range",
  "content-type",
  "date",
  "etag",
  "expires",
  "last-modified",
  "vary",
]);

/** Whether a response is of no use without this field: its name in lower case. */
export function isEssential(name: string): boolean {
  return ESSENTIAL.has(name);
}

/** Whether a directive names a field that cannot be left out, so that it is to be taken as if it named all. */
export function namesEssential(names: Qualified): boolean {
  return typeof names !== "boolean" && names.some(isEssential);
}

/** The directives that decide, and whether they come from a field that targets this cache. */
export interface Applicable {
  readonly directives: ResponseDirectives;
  /** `Cache-Control` and `Expires` do not count (RFC 9213 §2.2). */
  readonly targeted: boolean;
}

/** Gives a field's value by its lower-case name, repeated lines joined; `null` where there is none. */
export type FieldReader = (name: string) => string | null;

/** The directives of the first targeted field that is valid and not empty, else those of `Cache-Control` (RFC 9213 §2.2). */
export function applicableDirectives(field: FieldReader, targetedFields: readonly string[]): Applicable {
  for (const name of targetedFields) {
    const directives = targetedField(field, name);
    if (directives !== null) return { directives, targeted: true };
  }
  const surrogate = targetedField(field, "surrogate-control");
  if (surrogate !== null) return { directives: surrogate, targeted: true };
  return { directives: responseDirectives(field("cache-control")), targeted: false };
}

function targetedField(field: FieldReader, name: string): ResponseDirectives | null {
  const value = field(name);
  return name === "surrogate-control" ? surrogateDirectives(value) : targetedDirectives(value);
}

/**
 * Age of a response when it came, in milliseconds (RFC 9111 §4.2.3). A malformed `Age` or `Date` is ignored, of several ages
 * the first counts (RFC 9111 §5.1). At most 2^31 seconds, as an age may be sent (RFC 9111 §1.2.2). Dates hold whole seconds, so the part of a second since `Date` is not an age.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { initialAgeMs } from "./freshness.ts";
 * const times = { requestTimeMs: 1000, responseTimeMs: 1200 };
 * assert.equal(initialAgeMs([["age", "30, 60"]], times), 30_200);
 * assert.equal(initialAgeMs([["age", "-1"]], times), 200);
 * ```
 */
export function initialAgeMs(fields: Readonly<Fields>, times: ResponseTimes): number {
  const dateMs = dateIn(fields, "date", times.responseTimeMs);
  const apparentAgeMs = dateMs === null ? 0 : Math.floor((times.responseTimeMs - dateMs) / 1000) * 1000;
  const age = fieldValue(fields, "age");
  const ageSeconds = age === null ? 0 : deltaSeconds(trimSpace(age.split(",", 1)[0] ?? "")) ?? 0;
  const responseDelayMs = Math.max(0, times.responseTimeMs - times.requestTimeMs);
  return Math.min(Math.max(0, apparentAgeMs, ageSeconds * 1000 + responseDelayMs), MAX_DELTA_SECONDS * 1000);
}

/** A date field in milliseconds since the Unix epoch; of several lines the first counts (RFC 9111 §4.2.1). */
function dateIn(fields: Readonly<Fields>, name: string, nowMs: number): number | null {
  const line = fields.find((field) => field[0] === name);
  return line === undefined ? null : parseHttpDate(line[1], nowMs);
}

/** Input of {@linkcode freshnessOf}. */
export interface FreshnessSubject {
  readonly head: ResponseHead;
  readonly times: ResponseTimes;
  readonly applicable: Applicable;
  readonly options: PolicyOptions;
  /** The rule that matched, if any. */
  readonly rule: CacheRule | null;
  readonly routeTtl: RouteTimes | null;
}

/** Freshness and its source: a rule or route of the gateway, the origin, or none (RFC 9111 §3 tells them apart). */
export interface FreshnessResult {
  readonly freshness: Freshness;
  readonly basis: "configured" | "origin" | "guess";
}

/**
 * How long a response may be used (RFC 9111 §4.2.1, §4.2.2, RFC 5861). In mode `ttl` a configured time comes before what the
 * origin says; in mode `rfc9111` it is used where the origin says nothing.
 */
export function freshnessOf(subject: FreshnessSubject): FreshnessResult {
  const ageMs = initialAgeMs(subject.head.fields, subject.times);
  const configuredMs = configuredTtlMs(subject);
  if (subject.options.mode === "ttl" && configuredMs !== null) return configuredFreshness(subject, ageMs, configuredMs);
  return originFreshness(subject, ageMs, configuredMs);
}

/** The configured time for the response's status, in milliseconds; `null` where none is meant for it. */
export function configuredTtlMs(subject: Pick<FreshnessSubject, "head" | "rule" | "routeTtl">): number | null {
  const { head: { status }, rule } = subject;
  const ttlMs = rule?.ttlMs ?? subject.routeTtl?.ttlMs ?? null;
  if (ttlMs === null) return null;
  const isNamed = rule !== null && rule.status !== null && rule.ttlMs !== null;
  if (isShielded(status)) return isNamed ? Math.min(ttlMs, MAX_SHIELD_TTL_MS) : null;
  if (isNamed || CONFIGURED_STATUSES.has(status)) return ttlMs;
  return NEGATIVE_STATUSES.has(status) ? Math.min(ttlMs, MAX_NEGATIVE_TTL_MS) : null;
}

/** Failures of the upstream and its limits: remembered for less than a second, and only where a rule names the status. */
export function isShielded(status: number): boolean {
  return status === 429 || status >= 500;
}

/**
 * A configured time counts from the moment the response came, so the age it came with is added to the lifetime. What a cache nearer to
 * the origin has served stale, because it had to, is stale here too: it would be kept for another lifetime.
 */
function configuredFreshness(subject: FreshnessSubject, ageMs: number, ttlMs: number): FreshnessResult {
  const { rule, options, head: { status, fields } } = subject;
  const limitMs = NEGATIVE_STATUSES.has(status) || isShielded(status) ? ttlMs : Infinity;
  const { staleWhileRevalidateMs, staleIfErrorMs } = staleWindows(subject, "configured first");
  const isStale = saysStale(fieldValue(fields, "cache-status"));
  const atLeastMs = isStale ? 0 : isShielded(status) ? ttlMs : Math.max(ttlMs, rule?.minTtlMs ?? 0);
  const freshness = {
    initialAgeMs: ageMs,
    lifetimeMs: ageMs + Math.min(atLeastMs, rule?.maxTtlMs ?? Infinity, options.maxTtlMs ?? Infinity),
    staleWhileRevalidateMs: Math.min(staleWhileRevalidateMs, limitMs),
    staleIfErrorMs: Math.min(staleIfErrorMs, limitMs),
    mustRevalidate: false,
    alwaysValidate: false,
  };
  return { freshness, basis: "configured" };
}

function originFreshness(subject: FreshnessSubject, ageMs: number, configuredMs: number | null): FreshnessResult {
  const { applicable: { directives }, rule, options } = subject;
  const explicitMs = explicitLifetimeMs(subject);
  const lifetimeMs = explicitMs ?? configuredMs ?? heuristicLifetimeMs(subject);
  // In mode rfc9111 what the origin states is not prolonged, in mode ttl a rule may.
  const mayProlong = explicitMs === null || options.mode === "ttl";
  const atLeastMs = mayProlong && rule?.minTtlMs != null ? Math.max(lifetimeMs, ageMs + rule.minTtlMs) : lifetimeMs;
  const alwaysValidate = directives.noCache === true || namesEssential(directives.noCache);
  const windows = staleWindows(subject, "origin first");
  // RFC 9111 §5.2.2.10, unless the operator wants both of what the origin says.
  const isForbidden = directives.sMaxageSeconds !== null &&
    !(options.sharedStale === true && windows.staleWhileRevalidateMs > 0);
  const freshness = {
    initialAgeMs: ageMs,
    lifetimeMs: Math.min(atLeastMs, rule?.maxTtlMs ?? Infinity, options.maxTtlMs ?? Infinity),
    ...windows,
    mustRevalidate: directives.mustRevalidate || directives.proxyRevalidate || isForbidden || alwaysValidate,
    alwaysValidate,
  };
  return { freshness, basis: explicitMs !== null ? "origin" : configuredMs !== null ? "configured" : "guess" };
}

/** `s-maxage`, else `max-age`, else `Expires` (RFC 9111 §4.2.1); `null` where the origin states none. */
function explicitLifetimeMs({ applicable, head, times }: FreshnessSubject): number | null {
  const seconds = applicable.directives.sMaxageSeconds ?? applicable.directives.maxAgeSeconds;
  if (seconds !== null) return seconds * 1000;
  if (applicable.targeted || fieldValue(head.fields, "expires") === null) return null;
  const expiresMs = dateIn(head.fields, "expires", times.responseTimeMs);
  // An Expires that is no date, "0" above all, is in the past (RFC 9111 §5.3).
  if (expiresMs === null) return 0;
  const statedMs = expiresMs - (dateIn(head.fields, "date", times.responseTimeMs) ?? times.responseTimeMs);
  // As ages are: else a Date in the first century would leave some lifetime over.
  return Math.min(Math.max(0, statedMs), MAX_DELTA_SECONDS * 1000);
}

/** A tenth of the time since the last change, at most a day, for the statuses that allow a guess (RFC 9111 §4.2.2). */
function heuristicLifetimeMs({ applicable, head, times }: FreshnessSubject): number {
  if (!HEURISTIC_STATUSES.has(head.status) && !applicable.directives.public) return 0;
  const modifiedMs = dateIn(head.fields, "last-modified", times.responseTimeMs);
  if (modifiedMs === null) return 0;
  const dateMs = dateIn(head.fields, "date", times.responseTimeMs) ?? times.responseTimeMs;
  return Math.min(Math.max(0, Math.floor((dateMs - modifiedMs) * HEURISTIC_SHARE)), MAX_HEURISTIC_MS);
}

/** The window that is meant by `stale-while-revalidate` without a number beside `s-maxage`. */
const OPEN_STALE_MS = 365 * 24 * 3_600_000;

/** How long the response may be served past its lifetime; the origin's value (RFC 5861) or the configured one first. */
function staleWindows(
  { applicable: { directives }, rule, routeTtl, options }: FreshnessSubject,
  order: "origin first" | "configured first",
): { staleWhileRevalidateMs: number; staleIfErrorMs: number } {
  const whileMs = rule?.staleWhileRevalidateMs ?? routeTtl?.staleWhileRevalidateMs ?? null;
  const errorMs = rule?.staleIfErrorMs ?? routeTtl?.staleIfErrorMs ?? null;
  const originWhileMs = milliseconds(directives.staleWhileRevalidateSeconds) ??
    (options.sharedStale === true && directives.staleWhileRevalidateOpen === true ? OPEN_STALE_MS : null);
  const originErrorMs = milliseconds(directives.staleIfErrorSeconds);
  if (order === "configured first") {
    return { staleWhileRevalidateMs: whileMs ?? originWhileMs ?? 0, staleIfErrorMs: errorMs ?? originErrorMs ?? 0 };
  }
  return { staleWhileRevalidateMs: originWhileMs ?? whileMs ?? 0, staleIfErrorMs: originErrorMs ?? errorMs ?? 0 };
}

function milliseconds(seconds: number | null): number | null {
  return seconds === null ? null : seconds * 1000;
}
