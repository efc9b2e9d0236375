/** All that is known of one request when it has ended. Names are those of the access line; what does not concern it is `undefined`. */
export interface AccessRecord {
  /** When it ended, in milliseconds since the Unix epoch. */
  readonly timeMs: number;
  readonly listener: string;
  readonly id: string;
  /** As `logging.client` shows it. */
  readonly client: string | undefined;
  /** By its token. */
  readonly clientName: string | undefined;
  /** `HTTP/1.1` */
  readonly protocol: string;
  readonly method: string;
  /** As the client sent it, without a scheme. */
  readonly host: string;
  /** Path and query as received; credentials are redacted when it is written. */
  readonly target: string;
  readonly status: number;
  /** Two letters: who ended it, and in which phase. */
  readonly termination: string;
  /** Stated or read content bytes of the request; `undefined` where it has none. */
  readonly requestBytes: number | undefined;
  /** Content bytes sent. */
  readonly bytes: number;
  readonly ms: number;
  /** Where its time went; absent where it waited for nothing. */
  readonly queueMs?: number;
  readonly connectMs?: number;
  readonly firstByteMs?: number;
  readonly upstreamMs?: number;
  readonly clientMs?: number;
  /** How the cache took part. */
  readonly cache: string;
  /** Why an upstream was asked (RFC 9211). */
  readonly fwd: string | undefined;
  /** Status that the upstream answered, where it differs. */
  readonly fwdStatus: number | undefined;
  /** Remaining freshness lifetime in seconds. */
  readonly ttl: number | undefined;
  readonly stored: boolean | undefined;
  /** More on how the cache took part. */
  readonly detail: string | undefined;
  readonly upstream: string | undefined;
  readonly tries: number | undefined;
  /** Places of the rules that applied, from 1. */
  readonly rule: string | undefined;
  /** Code of the gateway's own error. */
  readonly error: string | undefined;
  readonly level: "info" | "warn" | "error";
  /** Id of its trace, where that is recorded. */
  readonly trace: string | undefined;
  /** One line stands for so many requests. */
  readonly sample: number | undefined;
  /** It took longer than `logging.slow`. */
  readonly slow: boolean | undefined;
  readonly referer: string | undefined;
  readonly userAgent: string | undefined;
}

/** Values of a record by the names that lines and templates have for them; all there is to show: no field of a request but these. */
export const ACCESS_FIELDS = {
  listener: (record: AccessRecord) => record.listener,
  id: (record: AccessRecord) => record.id,
  client: (record: AccessRecord) => record.client,
  client_name: (record: AccessRecord) => record.clientName,
  protocol: (record: AccessRecord) => record.protocol,
  method: (record: AccessRecord) => record.method,
  host: (record: AccessRecord) => record.host,
  target: (record: AccessRecord) => record.target,
  status: (record: AccessRecord) => record.status,
  termination: (record: AccessRecord) => record.termination,
  request_bytes: (record: AccessRecord) => record.requestBytes,
  bytes: (record: AccessRecord) => record.bytes,
  ms: (record: AccessRecord) => tenths(record.ms),
  queue_ms: (record: AccessRecord) => tenths(record.queueMs),
  connect_ms: (record: AccessRecord) => tenths(record.connectMs),
  first_byte_ms: (record: AccessRecord) => tenths(record.firstByteMs),
  upstream_ms: (record: AccessRecord) => tenths(record.upstreamMs),
  client_ms: (record: AccessRecord) => tenths(record.clientMs),
  cache: (record: AccessRecord) => record.cache,
  fwd: (record: AccessRecord) => record.fwd,
  fwd_status: (record: AccessRecord) => record.fwdStatus,
  ttl: (record: AccessRecord) => record.ttl,
  stored: (record: AccessRecord) => record.stored,
  detail: (record: AccessRecord) => record.detail,
  upstream: (record: AccessRecord) => record.upstream,
  tries: (record: AccessRecord) => record.tries,
  rule: (record: AccessRecord) => record.rule,
  error: (record: AccessRecord) => record.error,
  level: (record: AccessRecord) => record.level,
  trace: (record: AccessRecord) => record.trace,
  slow: (record: AccessRecord) => record.slow,
  sample: (record: AccessRecord) => record.sample,
} as const;

/** Values that only `combined` and templates show. */
export const MORE_ACCESS_FIELDS = {
  time: (record: AccessRecord) => new Date(record.timeMs).toISOString(),
  referer: (record: AccessRecord) => record.referer,
  user_agent: (record: AccessRecord) => record.userAgent,
} as const;

function tenths(ms: number | undefined): number | undefined {
  return ms === undefined ? undefined : Math.round(ms * 10) / 10;
}
