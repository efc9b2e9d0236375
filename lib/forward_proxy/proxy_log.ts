import { shownClient } from "../logging/client_address.ts";
import type { Services } from "../request/services.ts";
import { termination } from "../request/termination.ts";
import type { Arrival } from "../server/arrival.ts";

/** A request to a forward proxy, as its access line tells it. */
export interface ProxiedRequest {
  /** Default: a new one. */
  readonly id?: string;
  readonly arrival: Arrival;
  readonly services: Services;
  readonly status: number;
  /** Bytes that went to the client through its tunnel. */
  readonly bytes: number;
  readonly ms: number;
  /** What became of it. */
  readonly detail: string;
  readonly error?: string;
  /** The tunnel was broken off. */
  readonly aborted?: boolean;
}

/** Longest target that is shown. */
const MAX_SHOWN = 261;

/** Writes the access line of a request, where the configuration asks for it. What comes out of a tunnel to a listener has its own lines. */
export function logProxied(proxy: string, request: ProxiedRequest): void {
  const { arrival, services: { settings, logger, clock, nextRequestId }, status, bytes, ms, detail } = request;
  const { accessLog, clientDetail } = settings;
  // A tunnel lasts as long as its users want, and is not slow by that.
  if (!accessLog.wants(status, 0, 0)) return;
  const { error, aborted = false } = request;
  accessLog.write(logger, {
    timeMs: clock.now(),
    listener: proxy,
    id: request.id ?? nextRequestId(),
    client: shownClient(arrival.connection.peer, clientDetail) ?? undefined,
    clientName: undefined,
    protocol: `HTTP/1.${arrival.minor}`,
    method: arrival.method,
    host: (arrival.fields.header("host") ?? "").slice(0, MAX_SHOWN),
    target: arrival.target.slice(0, MAX_SHOWN),
    status,
    termination: termination({ stage: null, error, aborted: error === undefined && aborted, isOwn: false, tries: 0 }),
    requestBytes: undefined,
    bytes,
    ms,
    cache: "none",
    fwd: undefined,
    fwdStatus: undefined,
    ttl: undefined,
    stored: undefined,
    detail,
    upstream: undefined,
    tries: undefined,
    rule: undefined,
    error,
    level: status >= 500 ? "error" : "info",
    trace: undefined,
    sample: accessLog.sampleOf(status, 0, 0),
    slow: undefined,
    referer: undefined,
    userAgent: arrival.fields.header("user-agent") ?? undefined,
  });
}
