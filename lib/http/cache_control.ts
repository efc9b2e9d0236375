import { splitList, trimSpace } from "./list.ts";

/** Largest delta-seconds that is told apart; anything above counts as this (RFC 9111 §1.2.2). */
export const MAX_DELTA_SECONDS = 2_147_483_648;

/** Directives past this many are not read: no honest field has them. */
const MAX_DIRECTIVES = 64;

/** One directive as received; its name in lower case. */
interface Directive {
  readonly name: string;
  /** Argument without its quotes; `null` where there is none. */
  readonly argument: string | null;
  /** It follows the grammar: a token, or a token, `=` and a token or quoted string, without spaces between. */
  readonly wellFormed: boolean;
}

const TOKEN = /^[!#$%&'*+.^_`|~0-9a-z-]+$/i;
const QUOTED = /^"((?:[^"\\]|\\.)*)"$/s;

/** Which fields a directive speaks of: all of them (`true`), the named ones, or none (`false`). */
export type Qualified = boolean | readonly string[];

/** Directives of a response's `Cache-Control`, or of a targeted field (RFC 9111 §5.2.2, RFC 5861, RFC 8246). */
export interface ResponseDirectives {
  /** `null` where absent; 0 where its argument is malformed, which counts as stale (RFC 9111 §4.2.1). */
  readonly maxAgeSeconds: number | null;
  /** As `maxAgeSeconds`. */
  readonly sMaxageSeconds: number | null;
  readonly staleWhileRevalidateSeconds: number | null;
  /** It is there without a number, which RFC 5861 §3 does not have. */
  readonly staleWhileRevalidateOpen?: boolean;
  readonly staleIfErrorSeconds: number | null;
  readonly noStore: boolean;
  readonly noCache: Qualified;
  readonly private: Qualified;
  readonly public: boolean;
  readonly mustRevalidate: boolean;
  readonly proxyRevalidate: boolean;
  readonly mustUnderstand: boolean;
  readonly noTransform: boolean;
}

/** Directives of a request's `Cache-Control` (RFC 9111 §5.2.1, RFC 5861 §4). */
export interface RequestDirectives {
  readonly noCache: boolean;
  readonly noStore: boolean;
  readonly onlyIfCached: boolean;
  readonly maxAgeSeconds: number | null;
  readonly minFreshSeconds: number | null;
  /** `Infinity` where it has no argument. */
  readonly maxStaleSeconds: number | null;
  readonly staleIfErrorSeconds: number | null;
}

/**
 * Reads a response's `Cache-Control`. Names are matched without regard to case; of repeated directives with a number the first
 * counts (RFC 9111 §4.2.1). What restricts is honoured however it is written, what allows only where it is well formed.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { responseDirectives } from "./cache_control.ts";
 * const directives = responseDirectives('Max-Age="60", private="Set-Cookie, X-User", x="no-store"');
 * assert.equal(directives.maxAgeSeconds, 60);
 * assert.deepEqual(directives.private, ["set-cookie", "x-user"]);
 * assert.equal(directives.noStore, false);
 * ```
 */
export function responseDirectives(value: string | null): ResponseDirectives {
  const list = parseDirectives(value);
  return {
    maxAgeSeconds: strictSeconds(list, "max-age"),
    sMaxageSeconds: strictSeconds(list, "s-maxage"),
    staleWhileRevalidateSeconds: lenientSeconds(list, "stale-while-revalidate"),
    staleWhileRevalidateOpen: first(list, "stale-while-revalidate")?.argument === null,
    staleIfErrorSeconds: lenientSeconds(list, "stale-if-error"),
    noStore: has(list, "no-store"),
    noCache: qualified(list, "no-cache"),
    private: qualified(list, "private"),
    public: hasWellFormed(list, "public"),
    mustRevalidate: has(list, "must-revalidate"),
    proxyRevalidate: has(list, "proxy-revalidate"),
    mustUnderstand: has(list, "must-understand"),
    noTransform: has(list, "no-transform"),
  };
}

