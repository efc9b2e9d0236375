import { fieldValue, type ResponseHead } from "../../http/fields.ts";
import type { Target } from "../../http/target.ts";

/** Methods that are registered as safe: their responses invalidate nothing. All others, unknown ones too, may change things. */
const SAFE_METHODS: ReadonlySet<string> = new Set([
  "GET",
  "HEAD",
  "OPTIONS",
  "PROPFIND",
  "QUERY",
  "REPORT",
  "SEARCH",
  "TRACE",
]);

/** The target of an unsafe request. */
export interface InvalidationTarget extends Target {
  /** The authority that the upstream was asked as, where it differs from the client's: its `Location` may name that one. */
  readonly upstreamAuthority: string | null;
}

/**
 * The targets whose stored responses a response invalidates: that of an unsafe request that succeeded, and those that its `Location`
 * and `Content-Location` name on the same origin (RFC 9111 §4.4). Empty for all other responses.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { invalidates } from "./invalidation.ts";
 * const target = { authority: "a.example", path: "/films/1", query: "", upstreamAuthority: null };
 * const head = { status: 201, fields: [["location", "../films/2?x=1"]] as [string, string][] };
 * assert.deepEqual(invalidates("PUT", head, target).map((hit) => hit.path), ["/films/1", "/films/2"]);
 * assert.deepEqual(invalidates("GET", head, target), []);
 * ```
 */
export function invalidates(method: string, head: ResponseHead, target: InvalidationTarget): readonly Target[] {
  if (SAFE_METHODS.has(method) || head.status < 200 || head.status > 399) return [];
  const { authority, path, query } = target;
  const targets: Target[] = [{ authority, path, query }];
  for (const name of ["location", "content-location"]) {
    const named = resolve(fieldValue(head.fields, name), target);
    if (named !== null && !targets.some((known) => known.path === named.path && known.query === named.query)) {
      targets.push(named);
    }
  }
  return targets;
}

/** A reference resolved against the target; `null` where it is none or leads to another origin. */
function resolve(reference: string | null, target: InvalidationTarget): Target | null {
  if (reference === null || reference === "") return null;
  const base = `http://${target.authority}${target.path}`;
  if (!URL.canParse(reference, base)) return null;
  const url = new URL(reference, base);
  if (url.protocol !== "http:" && url.protocol !== "https:") return null;
  if (!isSameAuthority(url, target.authority) && !isSameAuthority(url, target.upstreamAuthority)) return null;
  return { authority: target.authority, path: url.pathname, query: url.search.slice(1) };
}

/** The scheme is not compared: behind a TLS terminator the gateway does not know the client's. */
function isSameAuthority(url: URL, authority: string | null): boolean {
  if (authority === null || !URL.canParse(`${url.protocol}//${authority}`)) return false;
  return new URL(`${url.protocol}//${authority}`).host === url.host;
}
