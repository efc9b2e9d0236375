import { MAX_DELTA_SECONDS, type Qualified, type ResponseDirectives, responseDirectives } from "./cache_control.ts";
import { trimSpace } from "./list.ts";
import { parseDictionary, type SfInnerList, type SfItem, SfToken } from "./structured_fields.ts";

type Members = ReadonlyMap<string, SfItem | SfInnerList>;

/** Directives whose value is a number of seconds. */
const SECONDS = ["max-age", "s-maxage", "stale-while-revalidate", "stale-if-error"];

/**
 * Reads a targeted field such as `CDN-Cache-Control`: the same directives as `Cache-Control`, written as a structured dictionary
 * (RFC 9213 §2.1). `null` says to act as if it were not there: empty, breaking the grammar, or a number of another type.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { targetedDirectives } from "./targeted_cache_control.ts";
 * assert.equal(targetedDirectives("max-age=60, no-store=?0")?.maxAgeSeconds, 60);
 * assert.equal(targetedDirectives('max-age="60"'), null);
 * assert.equal(targetedDirectives("max-age =60"), null);
 * ```
 */
export function targetedDirectives(text: string | null): ResponseDirectives | null {
  const members = text === null ? null : parseDictionary(text);
  if (members === null || members.size === 0) return null;
  if (SECONDS.some((name) => members.has(name) && seconds(members, name) === null)) return null;
  return {
    maxAgeSeconds: seconds(members, "max-age"),
    sMaxageSeconds: seconds(members, "s-maxage"),
    staleWhileRevalidateSeconds: seconds(members, "stale-while-revalidate"),
    staleIfErrorSeconds: seconds(members, "stale-if-error"),
    noStore: isSet(members, "no-store"),
    noCache: qualified(members, "no-cache"),
    private: qualified(members, "private"),
    public: isSet(members, "public"),
    mustRevalidate: isSet(members, "must-revalidate"),
    proxyRevalidate: isSet(members, "proxy-revalidate"),
    mustUnderstand: isSet(members, "must-understand"),
    noTransform: isSet(members, "no-transform"),
  };
}

/** An integer that can be a number of seconds; `null` where there is none. */
function seconds(members: Members, name: string): number | null {
  const member = members.get(name);
  if (member === undefined || !("value" in member) || typeof member.value !== "number") return null;
  return member.value < 0 ? null : Math.min(member.value, MAX_DELTA_SECONDS);
}

/** Whether a directive is there; any value but false sets it, so that an odd one restricts too. */
function isSet(members: Members, name: string): boolean {
  const member = members.get(name);
  return member !== undefined && !("value" in member && member.value === false);
}

function qualified(members: Members, name: string): Qualified {
  const member = members.get(name);
  if (!isSet(members, name) || member === undefined) return false;
  const items = "items" in member ? member.items : [member];
  const names: string[] = [];
  for (const { value } of items) {
    if (typeof value !== "string" && !(value instanceof SfToken)) return true;
    const text = typeof value === "string" ? value : value.value;
    names.push(...text.split(",").map((part) => trimSpace(part).toLowerCase()).filter((part) => part !== ""));
  }
  return names.length === 0 ? true : names;
}

const STALE_EXTENSION = /^(\d{1,10})\+(\d{1,10})$/;

/**
 * Reads `Surrogate-Control`, which speaks to the gateway alone (W3C Edge Architecture): `no-store` and `max-age`, where
 * `max-age=600+30` allows 30 seconds of stale use beyond. `null` says that it decides nothing.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { surrogateDirectives } from "./targeted_cache_control.ts";
 * assert.equal(surrogateDirectives('max-age=600+30, content="ESI/1.0"')?.staleWhileRevalidateSeconds, 30);
 * assert.equal(surrogateDirectives('content="ESI/1.0"'), null);
 * ```
 */
export function surrogateDirectives(text: string | null): ResponseDirectives | null {
  if (text === null) return null;
  let staleSeconds: number | null = null;
  const parts = text.split(",").map((part) => {
    const [name = "", argument = ""] = splitOnce(trimSpace(part));
    const extension = STALE_EXTENSION.exec(argument);
    if (name.toLowerCase() !== "max-age" || extension === null) return part;
    staleSeconds = Math.min(Number(extension[2]), MAX_DELTA_SECONDS);
    return `max-age=${extension[1]}`;
  });
  const directives = responseDirectives(parts.join(","));
  if (!directives.noStore && directives.maxAgeSeconds === null) return null;
  return { ...directives, staleWhileRevalidateSeconds: staleSeconds, staleIfErrorSeconds: staleSeconds };
}

function splitOnce(text: string): [string, string] {
  const equals = text.indexOf("=");
  return equals < 0 ? [text, ""] : [text.slice(0, equals), text.slice(equals + 1)];
}
