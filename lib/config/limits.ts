import type { AdmissionOptions } from "../request/admission.ts";
import type { ByteRateOptions } from "../request/byte_rate.ts";
import type { ClientRateOptions } from "../request/client_rate.ts";
import { CLIENT_NAME } from "../request/client_table.ts";
import { fieldName } from "./http_scalars.ts";
import type { ListenerContext } from "./listener_context.ts";
import type { Path } from "./yaml/located.ts";
import type { Problems } from "./yaml/problems.ts";
import { autoOrFlag, choice, duration, integer, size } from "./yaml/scalars.ts";
import { asMapping, section, type Values } from "./yaml/section.ts";
import { DAY, HOUR, KiB, TiB } from "./yaml/units.ts";

/** `queue:` of a listener. */
const queueSection = section({
  size: integer(0, 100_000).prefault(256).describe("Requests that may wait, in each serving worker."),
  timeout: duration(1, HOUR).prefault("2s").describe("How long one waits at most before it gets 503."),
});

/** `rate_limit:` of a listener. */
const rateLimitSection = section({
  requests: integer(1, 10_000_000).optional().describe("Requests that a client may make in `per`; default: no limit."),
  bytes: size(1, TiB).optional().describe(
    "Content that a client may be sent in `per`: one over it gets 429 before its next response begins; default: no limit.",
  ),
  per: duration(100, DAY).prefault("1s").describe("The time that `requests` and `bytes` are for."),
  burst: integer(1, 10_000_000).optional().describe("Requests at once after a pause; default: as many as `requests`."),
  by: choice(["ip", "header", "client"]).prefault("ip").describe(
    "What tells clients apart: their address, a request field, or their name in `auth`.",
  ),
  header: fieldName().prefault("authorization").describe(
    "The field, with `by: header`; requests without it are told apart by address.",
  ),
  ipv4_prefix: integer(8, 32).prefault(32).describe("Leading bits of an IPv4 address that make one client."),
  ipv6_prefix: integer(16, 128).prefault(64).describe("Leading bits of an IPv6 address that make one client."),
});

/** Keys of a listener that bound what it takes, and say what it does when every upstream is out. */
export const listenerLimitKeys = {
  max_in_flight: integer(1, 1_000_000).optional().describe(
    "Requests at upstreams at a time, of all workers, until their bodies have ended; default: no limit.",
  ),
  queue: asMapping(queueSection).prefault({}).describe("Where requests over `max_in_flight` wait."),
  rate_limit: asMapping(rateLimitSection).optional().describe(
    "Requests of one client, or what it is sent, at all workers, hits included; default: no limit.",
  ),
  pace: size(KiB, TiB).optional().describe(
    "Bytes per second that one large response is sent at, at most; default: as fast as its client takes it.",
  ),
  offline: autoOrFlag().prefault(false).describe(
    "Serve any stored response whatever its age: `auto` while no upstream can answer, `true` always and ask none.",
  ),
};

type LimitValues = Values<typeof listenerLimitKeys>;
type RateValues = NonNullable<LimitValues["rate_limit"]>;

/** Names tell clients apart only where clients have names; fields that carry tokens do not, since they are taken out. */
export function checkRateLimit(
  rate_limit: RateValues | undefined,
  auth: { readonly header: string; readonly bearer: boolean } | undefined,
  { problems, path }: ListenerContext,
): void {
  checkQuota(rate_limit, [...path, "rate_limit"], problems);
  const at = [...path, "rate_limit", "by"];
  const field = rate_limit?.by === "header" ? rate_limit.header.toLowerCase() : null;
  if (auth !== undefined && (field === auth.header.toLowerCase() || (field === "authorization" && auth.bearer))) {
    problems.warn(at, "tokens are taken out of this field: `by: client` goes by them");
  }
  if (rate_limit?.by !== "client" || auth !== undefined || problems.has([...path, "auth"])) return;
  problems.expect(at, "ip or header, because the listener has no `auth` with names of clients");
}

/** A rate is of something. */
function checkQuota(rate: RateValues | undefined, at: Path, problems: Problems): void {
  if (rate === undefined || problems.has(at)) return;
  if (rate.requests === undefined && rate.bytes === undefined) problems.expect(at, "requests, bytes or both");
  if (rate.requests === undefined && rate.burst !== undefined) {
    problems.warn([...at, "burst"], "it has no effect without `requests`");
  }
}

/** Limits of a listener; `null` where there is none. */
export interface ListenerLimits {
  readonly admission: AdmissionOptions | null;
  readonly rate: Omit<ClientRateOptions, "listener"> | null;
  readonly byteRate: Omit<ByteRateOptions, "listener"> | null;
  /** Bytes per second that a large response is sent at. */
  readonly paceBytes: number | null;
}

/** What a listener takes. */
export function limitsOf({ max_in_flight, queue, rate_limit, pace }: Omit<LimitValues, "offline">): ListenerLimits {
  return {
    admission: max_in_flight === undefined
      ? null
      : { maxInFlight: max_in_flight, queueSize: queue.size, queueTimeoutMs: queue.timeout },
    rate: rate_limit?.requests === undefined ? null : requestRateOf(rate_limit, rate_limit.requests),
    byteRate: rate_limit?.bytes === undefined ? null : byteRateOf(rate_limit, rate_limit.bytes),
    paceBytes: pace ?? null,
  };
}

function requestRateOf(rate: RateValues, requests: number): ListenerLimits["rate"] {
  return { requests, perMs: rate.per, burst: rate.burst ?? requests, ...clientsOf(rate) };
}

function byteRateOf(rate: RateValues, bytes: number): ListenerLimits["byteRate"] {
  return { bytes, perMs: rate.per, ...clientsOf(rate) };
}

/** How clients are told apart. */
function clientsOf(rate: RateValues) {
  return {
    header: rate.by === "client" ? CLIENT_NAME : rate.by === "header" ? rate.header.toLowerCase() : null,
    ipv4Prefix: rate.ipv4_prefix,
    ipv6Prefix: rate.ipv6_prefix,
  };
}
