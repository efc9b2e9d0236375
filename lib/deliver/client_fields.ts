import { createHash } from "node:crypto";
import type { Freshness } from "../cache/stored_response.ts";
import { responseDirectives } from "../http/cache_control.ts";
import { endToEndFields, type Fields, fieldValue } from "../http/fields.ts";
import type { Exchange } from "../request/exchange.ts";
import type { Tenant } from "../request/snapshot.ts";

/** Fields of an upstream's response for clients: end-to-end, without those of the type's, with `Via`. */
export function clientFields(exchange: Exchange, fields: Readonly<Fields>): Fields {
  const { dropFields, ignoreVary } = exchange.tenant.type;
  const kept = endToEndFields(fields, fieldValue(fields, "connection")).filter(([name]) =>
    // The exchange has its own id. Surrogate-Control is for this cache alone.
    name !== "x-request-id" && !dropFields.has(name) &&
    (name !== "surrogate-control" || exchange.tenant.policy === null)
  );
  return withVia(ignoreVary.size === 0 ? kept : withoutVary(kept, ignoreVary), exchange.services.settings.name);
}

/** `Vary` without the names that select nothing here, for which caches behind this one would store useless variants. */
function withoutVary(fields: Fields, ignored: ReadonlySet<string>): Fields {
  return fields.flatMap(([name, value]): Fields => {
    if (name !== "vary") return [[name, value]];
    const names = value.split(",").map((part) => part.trim()).filter((part) => !ignored.has(part.toLowerCase()));
    return names.length === 0 ? [] : [[name, names.join(", ")]];
  });
}

/** Appends this gateway to `Via` (RFC 9110 §7.6.3). */
function withVia(fields: Fields, name: string): Fields {
  const before = fieldValue(fields, "via");
  const others = before === null ? fields : fields.filter(([field]) => field !== "via");
  others.push(["via", before === null ? `1.1 ${name}` : `${before}, 1.1 ${name}`]);
  return others;
}

/** Entity tags that every client takes, also one that makes file names of them. */
const SIMPLE = /^"[A-Za-z0-9_-]{1,64}"$/;

/** A strong entity tag of letters, digits, `_` and `-` from texts or bytes: the same for the same, 132 bits long. */
export function tagOf(...parts: readonly (string | Uint8Array)[]): string {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part).update("\0");
  return `"${hash.digest("base64url").slice(0, 22)}"`;
}

/**
 * The simple strong tag of an origin's response, made of its fields alone, so that each response about the same representation gets the
 * same one; `null` where it has no validator. A weak tag does not distinguish bytes (RFC 9110 §8.8.1): length and date are added.
 */
function simpleTag(fields: Readonly<Fields>): string | null {
  const etag = fieldValue(fields, "etag") || null;
  if (etag !== null && SIMPLE.test(etag)) return etag;
  if (etag?.startsWith('"')) return tagOf(etag);
  const modified = fieldValue(fields, "last-modified");
  if (etag === null && modified === null) return null;
  return tagOf(etag ?? "", modified ?? "", fieldValue(fields, "content-length") ?? "");
}

/** Fields with a simple tag, and the origin's own tag where it differs, as in `StoredFacts`. */
export interface SimplyTagged {
  readonly fields: Fields;
  readonly originTag: string | null;
}

/** Fields for clients of a type whose entity tags have to be simple; `given` are the origin's own. */
export function withSimpleTag(fields: Fields, given: Readonly<Fields>): SimplyTagged {
  const tag = simpleTag(given);
  return tag === null ? { fields, originTag: null } : tagged(fields, tag, fieldValue(given, "etag") ?? "");
}

/** Fields with a tag of the whole body, where the origin gave no validator; `null` where it did. */
export function withBodyTag(fields: Fields, body: Uint8Array): SimplyTagged | null {
  return fields.some(([name]) => name === "etag") ? null : tagged(fields, tagOf(body), "");
}

function tagged(fields: Fields, tag: string, origins: string): SimplyTagged {
  if (tag === origins) return { fields, originTag: null };
  const kept = fields.filter(([name]) => name !== "etag");
  kept.push(["etag", tag]);
  return { fields: kept, originTag: origins };
}

/** Fields that state a lifetime. */
const LIFETIME: ReadonlySet<string> = new Set(["cache-control", "expires", "pragma"]);

/**
 * The fields to store and send where the gateway decides the lifetime of a response (mode `ttl`): caches behind it and browsers are told
 * the same lifetime, against which `Age` counts (RFC 9111 §4.2). The value is exactly `public, max-age=N`, since some clients read no
 * other. Where the origin decides, its fields stay.
 */
export function sentCacheControl(tenant: Tenant, fields: Fields, freshness: Freshness): Fields {
  if (tenant.policy?.mode !== "ttl" || freshness.mustRevalidate || freshness.lifetimeMs <= 0) return fields;
  const said = responseDirectives(fieldValue(fields, "cache-control"));
  // A response that was stale when it came has no lifetime.
  const lifetimeMs = freshness.lifetimeMs > freshness.initialAgeMs ? freshness.lifetimeMs : 0;
  const words = [`max-age=${Math.floor(lifetimeMs / 1000)}`];
  // `public` allows users' requests to share the response: only the type or the origin may say that.
  if (said.public || tenant.type.cacheMode === "ttl") words.unshift("public");
  if (said.noTransform) words.push("no-transform");
  const kept = fields.filter(([name]) => !LIFETIME.has(name));
  kept.push(["cache-control", words.join(", ")]);
  return kept;
}

/**
 * Fields of an answer that is passed on, for clients that read no other `Cache-Control` than `public, max-age=N`: with further directives
 * (`immutable`, stale windows) they see no lifetime at all. Directives against storing or reusing stay.
 */
export function plainCacheControl(fields: Fields): Fields {
  const said = responseDirectives(fieldValue(fields, "cache-control"));
  const { maxAgeSeconds, noStore, noCache, mustRevalidate, noTransform } = said;
  if (maxAgeSeconds === null || said.private || noStore || noCache || mustRevalidate || noTransform) return fields;
  const kept = fields.filter(([name]) => !LIFETIME.has(name));
  kept.push(["cache-control", `public, max-age=${maxAgeSeconds}`]);
  return kept;
}
