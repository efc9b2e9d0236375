import type { Fields } from "../http/fields.ts";
import { redact } from "../logging/redact.ts";
import type { Upstream } from "../pool/upstream.ts";
import type { Exchange } from "../request/exchange.ts";
import { continuedContext } from "../request/request_trace.ts";
import { formatTraceparent } from "../tracing/trace_context.ts";
import type { Span } from "../tracing/span.ts";
import type { UpstreamFailure, UpstreamResponse } from "../upstream_client/transport.ts";

/** A try whose span begins. */
interface BegunTry {
  readonly upstream: Upstream;
  readonly method: string;
  /** It is a second one beside a late first one. */
  readonly isBeside: boolean;
}

/** Begins the span of a try at an upstream; `null` where the request's trace is not recorded. */
export function beginTry(exchange: Exchange, { upstream, method, isBeside }: BegunTry): Span | null {
  const span = exchange.trace?.child(method, "client") ?? null;
  if (span === null) return null;
  const { hostname, port, protocol } = new URL(upstream.url);
  const query = exchange.query === "" ? "" : `?${exchange.query}`;
  span.set("http.request.method", method);
  span.set("server.address", hostname);
  span.set("server.port", port === "" ? (protocol === "https:" ? 443 : 80) : Number(port));
  // Without what the pool adds, its credential among it.
  span.set("url.full", redact(upstream.url + exchange.tenant.type.upstreamPath(exchange.path) + query));
  if (exchange.tries > 1) span.set("http.request.resend_count", exchange.tries - 1);
  span.set("usher.pool", exchange.tenant.pool.name);
  span.set("usher.upstream", upstream.id);
  if (isBeside) span.set("usher.hedge", true);
  return span;
}

/** Notes an upstream's answer; the span goes on until its body has come in. */
export function noteAnswer(span: Span, { status }: UpstreamResponse, judgement: string): void {
  span.set("http.response.status_code", status);
  if (judgement !== "ok") span.set("usher.judgement", judgement);
  if (status < 400 && judgement === "ok") return;
  span.isFailed = true;
  span.set("error.type", status < 400 ? judgement : String(status));
}

/** Ends the span of a try; `failure` says why it has no answer, or only a part of one. */
export function endTry(span: Span, failure: UpstreamFailure | null): void {
  if (failure !== null) {
    span.isFailed = failure.kind !== "aborted";
    span.set("error.type", failure.kind);
  }
  span.end();
}

/**
 * The fields that make an upstream's spans part of the trace, in the place of the client's; `null` where the request's own are passed
 * on, since nothing is traced or the pool's upstreams are not told.
 */
export function traceFields(exchange: Exchange, span: Span | null): Fields | null {
  const { services: { tracer }, tenant } = exchange;
  if (tracer === null || !tenant.pool.passesTrace) return null;
  const context = span === null ? tracer.unrecorded(continuedContext(exchange.asSent)) : {
    traceId: span.trace.traceId,
    spanId: span.id,
    isSampled: true,
    isRandom: span.trace.isRandom,
    state: span.trace.state,
  };
  const traceparent: Fields = [["traceparent", formatTraceparent(context)]];
  return context.state === "" ? traceparent : [...traceparent, ["tracestate", context.state]];
}
