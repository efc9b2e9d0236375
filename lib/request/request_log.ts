import { elapsedMs } from "../clock.ts";
import { cacheKey, KEY_SEPARATOR } from "../cache/key.ts";
import type { ForwardReason } from "../forward_reason.ts";
import type { AccessRecord } from "../logging/access_record.ts";
import { shownClient } from "../logging/client_address.ts";
import { type CacheResult, countClient, type CountedRequest, countRequest } from "../metrics/gateway_metrics.ts";
import type { Arrival } from "../server/arrival.ts";
import type { RequestClass } from "../upstream_type/upstream_type.ts";
import type { Phases } from "./phases.ts";
import type { Ruling } from "./ruling.ts";
import type { Services } from "./services.ts";
import type { Tenant } from "./snapshot.ts";
import { termination } from "./termination.ts";

/** Status in the log where the client left before the end. */
const CLIENT_LEFT = 499;
const SWITCHING_PROTOCOLS = 101;

/** The cache's part in a response, as far as counters and log tell it. */
export interface LoggedNote {
  readonly result: CacheResult;
  /** Our member of `Cache-Status` (RFC 9211). */
  readonly status: string;
  /** Remaining freshness lifetime in seconds; `null` or absent where nothing is stored. */
  readonly ttlSeconds?: number | null;
  /** Status that the upstream answered, where it differs from the one sent. */
  readonly fwdStatus?: number | null;
  /** The upstream's response was stored. */
  readonly isStored?: boolean;
  /** More on the cache's part, a word or two. */
  readonly detail?: string | null;
}

/** The end of a response, for the log and the counters. */
export interface Finish {
  readonly status: number;
  readonly bytes: number;
  readonly note: LoggedNote;
  readonly error?: string;
  /** The client left before the end. */
  readonly aborted?: boolean;
}

/** A request that was answered, as far as counters and log need it. */
export interface RecordedRequest {
  readonly services: Services;
  readonly tenant: Tenant;
  readonly arrival: Arrival;
  readonly requestId: string;
  readonly clientName: string | null;
  readonly method: string;
  readonly authority: string;
  readonly path: string;
  readonly class: RequestClass;
  readonly private: string | null;
  readonly key: string;
  readonly fwd: ForwardReason | null;
  readonly upstream: string | null;
  readonly tries: number;
  /** By `elapsedMs` of the clock. */
  readonly beganMs: number;
  readonly phases: Phases | null;
  readonly ruling: Ruling | null;
  /** Bytes of its content that were read, where their number was not stated. */
  readonly contentBytes: number;
  header(name: string): string | null;
  /** Id of its trace; `null` where that is not recorded. */
  readonly traceId: string | null;
  /** As the client sent it. */
  readonly asSent: Pick<RecordedRequest, "tenant" | "path"> & { readonly client: string; readonly query: string };
}

/** Counts a request, remembers it where it is worth that, and writes its log lines. */
export function recordRequest(request: RecordedRequest, finish: Finish): void {
  const { services, tenant, clientName, tries, traceId } = request;
  const durationMs = Math.max(0, elapsedMs(services.clock) - request.beganMs);
  const status = finish.aborted ? CLIENT_LEFT : finish.status;
  const counted: CountedRequest = {
    status: finish.aborted ? 0 : status,
    bytes: finish.bytes,
    durationMs,
    cache: finish.note.result,
    fwd: request.fwd,
    trace: traceId === null ? null : { id: traceId, atMs: services.clock.now() },
  };
  countRequest(tenant.counts, counted);
  if (clientName !== null) countClient(tenant.counts, clientName, counted);
  countTarget(request, finish, durationMs);
  const log = services.logger.in("request");
  if (log.enabled("debug")) explainInLog(request, finish, durationMs);
  // Tunnels and streams of events last as long as their users want.
  const ms = isEndless(request, finish.status) ? 0 : durationMs;
  const { accessLog } = services.settings;
  const nowMs = services.clock.now();
  const isLogged = finish.error === "overloaded" ? accessLog.wantsRefused(nowMs) : accessLog.wants(status, tries, ms);
  const isRemembered = services.sight.memory.wants({ listener: tenant.name, status, ms, nowMs });
  if (!isLogged && !isRemembered) return;
  const sample = isLogged ? accessLog.sampleOf(status, tries, ms) : undefined;
  const record = { ...recordOf(request, finish, durationMs), timeMs: nowMs, status, sample };
  if (isRemembered) services.sight.remember(record);
  if (isLogged) accessLog.write(services.logger, record);
}

