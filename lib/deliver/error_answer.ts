import type { GatewayError } from "../errors.ts";
import type { Fields } from "../http/fields.ts";
import type { MadeAnswer } from "../request/answer.ts";
import { forwardNote } from "../request/cache_note.ts";
import type { Exchange } from "../request/exchange.ts";
import type { Reply } from "../server/reply.ts";
import { UpstreamFailure } from "../upstream_client/transport.ts";
import type { ErrorBody } from "../upstream_type/error_body.ts";
import { fieldLines } from "../wire/head_writer.ts";
import { TruncatedMessage } from "../wire/wire_error.ts";

/** An error of the gateway, in the shape that clients of the pool's type understand. */
export function errorAnswer(exchange: Exchange, error: GatewayError): MadeAnswer {
  const shape = exchange.tenant.type.error(error, exchange.requestId);
  const fields = errorFields(error, shape, exchange.services.settings.name);
  const { auth } = exchange.tenant;
  if (error.code === "unauthorized" && auth !== null) fields.push(["www-authenticate", auth.challenge]);
  return {
    kind: "made",
    note: forwardNote(exchange, { fwd: "miss", result: "none", detail: error.code }),
    status: shape.status,
    fields,
    body: new TextEncoder().encode(shape.body),
    error: error.code,
    isUnheard: exchange.hasLeft || isAbort(error.cause),
  };
}

/** Whether a try ended by the client's fault: it left, or its body broke off. */
function isAbort(cause: unknown): boolean {
  return cause instanceof TruncatedMessage || (cause instanceof UpstreamFailure && cause.kind === "aborted");
}

/** Answers a request that belongs to no listener, with problem details (RFC 9457). `name` is the gateway's. */
export function refusalReply(error: GatewayError, requestId: string, name: string): Reply {
  const text = JSON.stringify({
    type: "about:blank",
    title: error.message,
    status: error.status,
    detail: error.hint,
    instance: requestId,
  });
  const body = new TextEncoder().encode(text);
  const shape: ErrorBody = { status: error.status, contentType: "application/problem+json", body: text };
  const fields: Fields = [...errorFields(error, shape, name), ["x-request-id", requestId]];
  return {
    status: error.status,
    fixed: null,
    lines: fieldLines(fields),
    hasDate: false,
    lengthBytes: body.byteLength,
    body,
    onEnd: null,
  };
}

function errorFields(error: GatewayError, shape: ErrorBody, name: string): Fields {
  const fields: Fields = [
    ["content-type", shape.contentType],
    ["cache-control", "no-store"],
    ["proxy-status", `${name}; error=${PROXY_ERRORS[error.code] ?? "proxy_internal_error"}; details="${error.code}"`],
  ];
  if (error.retryAfterSeconds !== undefined) fields.push(["retry-after", String(error.retryAfterSeconds)]);
  return fields;
}

/** Error types of RFC 9209 §2.3. */
const PROXY_ERRORS: Readonly<Partial<Record<GatewayError["code"], string>>> = {
  bad_request: "http_request_error",
  uri_too_long: "http_request_error",
  fields_too_large: "http_request_error",
  request_timeout: "http_request_error",
  expectation_failed: "http_request_error",
  coding_not_supported: "http_request_error",
  version_not_supported: "http_request_error",
  no_listener: "destination_not_found",
  unauthorized: "http_request_denied",
  refused_by_rule: "http_request_denied",
  refused_by_proxy: "http_request_denied",
  method_not_supported: "http_request_error",
  request_too_large: "http_request_error",
  upgrade_not_supported: "http_upgrade_failed",
  loop_detected: "proxy_loop_detected",
  rate_limited: "http_request_denied",
  overloaded: "connection_limit_reached",
  no_healthy_upstream: "destination_unavailable",
  upstream_unreachable: "destination_unavailable",
  upstream_timeout: "http_response_timeout",
  upstream_invalid_response: "http_protocol_error",
  upstream_wrong_content: "http_protocol_error",
};
