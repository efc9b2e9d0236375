/** What a rule does to a field. */
export type FieldAct = "set" | "add" | "remove";

/** Fields of one connection, and those that frame a message (RFC 9110 §7.6.1, RFC 9112 §6): no rule may touch them. */
const FRAMING: ReadonlySet<string> = new Set([
  ...["connection", "content-length", "expect", "http2-settings", "keep-alive", "proxy-authenticate"],
  ...["proxy-authentication-info", "proxy-authorization", "proxy-connection", "te", "trailer", "transfer-encoding"],
  "upgrade",
]);

/** Request fields that the gateway writes itself, and where an operator says what is in them. */
const OWN_IN_REQUESTS: ReadonlyMap<string, string> = new Map([
  ["host", "`host` of the upstream or `preserve_host` of the pool says what it is"],
  ...["forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-prefix", "x-forwarded-proto"].map((name) =>
    [name, "`forwarded` of the pool says what upstreams are told"] as const
  ),
  ...["cdn-loop", "via", "x-request-id", "x-usher-attempt"].map((name) =>
    [name, "the gateway writes it itself"] as const
  ),
]);

/** Request fields by which the gateway decides what this client gets: they may be taken away, not made up. */
const CLIENTS_OWN: ReadonlySet<string> = new Set([
  ...["accept-encoding", "content-encoding", "content-range", "if-match", "if-modified-since", "if-none-match"],
  ...["if-range", "if-unmodified-since", "range"],
]);

/** Response fields that the gateway writes itself, or goes by after rules had their say. */
const OWN_IN_RESPONSES: ReadonlySet<string> = new Set([
  ...["age", "cache-status", "date", "proxy-status", "ratelimit", "ratelimit-policy", "via", "x-request-id"],
]);

/** Response fields that speak of the very bytes that are sent. */
const OF_CONTENT: ReadonlySet<string> = new Set([
  "accept-ranges",
  "content-encoding",
  "content-range",
  "etag",
  "last-modified",
]);

const ELSEWHERE = "it frames the message or belongs to one connection";

/** Fields that speak to shared caches alone, and that one kind of cache or another heeds before `Cache-Control`. */
const TO_SHARED_CACHES: ReadonlySet<string> = new Set(["edge-control", "surrogate-control", "x-accel-expires"]);

/**
 * Whether a response field, in lower case, speaks to shared caches alone; those that target some are named like `CDN-Cache-Control`
 * (RFC 9213 §2).
 */
export function speaksToSharedCaches(name: string): boolean {
  return name.endsWith("-cache-control") || TO_SHARED_CACHES.has(name);
}

/** Whether a response field, in lower case, tells caches what they may keep. */
export function speaksToCaches(name: string): boolean {
  return name === "cache-control" || name === "expires" || name === "pragma" || speaksToSharedCaches(name);
}

/** Whether it frames a message or belongs to one connection, the handshake of a tunnel included (RFC 6455 §4). */
function isOfConnection(name: string): boolean {
  return FRAMING.has(name) || name.startsWith("sec-websocket-");
}

/**
 * Why no rule may do this to a request field, its name in lower case, as the end of a sentence; `null` where one may.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { requestFieldRefusal } from "./field_rights.ts";
 * assert.equal(requestFieldRefusal("set", "x-from"), null);
 * assert.notEqual(requestFieldRefusal("remove", "transfer-encoding"), null);
 * ```
 */
export function requestFieldRefusal(act: FieldAct, name: string): string | null {
  if (isOfConnection(name)) return ELSEWHERE;
  if (act !== "remove" && CLIENTS_OWN.has(name)) {
    return "the answer to this client depends on it: it can only be removed";
  }
  return OWN_IN_REQUESTS.get(name) ?? null;
}

/** The same for a response field. */
export function responseFieldRefusal(act: FieldAct, name: string): string | null {
  if (isOfConnection(name)) return ELSEWHERE;
  if (name.startsWith("access-control-")) return "`cors` of the listener says what pages may do";
  if (OWN_IN_RESPONSES.has(name)) return "the gateway writes it itself";
  if (name === "vary" && act !== "add") {
    return "caches would give one client's answer to another: it can only be added to";
  }
  if (act !== "remove" && OF_CONTENT.has(name)) return "it speaks of the bytes that are sent";
  if (act === "remove" && (name === "content-encoding" || name === "content-range")) {
    return "it speaks of the bytes that are sent";
  }
  return act === "add" && speaksToCaches(name) ? "two of them contradict each other: set it" : null;
}
