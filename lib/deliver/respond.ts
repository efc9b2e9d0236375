import { ORIGIN_TAG } from "../cache/origin_tag.ts";
import type { StoredResponse } from "../cache/stored_response.ts";
import { GatewayError } from "../errors.ts";
import type { StreamEnd } from "../request/body_stream.ts";
import type { CacheNote } from "../request/cache_note.ts";
import type { Exchange } from "../request/exchange.ts";
import { evaluatePreconditions } from "../http/conditional.ts";
import { endToEndFields, type Field, type Fields, fieldValue } from "../http/fields.ts";
import { rangeReply } from "../http/ranges.ts";
import { UpstreamFailure } from "../upstream_client/transport.ts";
import type { ErrorBody } from "../upstream_type/upstream_type.ts";
import { templateFields } from "./field_template.ts";
import { sentFields } from "./sent_fields.ts";

/** Statuses whose responses have no content (RFC 9110 §6.4.1). */
const NO_CONTENT: ReadonlySet<number> = new Set([204, 205, 304]);

/** Answers from a stored response: whole, or 304, or the ranges asked for. */
export function respondStored(exchange: Exchange, stored: StoredResponse, note: CacheNote): Response {
  if (exchange.isPlain) return whole(exchange, stored, note);
  const precondition = evaluatePreconditions(exchange, stored);
  if (precondition === "forward" && "isUndated" in stored) return failedPrecondition(exchange, note);
  if (precondition === "not_modified") {
    return send(exchange, { status: 304, fields: fieldsOf304(stored.fields), body: null, bytes: 0 }, note);
  }
  const reply = rangeReply(exchange, stored, exchange.services.nextRequestId());
  if (reply === null) return whole(exchange, stored, note);
  const bytes = reply.chunks.reduce((sum, chunk) => sum + chunk.byteLength, 0);
  const body = reply.chunks.length === 1
    ? reply.chunks[0]!
    : new Blob(reply.chunks as Uint8Array<ArrayBuffer>[]).stream();
  return send(exchange, { status: reply.status, fields: reply.fields, body, bytes }, note);
}

/** Only the gateway can judge what it changed itself (RFC 9110 §13.1.1). */
function failedPrecondition(exchange: Exchange, note: CacheNote): Response {
  const fields: Fields = [["cache-control", "no-store"], ["content-length", "0"]];
  return send(exchange, { status: 412, fields, body: null, bytes: 0 }, note);
}

function whole(exchange: Exchange, stored: StoredResponse, note: CacheNote): Response {
  const empty = exchange.method === "HEAD" || NO_CONTENT.has(stored.status);
  const body = empty ? null : stored.body;
  const bytes = empty ? 0 : stored.body.byteLength;
  const { ageSeconds, status: cacheStatus } = note;
  const { requestId } = exchange;
  const headers = ageSeconds === null || exchange.quotaFields !== null
    ? null
    : templateFields(stored, exchange.tenant, { ageSeconds, cacheStatus, requestId, origin: originFor(exchange) });
  if (headers === null) {
    return send(exchange, { status: stored.status, fields: stored.fields.slice(), body, bytes }, note);
  }
  const response = new Response(body, { status: stored.status, headers });
  exchange.finish({ status: stored.status, bytes, cache: note.result, cacheStatus });
  return response;
}

/** Answers a range request from a stored part of the target that holds just this range. */
export function respondPart(exchange: Exchange, part: StoredResponse, note: CacheNote): Response {
  return send(exchange, {
    status: part.status,
    fields: part.fields.slice(),
    body: part.body,
    bytes: part.body.byteLength,
  }, note);
}

/** Fields that a 304 repeats (RFC 9110 §15.4.5), and those that tell how it came about. */
const KEPT_ON_304: ReadonlySet<string> = new Set([
  "cache-control",
  "cdn-cache-control",
  "content-location",
  "date",
  "etag",
  "expires",
  "last-modified",
  "set-cookie",
  "vary",
  "via",
]);

function fieldsOf304(fields: Readonly<Fields>): Fields {
  return fields.filter(([name]) => KEPT_ON_304.has(name));
}

/** What goes out, before the gateway's own fields. */
interface Outgoing {
  readonly status: number;
  /** Taken over and added to. */
  readonly fields: Fields;
  readonly body: Uint8Array | ReadableStream<Uint8Array> | null;
  /** Content bytes of a body that is not counted at its end. */
  readonly bytes: number;
  readonly error?: string;
  /** Nobody is there to get the error: it came of that. */
  readonly isUnheard?: boolean;
}

function send(exchange: Exchange, outgoing: Outgoing, note: CacheNote): Response {
  const response = build(exchange, outgoing, note);
  exchange.finish({
    status: outgoing.status,
    bytes: outgoing.bytes,
    cache: note.result,
    cacheStatus: note.status,
    error: outgoing.error,
    aborted: outgoing.isUnheard ?? false,
  });
  return response;
}

function build(exchange: Exchange, outgoing: Outgoing, note: CacheNote): Response {
  const { tenant } = exchange;
  const { simpleTags } = tenant.type;
  const given = simpleTags ? outgoing.fields.filter(([name]) => name !== ORIGIN_TAG) : outgoing.fields;
  const fields = sentFields(tenant, given);
  if (note.ageSeconds !== null) fields.push(["age", String(note.ageSeconds)]);
  fields.push(["cache-status", note.status], ["x-request-id", exchange.requestId]);
  for (const field of tenant.responseFields) fields.push(field);
  const origin = originFor(exchange);
  if (origin !== null) fields.push(["access-control-allow-origin", origin]);
  if (exchange.quotaFields !== null) fields.push(...exchange.quotaFields);
  return new Response(outgoing.body as BodyInit | null, { status: outgoing.status, headers: fields });
}

