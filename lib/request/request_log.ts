import { elapsedMs } from "../clock.ts";
import { KEY_SEPARATOR } from "../cache/key.ts";
import type { ForwardReason } from "../forward_reason.ts";
import { wantsAccessLine, writeAccessLine } from "../logging/access_log.ts";
import { type CacheResult, countClient, type CountedRequest, countRequest } from "../metrics/gateway_metrics.ts";
import type { RequestClass } from "../upstream_type/upstream_type.ts";
import type { Services } from "./services.ts";
import type { Tenant } from "./snapshot.ts";

/** Status in the log where the client left before the end. */
const CLIENT_LEFT = 499;

/** The end of a response, for the log and the counters. */
export interface Finish {
  readonly status: number;
  readonly bytes: number;
  readonly cache: CacheResult;
  /** The `Cache-Status` value. */
  readonly cacheStatus: string;
  readonly error?: string;
  /** The client left before the end. */
  readonly aborted?: boolean;
}

/** A request that was answered, as far as counters and log need it. */
export interface RecordedRequest {
  readonly services: Services;
  readonly tenant: Tenant;
  readonly requestId: string;
  readonly clientName: string | null;
  readonly method: string;
  readonly class: RequestClass;
  readonly private: string | null;
  readonly key: string;
  readonly fwd: ForwardReason | null;
  readonly upstream: string | null;
  readonly tries: number;
  /** By `elapsedMs` of the clock. */
  readonly beganMs: number;
  /** Id of its trace; `null` where that is not recorded. */
  readonly traceId: string | null;
  /** As the client sent it. */
  readonly asSent: Pick<RecordedRequest, "tenant"> & {
    readonly client: string;
    readonly path: string;
    readonly query: string;
  };
}

/** Counts a request and writes its log lines. */
export function recordRequest(request: RecordedRequest, finish: Finish): void {
  const { services, tenant, clientName, tries, asSent, traceId } = request;
  const durationMs = Math.max(0, elapsedMs(services.clock) - request.beganMs);
  const status = finish.aborted ? CLIENT_LEFT : finish.status;
  const counted: CountedRequest = {
    status: finish.aborted ? 0 : status,
    bytes: finish.bytes,
    durationMs,
    cache: finish.cache,
    fwd: request.fwd,
    trace: traceId === null ? null : { id: traceId, atMs: services.clock.now() },
  };
  countRequest(tenant.counts, counted);
  if (clientName !== null) countClient(tenant.counts, clientName, counted);
  if (services.logger.enabled("debug")) explainInLog(request, finish, durationMs);
  if (!wantsAccessLine(services.settings.access, status, tries)) return;
  writeAccessLine(services.logger, {
    requestId: request.requestId,
    listener: tenant.name,
    client: asSent.client,
    clientName,
    method: request.method,
    target: rawTarget(asSent),
    status,
    bytes: finish.bytes,
    durationMs,
    cache: finish.cacheStatus,
    upstream: request.upstream,
    tries,
    error: finish.error ?? null,
  });
}

/** Logs how the request was classified and what the cache decided, beyond the access line. */
function explainInLog(request: RecordedRequest, finish: Finish, durationMs: number): void {
  const { tenant, private: reason } = request;
  const isShared = reason === null && tenant.policy !== null;
  request.services.logger.debug("A request was served", {
    id: request.requestId,
    listener: tenant.name,
    pool: tenant.pool.name,
    method: request.method,
    class: request.class.name,
    private: reason ?? undefined,
    key: isShared ? request.key.split(KEY_SEPARATOR).filter((part) => part !== "").join(" ") : undefined,
    result: finish.cache,
    cache: finish.cacheStatus,
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
