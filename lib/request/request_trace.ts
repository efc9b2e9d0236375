import { shownClient } from "../logging/client_address.ts";
import { redact } from "../logging/redact.ts";
import type { Span } from "../tracing/span.ts";
import { parseTraceContext, type TraceContext } from "../tracing/trace_context.ts";
import type { Arrival } from "../server/arrival.ts";
import type { Finish } from "./request_log.ts";
import type { Services } from "./services.ts";
import type { Tenant } from "./snapshot.ts";

/** Methods that are told apart; a client may make others up (OpenTelemetry, `http.request.method`). */
const METHODS: ReadonlySet<string> = new Set([
  ...["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"],
]);

/** A client's `User-Agent` is kept up to this length. */
const MAX_AGENT_LENGTH = 256;

/** A request before rules changed it, as far as its trace is concerned. */
export interface TracedArrival {
  readonly services: Services;
  readonly tenant: Pick<Tenant, "traceTrust">;
  readonly arrival: Arrival;
  header(name: string): string | null;
  isTrusted(): boolean;
}

/**
 * Begins the span of a request, and continues its client's trace where the listener trusts the client; the trace of another one is
 * linked to. `null` where it is not recorded.
 */
export function beginTrace(request: TracedArrival): Span | null {
  const { services: { tracer } } = request;
  if (tracer === null || isOwnExport(request)) return null;
  const named = namedContext(request);
  const isContinued = named !== null && isContinuing(request);
  const span = tracer.begin(isContinued ? named : null);
  if (span !== null && named !== null && !isContinued && request.tenant.traceTrust !== "ignore") {
    span.link({ traceId: named.traceId, spanId: named.spanId, attributes: [["usher.link", "untrusted client"]] });
  }
  return span;
}

/** The trace that a request continues; `null` where it begins its own. */
export function continuedContext(request: TracedArrival): TraceContext | null {
  const named = namedContext(request);
  return named !== null && isContinuing(request) ? named : null;
}

/** `User-Agent` of a gateway's own exports. */
export function exporterName(instanceId: string): string {
  return `usher-spans/${instanceId}`;
}

function namedContext(request: TracedArrival): TraceContext | null {
  const traceparent = request.header("traceparent");
  return traceparent === null ? null : parseTraceContext(traceparent, request.header("tracestate"));
}

function isContinuing(request: TracedArrival): boolean {
  const { traceTrust } = request.tenant;
  return traceTrust === "any" || (traceTrust === "trusted" && request.isTrusted());
}

/** Spans on their way to a collector behind this gateway itself would make more of them, without end. */
function isOwnExport(request: TracedArrival): boolean {
  return request.arrival.method === "POST" &&
    request.header("user-agent") === exporterName(request.services.instanceId);
}

/** A request that was answered, as far as its span tells of it. */
export interface TracedRequest {
  readonly services: Services;
  readonly trace: Span | null;
  readonly tenant: Pick<Tenant, "name" | "prefix" | "pool">;
  readonly requestId: string;
  readonly clientName: string | null;
  readonly fwd: string | null;
  readonly upstream: string | null;
  readonly tries: number;
  readonly private: string | null;
  readonly class: { readonly name: string };
  /** As the client sent it. */
  readonly asSent: {
    readonly tenant: Pick<Tenant, "prefix" | "stripPrefix">;
    readonly arrival: Arrival;
    readonly authority: string;
    readonly path: string;
    readonly query: string;
    readonly client: string;
    readonly publicScheme: string;
    header(name: string): string | null;
  };
}

/** Ends the span of a request, named and described as OpenTelemetry's HTTP conventions have it; what they lack is called `usher.…`. */
export function endTrace(request: TracedRequest, finish: Finish): void {
  const { trace: span, tenant, asSent } = request;
  if (span === null) return;
  const { method } = asSent.arrival;
  const known = METHODS.has(method) ? method : "_OTHER";
  const prefix = asSent.tenant.stripPrefix && asSent.tenant.prefix !== "/" ? asSent.tenant.prefix : "";
  span.name = `${known === "_OTHER" ? "HTTP" : known} ${tenant.prefix}`;
  span.set("http.request.method", known);
  if (known === "_OTHER") span.set("http.request.method_original", method);
  span.set("http.route", tenant.prefix);
  span.set("http.response.status_code", finish.status);
  span.set("http.response.body.size", finish.bytes);
  span.set("url.scheme", asSent.publicScheme);
  span.set("url.path", redact(prefix + asSent.path));
  if (asSent.query !== "") span.set("url.query", redact(`?${asSent.query}`).slice(1));
  setAuthority(span, asSent.authority);
  span.set("client.address", shownClient(asSent.client, request.services.settings.clientDetail));
  span.set("network.protocol.version", asSent.arrival.minor === 2 ? "2" : `1.${asSent.arrival.minor}`);
  const agent = asSent.header("user-agent");
  if (agent !== null) span.set("user_agent.original", redact(agent.slice(0, MAX_AGENT_LENGTH)));
  span.isFailed = finish.status >= 500;
  span.set("error.type", finish.error ?? (finish.status >= 500 ? String(finish.status) : null));
  setOwn(span, request, finish);
  span.end();
}

function setOwn(span: Span, request: TracedRequest, finish: Finish): void {
  span.set("usher.request_id", request.requestId);
  span.set("usher.listener", request.tenant.name);
  span.set("usher.pool", request.tenant.pool.name);
  span.set("usher.client", request.clientName);
  span.set("usher.class", request.class.name);
  span.set("usher.private", request.private);
  span.set("usher.cache.result", finish.note.result);
  if (finish.note.status !== "") span.set("usher.cache.status", redact(finish.note.status));
  span.set("usher.cache.fwd", request.fwd);
  span.set("usher.upstream", request.upstream);
  if (request.tries > 0) span.set("usher.tries", request.tries);
  if (finish.aborted === true) span.set("usher.client_left", true);
}

/** Host and port that the client asked for. */
function setAuthority(span: Span, authority: string): void {
  const match = /^(\[[^\]]*\]|[^:]*)(?::(\d{1,5}))?$/.exec(authority);
  if (match === null || match[1] === "") return;
  span.set("server.address", match[1]);
  if (match[2] !== undefined) span.set("server.port", Number(match[2]));
}
