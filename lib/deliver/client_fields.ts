import { endToEndFields, type Fields, fieldValue } from "../http/fields.ts";
import type { Exchange } from "../request/exchange.ts";
import { createHash } from "node:crypto";
import { speaksToCaches } from "../field_rights.ts";
import type { Freshness, StoredHead, StoredResponse } from "../cache/stored_response.ts";
import type { Answer } from "../request/answer.ts";
import type { Tenant } from "../request/snapshot.ts";
import { responseDirectives } from "../http/cache_control.ts";
import { splitList } from "../http/list.ts";

/** Fields of an upstream's response as a client gets them. */
export function clientFields(exchange: Exchange, fields: Readonly<Fields>): Fields {
  const { dropFields, ignoreVary } = exchange.tenant.type;
  const kept = endToEndFields(fields, fieldValue(fields, "connection")).filter(([name]) =>
    // The exchange has one id; the origin's own would stand beside it. Surrogate-Control speaks to this cache alone.
    name !== "x-request-id" && !dropFields.has(name) &&
    (name !== "surrogate-control" || exchange.tenant.policy === null)
  );
  return withVia(ignoreVary.size === 0 ? kept : withoutVary(kept, ignoreVary), exchange.services.settings.name);
}

/** `Vary` without the names that select nothing here: caches behind this one would keep a copy for each value in vain. */
function withoutVary(fields: Fields, ignored: ReadonlySet<string>): Fields {
  return fields.flatMap(([name, value]): Fields => {
    if (name !== "vary") return [[name, value]];
    const names = value.split(",").map((part) => part.trim()).filter((part) => !ignored.has(part.toLowerCase()));
    return names.length === 0 ? [] : [[name, names.join(", ")]];
  });
}

/** Adds this gateway to `Via` (RFC 9110 §7.6.3), behind those that the response came through before. */
function withVia(fields: Fields, name: string): Fields {
  const before = fieldValue(fields, "via");
  const others = before === null ? fields : fields.filter(([field]) => field !== "via");
  others.push(["via", before === null ? `1.1 ${name}` : `${before}, 1.1 ${name}`]);
  return others;
}

/** What every client takes, also one that makes a file name of it. */
const SIMPLE = /^"[A-Za-z0-9_-]{1,64}"$/;

/** A strong entity tag of letters, digits, `_` and `-` from texts or bytes: the same for the same, 132 bits long. */
export function tagOf(...parts: readonly (string | Uint8Array)[]): string {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part).update("\0");
  return `"${hash.digest("base64url").slice(0, 22)}"`;
}

/**
 * The simple strong tag of an origin's response, from its fields alone, so that each answer about the same representation gets the
 * same one; `null` where it has no validator. A weak tag does not tell bytes apart (RFC 9110 §8.8.1): length and date help it.
 */
function simpleTag(fields: Readonly<Fields>): string | null {
  const etag = fieldValue(fields, "etag") || null;
  if (etag !== null && SIMPLE.test(etag)) return etag;
  if (etag?.startsWith('"')) return tagOf(etag);
  const modified = fieldValue(fields, "last-modified");
  if (etag === null && modified === null) return null;
  return tagOf(etag ?? "", modified ?? "", fieldValue(fields, "content-length") ?? "");
}

/** Fields with a simple tag, and the origin's own where it is another one, as `StoredFacts` say it. */
export interface SimplyTagged {
  readonly fields: Fields;
  readonly originTag: string | null;
}

/** Fields for clients of a type whose entity tags have to be simple; `given` are the origin's own. */
export function withSimpleTag(fields: Fields, given: Readonly<Fields>): SimplyTagged {
  const tag = simpleTag(given);
  return tag === null ? { fields, originTag: null } : tagged(fields, tag, fieldValue(given, "etag") ?? "");
}

/** The same of a whole body, where the origin gave no validator; `null` where it did. */
export function withBodyTag(fields: Fields, body: Uint8Array): SimplyTagged | null {
  return fields.some(([name]) => name === "etag") ? null : tagged(fields, tagOf(body), "");
}