/**
 * Reads a request's `Cache-Control`. A malformed directive is left out: requests only ask (RFC 9111 §5.2.1).
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { requestDirectives } from "./cache_control.ts";
 * assert.equal(requestDirectives("max-stale").maxStaleSeconds, Infinity);
 * assert.equal(requestDirectives("max-age=0").maxAgeSeconds, 0);
 * ```
 */
export function requestDirectives(value: string | null): RequestDirectives {
  const list = parseDirectives(value);
  const maxStale = first(list, "max-stale");
  return {
    noCache: has(list, "no-cache"),
    noStore: has(list, "no-store"),
    onlyIfCached: has(list, "only-if-cached"),
    maxAgeSeconds: lenientSeconds(list, "max-age"),
    minFreshSeconds: lenientSeconds(list, "min-fresh"),
    maxStaleSeconds: maxStale?.wellFormed && maxStale.argument === null ? Infinity : lenientSeconds(list, "max-stale"),
    staleIfErrorSeconds: lenientSeconds(list, "stale-if-error"),
  };
}

/**
 * Delta-seconds as a number, at most {@linkcode MAX_DELTA_SECONDS}; `null` where the text is none (RFC 9111 §1.2.2).
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { deltaSeconds } from "./cache_control.ts";
 * assert.equal(deltaSeconds("003600"), 3600);
 * assert.equal(deltaSeconds("99999999999"), 2147483648);
 * assert.equal(deltaSeconds("1.5"), null);
 * ```
 */
export function deltaSeconds(text: string): number | null {
  return /^\d+$/.test(text) ? Math.min(Number(text), MAX_DELTA_SECONDS) : null;
}

function parseDirectives(value: string | null): Directive[] {
  if (value === null) return [];
  return splitList(value, MAX_DIRECTIVES).map(parseDirective);
}

function parseDirective(text: string): Directive {
  const equals = text.indexOf("=");
  if (equals < 0) return { name: text.toLowerCase(), argument: null, wellFormed: TOKEN.test(text) };
  const name = text.slice(0, equals);
  const raw = text.slice(equals + 1);
  const quoted = QUOTED.exec(raw);
  const argument = quoted === null ? raw : (quoted[1] ?? "").replace(/\\(.)/gs, "$1");
  return {
    name: trimSpace(name).toLowerCase(),
    argument,
    wellFormed: TOKEN.test(name) && (quoted !== null || TOKEN.test(raw)),
  };
}

function first(list: readonly Directive[], name: string): Directive | undefined {
  return list.find((directive) => directive.name === name);
}

function has(list: readonly Directive[], name: string): boolean {
  return first(list, name) !== undefined;
}

function hasWellFormed(list: readonly Directive[], name: string): boolean {
  return list.some((directive) => directive.name === name && directive.wellFormed);
}

/** The directive's seconds; 0 where it is there but malformed, so that the response is stale rather than fresh by guess. */
function strictSeconds(list: readonly Directive[], name: string): number | null {
  return has(list, name) ? lenientSeconds(list, name) ?? 0 : null;
}

/** The directive's seconds; `null` where it is absent or malformed. */
function lenientSeconds(list: readonly Directive[], name: string): number | null {
  const directive = first(list, name);
  if (directive === undefined || !directive.wellFormed || directive.argument === null) return null;
  return deltaSeconds(directive.argument);
}

/** All fields where one line has no argument or a useless one; else the names of all lines. */
function qualified(list: readonly Directive[], name: string): Qualified {
  const lines = list.filter((directive) => directive.name === name);
  if (lines.length === 0) return false;
  const names: string[] = [];
  for (const { argument } of lines) {
    const listed = argument === null ? [] : argument.split(",").map((part) => trimSpace(part).toLowerCase());
    if (listed.length === 0 || !listed.every((part) => TOKEN.test(part))) return true;
    names.push(...listed);
  }
  return names;
}
