import { type Validators, validatorsOf } from "../../http/validators.ts";
import type { StoredHead } from "../stored_response.ts";

/**
 * The validators of a stored response as its origin knows them (RFC 9111 §4.3.1).
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { originValidators } from "./origin_tag.ts";
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
