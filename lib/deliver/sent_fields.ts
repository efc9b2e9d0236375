import type { Tenant } from "../request/snapshot.ts";
import { responseDirectives } from "../http/cache_control.ts";
import type { Field, Fields } from "../http/fields.ts";
import { splitList } from "../http/list.ts";

/** Directives of `Cache-Control` that speak to shared caches (RFC 9111 §5.2.2). */
const SHARED_DIRECTIVE = /^(?:public|private|s-maxage|proxy-revalidate)(?:\s*=|$)/i;
const MAX_DIRECTIVES = 64;

/** Fields that speak to shared caches alone, and that one kind of cache or another heeds before `Cache-Control`. */
const TO_SHARED_CACHES: ReadonlySet<string> = new Set(["edge-control", "surrogate-control", "x-accel-expires"]);

/** Whether a field speaks to shared caches alone; those that target some are named like `CDN-Cache-Control` (RFC 9213 §2). */
export function speaksToSharedCaches(name: string): boolean {
  return name.endsWith("-cache-control") || TO_SHARED_CACHES.has(name);
}

/**
 * A response's fields as this listener sends them, whatever it was stored by: where the gateway speaks for itself, without what the
 * upstream says of pages; where the listener is closed, for no cache that others share.
 */
export function sentFields({ cors, auth }: Pick<Tenant, "cors" | "auth">, fields: Fields): Fields {
  let sent = fields;
  if (cors !== null) {
    sent = sent.filter(([name]) => !name.startsWith("access-control-"));
    if (cors.isByOrigin) sent = withVaryOrigin(sent);
  }
  return auth === null || auth.sharedCaches ? sent : forOneClient(sent);
}

/** Adds `Origin` to `Vary`. */
function withVaryOrigin(fields: Fields): Fields {
  const at = fields.findIndex(([name]) => name === "vary");
  if (at < 0) return [...fields, ["vary", "Origin"]];
  const value = fields[at]![1];
  if (/(?:^|,)\s*(?:\*|origin)\s*(?:,|$)/i.test(value)) return fields;
  return fields.with(at, ["vary", `${value}, Origin`]);
}

/**
 * A cache in front asks nobody for a token, and one in a URL or a field of its own does not keep it from storing (RFC 9111 §3.5 is
 * about `Authorization` alone): so it is told not to. What a client's own cache may do stays as it is.
 */
function forOneClient(fields: Fields): Fields {
  const others = fields.filter(([name]) => name !== "cache-control" && !speaksToSharedCaches(name));
  const said = fields.filter(([name]) => name === "cache-control").map(([, value]) => value).join(", ");
  if (said !== "" && responseDirectives(said).noStore) return [...others, ["cache-control", said]];
  const kept = splitList(said, MAX_DIRECTIVES).filter((directive) => !SHARED_DIRECTIVE.test(directive));
  return [...others, ["cache-control", ["private", ...kept].join(", ")] as Field];
}
