import { speaksToSharedCaches } from "../field_rights.ts";
import type { Tenant } from "../request/snapshot.ts";
import { responseDirectives } from "../http/cache_control.ts";
import type { Field, Fields } from "../http/fields.ts";
import { splitList } from "../http/list.ts";

/** Directives of `Cache-Control` that speak to shared caches (RFC 9111 §5.2.2). */
const SHARED_DIRECTIVE = /^(?:public|private|s-maxage|proxy-revalidate)(?:\s*=|$)/i;
const MAX_DIRECTIVES = 64;

/** A request, as far as what is sent depends on it. */
export interface SentTo {
  readonly tenant: Pick<Tenant, "cors" | "auth" | "wayBack">;
  readonly authority: string;
  /** What stood before its path, such as `/~TOKEN`: what leads back to the listener leads through it. */
  readonly keyPrefix: string;
}

/**
 * A response's fields as this listener sends them, whatever it was stored by: leading back to it where it takes its prefix off; where the
 * gateway speaks for itself, without what the upstream says of pages; where the listener is closed, for no cache that others share.
 */
export function sentFields({ tenant, authority, keyPrefix }: SentTo, fields: Fields): Fields {
  const { cors, auth, wayBack } = tenant;
  let sent = wayBack === null ? fields : wayBack.fields(fields, { authority, keyPrefix });
  if (cors !== null) {
    sent = sent.filter(([name]) => !name.startsWith("access-control-"));
    if (cors.isByOrigin) sent = withVary(sent, "Origin");
  }
  return auth === null || auth.sharedCaches ? sent : forOneClient(sent);
}

/** Adds a name to `Vary`. */
export function withVary(fields: Fields, added: string): Fields {
  const at = fields.findIndex(([name]) => name === "vary");
  if (at < 0) return [...fields, ["vary", added]];
  const value = fields[at]![1];
  const names = value.split(",").map((name) => name.trim().toLowerCase());
  return names.includes("*") || names.includes(added.toLowerCase())
    ? fields
    : fields.with(at, ["vary", `${value}, ${added}`]);
}

/**
 * A cache in front asks nobody for a token, and one in a URL or a field of its own does not keep it from storing (RFC 9111 §3.5 is
 * about `Authorization` alone): so it is told not to. What a client's own cache may do stays as it is.
 */
export function forOneClient(fields: Fields): Fields {
  const others = fields.filter(([name]) => name !== "cache-control" && !speaksToSharedCaches(name));
  const said = fields.filter(([name]) => name === "cache-control").map(([, value]) => value).join(", ");
  if (said !== "" && responseDirectives(said).noStore) return [...others, ["cache-control", said]];
  const kept = splitList(said, MAX_DIRECTIVES).filter((directive) => !SHARED_DIRECTIVE.test(directive));
  return [...others, ["cache-control", ["private", ...kept].join(", ")] as Field];
}