/** Counts a request for the lists of targets that are asked for most. */
function countTarget(
  request: RecordedRequest,
  { bytes, note: { result } }: Finish,
  ms: number,
): void {
  const { sight: { top }, clock } = request.services;
  if (result === "hit_memory" || result === "hit_disk" || result === "hit_shared") {
    const weight = top.hitWeight();
    if (weight > 0) top.addHit(request.key, { bytes, ms, nowMs: clock.now() }, weight);
    return;
  }
  // Errors and answers of the gateway itself have no target that is worth a place.
  if (result === "none") return;
  const weight = top.missWeight({ bytes, ms });
  if (weight > 0) top.addMiss(countedKey(request), { bytes, ms, nowMs: clock.now() }, weight);
}

/** The cache key; of what is one user's own only the path, and no key is made for it. */
function countedKey(request: RecordedRequest): string {
  const { tenant, asSent: { path } } = request;
  if (request.private === null && tenant.policy !== null) return request.key;
  const host = tenant.hostInKey ? request.authority.toLowerCase() : "";
  return cacheKey({ listener: tenant.name, host, target: path });
}

function isEndless(request: RecordedRequest, status: number): boolean {
  return request.phases !== null &&
    (status === SWITCHING_PROTOCOLS || request.header("accept") === "text/event-stream");
}

function recordOf(
  request: RecordedRequest,
  finish: Finish,
  ms: number,
): Omit<AccessRecord, "timeMs" | "status" | "sample"> {
  const { services, tenant, arrival, asSent, phases, tries, ruling } = request;
  const { note, aborted = false, error, bytes } = finish;
  const stage = phases?.stage ?? null;
  const isOwn = note.result === "none" && tries === 0;
  const isSlow = services.settings.accessLog.isSlow(ms);
  return {
    listener: tenant.name,
    id: request.requestId,
    client: shownClient(asSent.client, services.settings.clientDetail) ?? undefined,
    clientName: request.clientName ?? undefined,
    protocol: arrival.minor === 2 ? "HTTP/2" : `HTTP/1.${arrival.minor}`,
    method: request.method,
    host: request.authority,
    target: rawTarget(asSent),
    termination: termination({ stage, error, aborted, isOwn, tries }),
    requestBytes: arrival.body === null ? undefined : arrival.body.lengthBytes ?? request.contentBytes,
    bytes,
    ms,
    ...phases?.times(),
    cache: note.result,
    fwd: request.fwd ?? undefined,
    fwdStatus: note.fwdStatus ?? undefined,
    ttl: note.ttlSeconds ?? undefined,
    stored: note.isStored === true ? true : undefined,
    detail: note.detail ?? undefined,
    upstream: request.upstream ?? undefined,
    tries: tries > 0 ? tries : undefined,
    rule: ruling === null ? undefined : ruling.applied.map((place) => place + 1).join(","),
    error,
    level: finish.status >= 500 || error === "body_broke_off" || error === "body_timed_out"
      ? "error"
      : aborted || isSlow || tries > 1
      ? "warn"
      : "info",
    slow: isSlow ? true : undefined,
    trace: request.traceId ?? undefined,
    referer: request.header("referer") ?? undefined,
    userAgent: request.header("user-agent") ?? undefined,
  };
}

/** Logs how the request was classified and what the cache decided, beyond the access line. */
function explainInLog(request: RecordedRequest, finish: Finish, durationMs: number): void {
  const { tenant, private: reason } = request;
  const isShared = reason === null && tenant.policy !== null;
  request.services.logger.in("request").debug("A request was served", {
    id: request.requestId,
    listener: tenant.name,
    pool: tenant.pool.name,
    method: request.method,
    class: request.class.name,
    private: reason ?? undefined,
    key: isShared ? request.key.split(KEY_SEPARATOR).filter((part) => part !== "").join(" ") : undefined,
    result: finish.note.result,
    cache: finish.note.status,
    fwd: request.fwd ?? undefined,
    status: finish.status,
    client_left: finish.aborted === true ? true : undefined,
    upstream: request.upstream ?? undefined,
    tries: request.tries,
    ms: Math.round(durationMs * 10) / 10,
  });
}

function rawTarget({ tenant, path, query }: RecordedRequest["asSent"]): string {
  const prefix = tenant.stripPrefix && tenant.prefix !== "/" ? tenant.prefix : "";
  return prefix + path + (query === "" ? "" : `?${query}`);
}
