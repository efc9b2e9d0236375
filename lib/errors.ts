/**
 * Names of everything that the gateway itself answers with an error. They are stable: logs, metrics,
 * `Proxy-Status` (RFC 9209) and the error bodies carry them.
 */
export type ErrorCode =
  | "bad_request"
  | "uri_too_long"
  | "fields_too_large"
  | "request_timeout"
  | "expectation_failed"
  | "coding_not_supported"
  | "version_not_supported"
  | "no_listener"
  | "unauthorized"
  | "refused_by_rule"
  | "refused_by_proxy"
  | "method_not_supported"
  | "request_too_large"
  | "upgrade_not_supported"
  | "loop_detected"
  | "only_if_cached"
  | "rate_limited"
  | "overloaded"
  | "no_healthy_upstream"
  | "upstream_unreachable"
  | "upstream_timeout"
  | "upstream_invalid_response"
  | "upstream_wrong_content"
  | "stopping"
  | "internal";

/** The status each code answers with (RFC 9110 §15). */
const STATUS: Readonly<Record<ErrorCode, number>> = {
  bad_request: 400,
  uri_too_long: 414,
  fields_too_large: 431,
  request_timeout: 408,
  expectation_failed: 417,
  coding_not_supported: 501,
  version_not_supported: 505,
  no_listener: 404,
  unauthorized: 401,
  refused_by_rule: 403,
  refused_by_proxy: 403,
  method_not_supported: 501,
  request_too_large: 413,
  upgrade_not_supported: 501,
  loop_detected: 508,
  only_if_cached: 504,
  rate_limited: 429,
  overloaded: 503,
  no_healthy_upstream: 503,
  upstream_unreachable: 502,
  upstream_timeout: 504,
  upstream_invalid_response: 502,
  upstream_wrong_content: 502,
  stopping: 503,
  internal: 500,
};

/** Seconds after which it is worth while to ask again, where the error does not know better (RFC 9110 §10.2.3). */
const RETRY_AFTER_SECONDS: Readonly<Partial<Record<ErrorCode, number>>> = {
  rate_limited: 1,
  overloaded: 1,
  no_healthy_upstream: 5,
  upstream_unreachable: 5,
  upstream_timeout: 5,
  upstream_invalid_response: 5,
  upstream_wrong_content: 5,
  stopping: 5,
};

/** What a {@linkcode GatewayError} carries beside its code and message. */
export interface GatewayErrorOptions {
  /** In place of the code's own: an operator has said it. */
  status?: number;
  /** What the reader can do about it, one sentence. */
  hint?: string;
  /** Seconds for the `Retry-After` field; those of the code where it is left out, and no field where it is `null`. */
  retryAfterSeconds?: number | null;
  /** The error below; goes to the log, never to the client. */
  cause?: unknown;
}

/** An error that the gateway answers with; its message is safe to show to a client. */
export class GatewayError extends Error {
  override readonly name = "GatewayError";
  readonly code: ErrorCode;
  readonly status: number;
  readonly hint: string | undefined;
  readonly retryAfterSeconds: number | undefined;

  constructor(code: ErrorCode, message: string, options: GatewayErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.status = options.status ?? STATUS[code];
    this.hint = options.hint;
    const { retryAfterSeconds = RETRY_AFTER_SECONDS[code] } = options;
    this.retryAfterSeconds = retryAfterSeconds ?? undefined;
  }
}

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
