import type { Logger } from "./logger.ts";

/** What an access line says of one request. */
export interface AccessRecord {
  readonly requestId: string;
  readonly listener: string;
  readonly client: string;
  /** By its token; `null` where it has none. */
  readonly clientName: string | null;
  readonly method: string;
  /** Path and query as received; credentials are redacted when it is written. */
  readonly target: string;
  readonly status: number;
  /** Content bytes sent; `null` where the client left first. */
  readonly bytes: number | null;
  readonly durationMs: number;
  /** The `Cache-Status` value of the response. */
  readonly cache: string;
  readonly upstream: string | null;
  readonly tries: number;
  /** Code of the gateway's own error, where it answered with one. */
  readonly error: string | null;
}

/** Which requests get a line. */
export type AccessPolicy = "all" | "errors" | "off";

/** Whether a request with this status and number of tries gets a line; asked before a record is built. */
export function wantsAccessLine(policy: AccessPolicy, status: number, tries: number): boolean {
  return policy === "all" || (policy === "errors" && (status >= 500 || tries > 1));
}

/** Writes one access line. */
export function writeAccessLine(logger: Logger, record: AccessRecord): void {
  logger.write({
    access: record.listener,
    id: record.requestId,
    client: record.client,
    client_name: record.clientName ?? undefined,
    method: record.method,
    target: record.target,
    status: record.status,
    bytes: record.bytes,
    ms: Math.round(record.durationMs * 10) / 10,
    cache: record.cache,
    upstream: record.upstream ?? undefined,
    tries: record.tries > 0 ? record.tries : undefined,
    error: record.error ?? undefined,
  });
}
