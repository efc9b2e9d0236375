/** Parts of a cache key. */
export interface KeyParts {
  /** The listener's name: keeps tenants apart. */
  readonly listener: string;
  /** The client's authority in lower case where an upstream may see it; else empty. */
  readonly host: string;
  /** Canonical target from the upstream type, without credentials. */
  readonly target: string;
}

/** Stands between the parts; none of them can hold it, because a request line can't. */
export const KEY_SEPARATOR = "\u0000";

/**
 * The primary cache key (RFC 9111 §2): listener, host and target. `GET` and `HEAD` share it.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { cacheKey } from "./key.ts";
 * assert.equal(cacheKey({ listener: "api", host: "", target: "/3/movie/550" }), "api\0\0/3/movie/550");
 * ```
 */
export function cacheKey(parts: KeyParts): string {
  return parts.listener + KEY_SEPARATOR + parts.host + KEY_SEPARATOR + parts.target;
}

/**
 * The key of one variant: the primary key and the request's values of the fields that `Vary` names (RFC 9111 §4.1). A value of
 * `null` says that the request has no such field, which is not the same as an empty one.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { variantKey } from "./key.ts";
 * assert.equal(variantKey("api\0\0/x", [["accept-language", "de"], ["dnt", null]]), "api\0\0/x\0accept-language:de\0dnt");
 * ```
 */
export function variantKey(
  primary: string,
  selectedBy: ReadonlyArray<readonly [name: string, value: string | null]>,
): string {
  let key = primary;
  for (const [name, value] of selectedBy) key += `${KEY_SEPARATOR}${name}${value === null ? "" : `:${value}`}`;
  return key;
}

/** Which query parameters count. */
export interface QueryRules {
  /** `null` takes all; a name may end in `*`. */
  readonly include: readonly string[] | null;
  readonly exclude: readonly string[];
  /** Whether the order of different names is ignored; lines of one name keep theirs. */
  readonly sort: boolean;
}

/**
 * A function that leaves of a raw query what the rules keep; `null` where the rules keep all as it is.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { queryFilter } from "./key.ts";
 * const filter = queryFilter({ include: null, exclude: ["utm_*"], sort: true });
 * assert.equal(filter?.("b=2&utm_source=x&a=1%26b"), "a=1%26b&b=2");
 * ```
 */
export function queryFilter(rules: QueryRules): ((query: string) => string) | null {
  if (rules.include === null && rules.exclude.length === 0 && !rules.sort) return null;
  const included = rules.include === null ? () => true : nameMatcher(rules.include);
  const excluded = nameMatcher(rules.exclude);
  return (query) => {
    if (query === "") return query;
    const pairs = query.split("&").map((pair): [string, string] => [nameOf(pair), pair]);
    const kept = pairs.filter(([name]) => included(name) && !excluded(name));
    if (rules.sort) kept.sort(([a], [b]) => a < b ? -1 : a > b ? 1 : 0);
    return kept.map(([, pair]) => pair).join("&");
  };
}

function nameOf(pair: string): string {
  const equals = pair.indexOf("=");
  const raw = (equals < 0 ? pair : pair.slice(0, equals)).replaceAll("+", " ");
  try {
    return decodeURIComponent(raw);
  } catch {
    return raw;
  }
}

function nameMatcher(patterns: readonly string[]): (name: string) => boolean {
  const exact = new Set(patterns.filter((pattern) => !pattern.endsWith("*")));
  const beginnings = patterns.filter((pattern) => pattern.endsWith("*")).map((pattern) => pattern.slice(0, -1));
  return (name) => exact.has(name) || beginnings.some((beginning) => name.startsWith(beginning));
}

/** Parts that a request adds to a key behind its target. */
const OF_REQUESTS = ["~bare", "~cookie:", "~fields:", "~part", "~rules:"];

/** Whether a key is that of something made here of a stored response: a coded form, a picture of another size, an index. */
export function isMadeKey(key: string): boolean {
  const last = key.slice(key.lastIndexOf(KEY_SEPARATOR) + 1);
  return last.startsWith("~") && !OF_REQUESTS.some((beginning) => last.startsWith(beginning));
}