/** The page's origin, where the listener names those that may read. */
function originFor(exchange: Exchange): string | null {
  const { cors } = exchange.tenant;
  return cors === null || !cors.isByOrigin ? null : cors.originFor((name) => exchange.header(name));
}

/** A body that is sent as it comes in; `onEnd` has to be called when it ends. */
export interface StreamedBody {
  readonly stream: (onEnd: (end: StreamEnd) => void) => ReadableStream<Uint8Array>;
  /** Gives up a body that will not be sent (`HEAD`). */
  readonly cancel: () => void;
}

/** Answers with a response whose body is still coming in. The request is counted when it ends. */
export function respondStreaming(
  exchange: Exchange,
  head: { readonly status: number; readonly fields: Fields },
  options: { readonly body: StreamedBody; readonly note: CacheNote },
): Response {
  const { body, note } = options;
  const { status } = head;
  if (status < 200 || status > 599) {
    body.cancel();
    throw new GatewayError("upstream_invalid_response", `The upstream answered with status ${status}`);
  }
  if (exchange.method === "HEAD" || NO_CONTENT.has(status)) {
    body.cancel();
    const isUnknown = !NO_CONTENT.has(status) && fieldValue(head.fields, "content-length") === null;
    return send(exchange, { status, fields: head.fields, body: isUnknown ? unsent() : null, bytes: 0 }, note);
  }
  const stream = body.stream(({ bytes, aborted, error }) =>
    exchange.finish({
      status,
      bytes,
      cache: note.result,
      cacheStatus: note.status,
      aborted,
      error: error === null ? undefined : "body_broke_off",
    })
  );
  return build(exchange, { status, fields: head.fields, body: stream, bytes: 0 }, note);
}

/** Content of a response to `HEAD` whose length is not known: to the server `null` is a length of 0 (RFC 9110 §8.6). */
function unsent(): ReadableStream<Uint8Array> {
  return new ReadableStream({ start: (controller) => controller.close() });
}

/** Fields of an upstream's response as a client gets them. */
export function clientFields(exchange: Exchange, fields: Readonly<Fields>): Fields {
  const { dropFields, ignoreVary } = exchange.tenant.type;
  const kept = endToEndFields(fields, fieldValue(fields, "connection")).filter(([name]) =>
    // The exchange has one id; the origin's own would stand beside it. Surrogate-Control speaks to this cache alone.
    name !== "x-request-id" && name !== ORIGIN_TAG && !dropFields.has(name) &&
    (name !== "surrogate-control" || exchange.tenant.policy === null)
  );
  return withVia(ignoreVary.size === 0 ? kept : withoutVary(kept, ignoreVary), exchange.services.settings.name);
}

/** `Vary` without the names that select nothing here: caches behind this one would keep a copy for each value in vain. */
function withoutVary(fields: Fields, ignored: ReadonlySet<string>): Fields {
  return fields.flatMap(([name, value]): Fields => {
    if (name !== "vary") return [[name, value]];
    const names = value.split(",").map((part) => part.trim()).filter((part) => !ignored.has(part.toLowerCase()));
    return names.length === 0 ? [] : [[name, names.join(", ")]];
  });
}

/** Adds this gateway to `Via` (RFC 9110 §7.6.3), behind those that the response came through before. */
function withVia(fields: Fields, name: string): Fields {
  const before = fieldValue(fields, "via");
  const others = before === null ? fields : fields.filter(([field]) => field !== "via");
  others.push(["via", before === null ? `1.1 ${name}` : `${before}, 1.1 ${name}`]);
  return others;
}

/** Answers with an error of the gateway's own, in the shape that clients of the pool's type understand. */
export function respondError(exchange: Exchange, error: GatewayError, note: CacheNote): Response {
  const shape = exchange.tenant.type.error(error, exchange.requestId);
  const body = new TextEncoder().encode(shape.body);
  const fields = errorFields(error, shape, exchange.services.settings.name);
  fields.push(["content-length", String(body.byteLength)]);
  const { auth } = exchange.tenant;
  if (error.code === "unauthorized" && auth !== null) fields.push(["www-authenticate", auth.challenge]);
  const empty = exchange.method === "HEAD";
  return send(exchange, {
    status: shape.status,
    fields,
    body: empty ? null : body,
    bytes: empty ? 0 : body.byteLength,
    error: error.code,
    isUnheard: exchange.request.signal.aborted || isAbort(error.cause),
  }, note);
}

/** Whether a try ended on the client's side: it left, or its body broke off. */
function isAbort(cause: unknown): boolean {
  return cause instanceof UpstreamFailure && cause.kind === "aborted";
}

/** Answers a request that belongs to no listener, with problem details (RFC 9457). */
export function respondRefusal(error: GatewayError, requestId: string, name: string): Response {
  const body = JSON.stringify({
    type: "about:blank",
    title: error.message,
    status: error.status,
    detail: error.hint,
    instance: requestId,
  });
  const shape: ErrorBody = { status: error.status, contentType: "application/problem+json", body };
  const fields: Field[] = [...errorFields(error, shape, name), ["x-request-id", requestId]];
  return new Response(body, { status: error.status, headers: fields });
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
  no_listener: "destination_not_found",
  unauthorized: "http_request_denied",
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
