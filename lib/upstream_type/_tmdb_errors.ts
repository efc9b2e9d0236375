import { Buffer } from "node:buffer";
import type { ErrorCode, GatewayError } from "../errors.ts";
import type { ErrorBody } from "./error_body.ts";

/** TMDB's own code for each error: clients decide by it, some of them without a look at the status. */
const TMDB_CODES: Readonly<Record<ErrorCode, number>> = {
  bad_request: 18,
  uri_too_long: 18,
  fields_too_large: 18,
  request_timeout: 24,
  expectation_failed: 18,
  coding_not_supported: 18,
  version_not_supported: 18,
  no_listener: 34,
  unauthorized: 7,
  refused_by_rule: 3,
  refused_by_proxy: 3,
  method_not_supported: 2,
  request_too_large: 18,
  upgrade_not_supported: 2,
  loop_detected: 43,
  only_if_cached: 24,
  rate_limited: 25,
  overloaded: 9,
  no_healthy_upstream: 9,
  upstream_unreachable: 43,
  upstream_timeout: 24,
  upstream_invalid_response: 43,
  upstream_wrong_content: 43,
  stopping: 9,
  internal: 11,
};

/** An error in the shape of TMDB's own, with `error` and `request_id` added. */
export function tmdbError(error: GatewayError, requestId: string): ErrorBody {
  const body = {
    success: false,
    status_code: TMDB_CODES[error.code],
    status_message: sentences(error),
    error: error.code,
    request_id: requestId,
  };
  return { status: error.status, contentType: "application/json;charset=utf-8", body: JSON.stringify(body) };
}

function sentences(error: GatewayError): string {
  const parts = error.hint === undefined ? [error.message] : [error.message, error.hint];
  return parts.map((part) => part.endsWith(".") ? part : `${part}.`).join(" ");
}

/** Meaning of the status codes that concern a key. */
const KEY_CODES: Readonly<Record<number, string>> = {
  7: "invalid key, code 7",
  10: "suspended key, code 10",
  25: "over the limit, code 25",
};

/** What TMDB's refusal says of a key; `null` where the body is not TMDB's. */
export function tmdbRefusal(bodyText: string): string | null {
  const code = Number(/"status_code"\s*:\s*(\d{1,3})\b/.exec(bodyText)?.[1]);
  return KEY_CODES[code] ?? null;
}

/** TMDB's errors are small: a larger document is an answer. */
const MAX_ERROR_BYTES = 16_384;

/** A document wrapped by `callback`: a script that passes it to a function. */
const SCRIPT = /^\s*(?:\/\*\*\/)?\s*[\w$.]+\s*\(([^]*)\)\s*;?\s*$/;

/**
 * Whether a document is one of TMDB's errors: `success` is false, or, in the older form without it, a status code with its
 * message.
 */
export function isTmdbFailure(document: Uint8Array): boolean {
  if (document.byteLength > MAX_ERROR_BYTES) return false;
  const bytes = Buffer.from(document.buffer, document.byteOffset, document.byteLength);
  if (!bytes.includes('"success"') && !bytes.includes('"status_code"')) return false;
  const text = new TextDecoder().decode(document);
  try {
    const said = JSON.parse(SCRIPT.exec(text)?.[1] ?? text) as Record<string, unknown> | null;
    if (said === null || typeof said !== "object") return false;
    if ("success" in said) return said["success"] === false;
    return typeof said["status_code"] === "number" && typeof said["status_message"] === "string";
  } catch {
    return false;
  }
}
