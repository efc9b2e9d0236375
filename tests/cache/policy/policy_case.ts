import assert from "node:assert/strict";
import type { Field } from "../../../lib/http/fields.ts";
import { formatHttpDate } from "../../../lib/http/http_date.ts";
import type { CacheRequest, CacheRule, PolicyOptions } from "../../../lib/cache/policy/policy_options.ts";
import { type Storable, storable } from "../../../lib/cache/policy/storable.ts";
import { type StoredResponse, storedResponse } from "../../../lib/cache/stored_response.ts";

/** The moment at which responses of these tests come, a whole second. */
export const NOW_MS = Date.UTC(2026, 5, 15, 12);

/** An HTTP-date so many seconds from {@linkcode NOW_MS}. */
export function at(deltaSeconds: number): string {
  return formatHttpDate(NOW_MS + deltaSeconds * 1000);
}

/** Rules that obey the origin; `CDN-Cache-Control` is read. */
export const RFC9111: PolicyOptions = {
  mode: "rfc9111",
  clientCacheControl: "obey",
  rules: [],
  targetedFields: ["cdn-cache-control"],
  ignoreVary: new Set(),
  setCookie: "bypass",
  cookies: "ignore",
  maxTtlMs: null,
};

/** Rules whose configured times come first. */
export const TTL: PolicyOptions = { ...RFC9111, mode: "ttl", clientCacheControl: "ignore", cookies: "bypass" };

/** A rule without conditions and without values, changed by `part`. */
export function rule(part: Partial<CacheRule>): CacheRule {
  return {
    path: null,
    contentType: null,
    status: null,
    ttlMs: null,
    minTtlMs: null,
    maxTtlMs: null,
    staleWhileRevalidateMs: null,
    staleIfErrorMs: null,
    tiers: { memory: true, disk: true },
    ...part,
  };
}

/** A `GET` with these fields (lower case), changed by `part`. */
export function request(fields: Record<string, string> = {}, part: Partial<CacheRequest> = {}): CacheRequest {
  return {
    method: "GET",
    path: "/film",
    header: (name) => fields[name] ?? null,
    sharedAuthorization: false,
    private: null,
    routeTtl: null,
    ...part,
  };
}

/** What a response is decided by; what is left out is a plain `GET` answered by a 200 at {@linkcode NOW_MS}. */
export interface Response {
  readonly status?: number;
  readonly fields?: Field[];
  readonly request?: CacheRequest;
  readonly options?: PolicyOptions;
  /** Time between request and response. */
  readonly delayMs?: number;
}

/** The decision about a response. */
export function decide(response: Response): ReturnType<typeof storable> {
  return storable({
    request: response.request ?? request(),
    head: { status: response.status ?? 200, fields: response.fields ?? [] },
    times: { requestTimeMs: NOW_MS - (response.delayMs ?? 0), responseTimeMs: NOW_MS },
    options: response.options ?? RFC9111,
  });
}

/** The decision about a response that must be storable. */
export function decideStored(response: Response): Storable {
  const decision = decide(response);
  assert.ok(decision.store, `not stored: ${JSON.stringify(decision)}`);
  return decision;
}

/** What the cache holds after a response that must be storable. */
export function store(response: Response, body = "body"): StoredResponse {
  const { freshness, selectedBy, tiers, fields, tags } = decideStored(response);
  return storedResponse({
    key: "listener\0\0/film",
    status: response.status ?? 200,
    fields,
    body: new TextEncoder().encode(body),
    requestTimeMs: NOW_MS - (response.delayMs ?? 0),
    responseTimeMs: NOW_MS,
    freshness,
    selectedBy,
    tags,
    tiers,
  });
}
