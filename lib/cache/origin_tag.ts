import { type Fields, fieldValue } from "../http/fields.ts";
import { type Validators, validatorsOf } from "../http/validators.ts";

/**
 * The field of a stored response in which the origin's own entity tag stands where clients get another; empty where the origin gave
 * none. It is never sent.
 */
export const ORIGIN_TAG = "x-usher-origin-etag";

/**
 * The validators of a stored response as its origin knows them (RFC 9111 §4.3.1).
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { ORIGIN_TAG, originValidators } from "./origin_tag.ts";
 * assert.equal(originValidators([["etag", '"1"']]).etag, '"1"');
 * assert.equal(originValidators([["etag", '"ours"'], [ORIGIN_TAG, 'W/"1"']]).etag, 'W/"1"');
 * assert.equal(originValidators([["etag", '"ours"'], [ORIGIN_TAG, ""]]).etag, null);
 * ```
 */
export function originValidators(fields: Readonly<Fields>): Validators {
  const validators = validatorsOf(fields);
  const origins = fieldValue(fields, ORIGIN_TAG);
  return origins === null ? validators : { ...validators, etag: origins || null };
}
