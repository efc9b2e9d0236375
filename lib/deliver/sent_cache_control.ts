import { speaksToCaches } from "../field_rights.ts";
import type { Freshness, StoredHead, StoredResponse } from "../cache/stored_response.ts";
import type { Answer } from "../request/answer.ts";
import type { Exchange } from "../request/exchange.ts";
import type { Tenant } from "../request/snapshot.ts";
import { responseDirectives } from "../http/cache_control.ts";
import { type Fields, fieldValue } from "../http/fields.ts";
import { splitList } from "../http/list.ts";

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
