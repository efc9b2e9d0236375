import { MAX_DELTA_SECONDS } from "../../http/cache_control.ts";
import type { Fields } from "../../http/fields.ts";
import { suitsAlike } from "../../http/content_coding.ts";
import { type Validators, validatorsOf } from "../../http/validators.ts";
import { normalizeSelecting } from "../../http/vary.ts";
import type { CacheRequest } from "./policy_options.ts";
import type { StoredHead } from "../stored_response.ts";

/** Input of age and remaining lifetime: a stored response, complete or while its body is still being received. */
export type Aged = Pick<StoredHead, "freshness" | "responseTimeMs">;

/** Current age in milliseconds (RFC 9111 §4.2.3). A clock that was set back makes nothing younger than it came. */
export function ageMs(stored: Aged, nowMs: number): number {
  return stored.freshness.initialAgeMs + Math.max(0, nowMs - stored.responseTimeMs);
}

/** Current age in whole seconds, at most 2^31: the `Age` field (RFC 9111 §1.2.2, §5.1). */
export function ageSeconds(stored: Aged, nowMs: number): number {
  return Math.min(Math.floor(ageMs(stored, nowMs) / 1000), MAX_DELTA_SECONDS);
}

/** The remaining freshness lifetime, in milliseconds; negative when stale (RFC 9111 §4.2). */
export function ttlMs(stored: Aged, nowMs: number): number {
  return stored.freshness.lifetimeMs - ageMs(stored, nowMs);
}

/** The remaining freshness lifetime in whole seconds, negative when stale: `ttl` of `Cache-Status` (RFC 9211 §2.4). */
export function ttlSeconds(stored: Aged, nowMs: number): number {
  return Math.floor(ttlMs(stored, nowMs) / 1000);
}

/**
 * Whether a request selects the stored response: it says the same in every field that its `Vary` names (RFC 9111 §4.1), and takes the
 * coding that it has.
 */
export function selects(
  stored: Pick<StoredHead, "selectedBy" | "field">,
  request: Pick<CacheRequest, "header">,
): boolean {
  for (const [name, value] of stored.selectedBy) {
    const asked = request.header(name);
    if (asked !== value && normalizeSelecting(name, asked) !== value) return false;
    if (name === "accept-encoding" && hasRareCoding(stored) && !suitsAlike(asked, stored.field("content-encoding"))) {
      return false;
    }
  }
  return true;
}

/** Whether a response has a coding that lists which count as the same may differ in. Looked up once: it is asked on hits. */
function hasRareCoding(stored: Pick<StoredHead, "field">): boolean {
  let isRare = rare.get(stored);
  if (isRare === undefined) rare.set(stored, isRare = !suitsAlike("", stored.field("content-encoding")));
  return isRare;
}

const rare = new WeakMap<object, boolean>();

/**
 * The validators of a stored response as its origin knows them (RFC 9111 §4.3.1).
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { originValidators } from "./reuse.ts";
 * const fields: [string, string][] = [["etag", '"ours"']];
 * assert.equal(originValidators({ fields, originTag: null }).etag, '"ours"');
 * assert.equal(originValidators({ fields, originTag: 'W/"1"' }).etag, 'W/"1"');
 * assert.equal(originValidators({ fields, originTag: "" }).etag, null);
 * ```
 */
export function originValidators({ fields, originTag }: Pick<StoredHead, "fields" | "originTag">): Validators {
  const validators = validatorsOf(fields);
  return originTag === null ? validators : { ...validators, etag: originTag || null };
}

/**
 * The conditions of a validation request (RFC 9111 §4.3.1): both validators where there are both, each exactly as the origin
 * sent it. Empty where the stored response has none.
 */
export function validationFields(stored: StoredHead): Fields {
  const { etag, lastModified } = originValidators(stored);
  const fields: Fields = [];
  if (etag !== null) fields.push(["if-none-match", etag]);
  if (lastModified !== null) fields.push(["if-modified-since", lastModified]);
  return fields;
}
