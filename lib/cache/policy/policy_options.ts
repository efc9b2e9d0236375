import type { Fields } from "../../http/fields.ts";
import type { Tiers } from "../stored_response.ts";

/** What clients' directives that have the origin asked come to. */
export type ClientCacheControl = "obey" | "limit" | "ignore";

/** How a listener caches; compiled once from its configuration. */
export interface PolicyOptions {
  /** `rfc9111` obeys the origin; `ttl` lets rules and route times override freshness, but never privacy. */
  readonly mode: "rfc9111" | "ttl";
  /**
   * Whether a client's `no-cache`, `max-age`, `min-fresh` and `Pragma` have the origin asked; RFC 9111 §5.2.1 leaves a cache that choice.
   * `limit` leaves it to {@linkcode asksForValidation}: the verdict is that of `ignore`.
   */
  readonly clientCacheControl: ClientCacheControl;
  /** The first whose conditions all hold decides. */
  readonly rules: readonly CacheRule[];
  /**
   * Response fields that speak to this cache before `Cache-Control` and `Expires` do, most important first, lower case
   * (RFC 9213 §2.2). `surrogate-control` comes after them where it is not one of them.
   */
  readonly targetedFields: readonly string[];
  /** Names of the `Vary` list that select nothing here, because the gateway itself decides those fields. */
  readonly ignoreVary: ReadonlySet<string>;
  /** Effect of a `Set-Cookie` on its response: not stored, stored without the field, or stored with it. */
  readonly setCookie: "bypass" | "strip" | "store";
  /** Effect of a `Cookie` on its request: the cache is bypassed, or none (the origin's `Vary` decides). */
  readonly cookies: "bypass" | "ignore";
  /** Longest freshness lifetime of any response, in milliseconds; `null` has no limit. */
  readonly maxTtlMs: number | null;
  /**
   * Store a 206 for requests with the very same `Range`. It stands beside the whole response as a variant does; nothing is ever put
   * together of parts. Off where it is left out.
   */
  readonly storePartial?: boolean;
  /** `s-maxage` does not forbid what `stale-while-revalidate` allows. Off where it is left out, as RFC 9111 §5.2.2.10 has it. */
  readonly sharedStale?: boolean;
}

/** Says whether a path is meant; an expression does, and a compiled glob. */
export interface PathPattern {
  test(path: string): boolean;
}

/** One rule of a listener, compiled. A condition of `null` always holds; a value of `null` leaves the default. */
export interface CacheRule {
  /** Over the path as the upstream sees it. */
  readonly path: PathPattern | null;
  /** Over the response's media type: lower case, without parameters, empty where it has none. */
  readonly contentType: ((type: string) => boolean) | null;
  readonly status: ReadonlyArray<readonly [from: number, to: number]> | null;
  readonly ttlMs: number | null;
  readonly minTtlMs: number | null;
  readonly maxTtlMs: number | null;
  readonly staleWhileRevalidateMs: number | null;
  readonly staleIfErrorMs: number | null;
  readonly tiers: Tiers;
}

/** A request as the policy reads it. */
export interface CacheRequest {
  readonly method: string;
  /** As the upstream sees it. */
  readonly path: string;
  /** A field's value by its lower-case name; repeated lines are joined. */
  header(name: string): string | null;
  /** Its `Authorization` names an application, not a user. */
  readonly sharedAuthorization: boolean;
  /** Why its response belongs to one user or it changes something; `null` where it may be shared. */
  readonly private: string | null;
  /** Default times of its route class; `null` leaves freshness to the origin. */
  readonly routeTtl: RouteTimes | null;
  /** Its target is known to be answered in different codings, whether or not a `Vary` says so. */
  readonly isNegotiated?: boolean;
}

/** Default times of a route class, in milliseconds. */
export interface RouteTimes {
  readonly ttlMs: number;
  readonly staleWhileRevalidateMs: number;
  readonly staleIfErrorMs: number;
}

/** When a request was sent and when its response came, by the local clock (RFC 9111 §4.2.3). */
export interface ResponseTimes {
  readonly requestTimeMs: number;
  readonly responseTimeMs: number;
  /**
   * See {@linkcode StoredFacts.purgePosition}.
   * @default 0
   */
  readonly purgePosition?: number;
}

/** Input of {@linkcode matchingRule}. */
export interface RuleSubject {
  readonly path: string;
  readonly status: number;
  readonly fields: Readonly<Fields>;
}

/**
 * The first rule whose conditions all hold, or `null`.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { type CacheRule, matchingRule } from "./policy_options.ts";
 * const times = { ttlMs: 1, minTtlMs: null, maxTtlMs: null, staleWhileRevalidateMs: null, staleIfErrorMs: null };
 * const tiers = { memory: true, disk: true };
 * const rule: CacheRule = { path: /^\/t\//, contentType: (type) => type === "image/png", status: [[200, 299]], ...times, tiers };
 * const fields: [string, string][] = [["content-type", "Image/PNG; x=y"]];
 * assert.equal(matchingRule([rule], { path: "/t/p/a.png", status: 200, fields }), rule);
 * assert.equal(matchingRule([rule], { path: "/t/p/a.png", status: 404, fields }), null);
 * ```
 */
export function matchingRule(rules: readonly CacheRule[], subject: RuleSubject): CacheRule | null {
  if (rules.length === 0) return null;
  const type = mediaType(subject.fields);
  for (const rule of rules) {
    if (rule.path !== null && !rule.path.test(subject.path)) continue;
    if (rule.contentType !== null && !rule.contentType(type)) continue;
    if (rule.status !== null && !rule.status.some(([from, to]) => subject.status >= from && subject.status <= to)) {
      continue;
    }
    return rule;
  }
  return null;
}

function mediaType(fields: Readonly<Fields>): string {
  const value = fields.find(([name]) => name === "content-type")?.[1] ?? "";
  const semicolon = value.indexOf(";");
  return (semicolon < 0 ? value : value.slice(0, semicolon)).trim().toLowerCase();
}
