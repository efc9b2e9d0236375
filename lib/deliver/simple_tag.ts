import { createHash } from "node:crypto";
import { type Fields, fieldValue } from "../http/fields.ts";

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