function tagged(fields: Fields, tag: string, origins: string): SimplyTagged {
  if (tag === origins) return { fields, originTag: null };
  const kept = fields.filter(([name]) => name !== "etag");
  kept.push(["etag", tag]);
  return { fields: kept, originTag: origins };
}

/** Fields that state a lifetime, or are read as one. */
const LIFETIME: ReadonlySet<string> = new Set(["cache-control", "expires", "pragma"]);

/**
 * The fields to store and send where the gateway, not the origin, decides how long a response is fresh (mode `ttl`): caches behind
 * it and browsers are told the same lifetime, which `Age` counts against (RFC 9111 §4.2). The value is exactly
 * `public, max-age=N`, since there are clients that read no other. Where the origin's own word decides it stays as it is.
 */
export function sentCacheControl(tenant: Tenant, fields: Fields, freshness: Freshness): Fields {
  if (tenant.policy?.mode !== "ttl" || freshness.mustRevalidate || freshness.lifetimeMs <= 0) return fields;
  const said = responseDirectives(fieldValue(fields, "cache-control"));
  // What was stale when it came has no lifetime.
  const lifetimeMs = freshness.lifetimeMs > freshness.initialAgeMs ? freshness.lifetimeMs : 0;
  const words = [`max-age=${Math.floor(lifetimeMs / 1000)}`];
  // Whether a user's request may share the response is the type's to say, or the origin's; not to be made up here.
  if (said.public || tenant.type.cacheMode === "ttl") words.unshift("public");
  if (said.noTransform) words.push("no-transform");
  const kept = fields.filter(([name]) => !LIFETIME.has(name));
  kept.push(["cache-control", words.join(", ")]);
  return kept;
}

/**
 * Fields of an answer that is passed on, for clients that read no other `Cache-Control` than `public, max-age=N`: what an origin says
 * beside that (`immutable`, stale windows) they take for no lifetime at all. What it says against storing or reusing stays.
 */
export function plainCacheControl(fields: Fields): Fields {
  const said = responseDirectives(fieldValue(fields, "cache-control"));
  const { maxAgeSeconds, noStore, noCache, mustRevalidate, noTransform } = said;
  if (maxAgeSeconds === null || said.private || noStore || noCache || mustRevalidate || noTransform) return fields;
  const kept = fields.filter(([name]) => !LIFETIME.has(name));
  kept.push(["cache-control", `public, max-age=${maxAgeSeconds}`]);
  return kept;
}

/** Directives that let a response be used without asking (RFC 9111 §5.2.2, RFC 5861, RFC 8246). */
const ENDED = /^(?:max-age|s-maxage|stale-while-revalidate|stale-if-error|immutable)(?:\s*=|$)/i;
const MAX_DIRECTIVES = 64;

/** What was purged is stale for everyone behind this cache as well: `max-age=0` in place of all that states a lifetime. */
function withoutLifetime(fields: Fields): Fields {
  const said = fields.filter(([name]) => name === "cache-control").map(([, value]) => value).join(", ");
  const kept = fields.filter(([name]) => !speaksToCaches(name));
  const words = splitList(said, MAX_DIRECTIVES).filter((directive) => !ENDED.test(directive));
  kept.push(["cache-control", [...words, "max-age=0"].join(", ")]);
  return kept;
}

/** Purged responses as they are sent, each made once. */
const ended = new WeakMap<StoredHead, StoredResponse>();

/** Sends no lifetime with a stored response that was purged and is served stale. */
export function endLifetime(_: Exchange, answer: Answer): Answer {
  if (answer.kind === "filling" && answer.head.isPurged) {
    return { ...answer, head: answer.head.with({ fields: withoutLifetime(answer.head.fields) }) };
  }
  if (answer.kind !== "stored" || !answer.response.isPurged) return answer;
  let response = ended.get(answer.response);
  if (response === undefined) {
    response = answer.response.with({ fields: withoutLifetime(answer.response.fields) });
    ended.set(answer.response, response);
  }
  return { ...answer, response };
}
