/** Limits of the HTTP server, per worker unless stated. Each has a counter of how often it was reached. */
export interface ServerLimits {
  /** From the first byte of a request to the end of its fields. */
  readonly headTimeoutMs: number;
  /** A TLS handshake. */
  readonly handshakeTimeoutMs: number;
  /** Between two requests, and from the connection's start to the first byte. */
  readonly idleTimeoutMs: number;
  /** Request content: after this grace it has to come at `bodyBytesPerSecond` on the average, and no read may last longer. */
  readonly bodyTimeoutMs: number;
  readonly bodyBytesPerSecond: number;
  /** A client that takes nothing of its response. */
  readonly sendTimeoutMs: number;
  /** Content in memory that slow readers may keep there, each piece counted once. */
  readonly unsentBytes: number;
  /** Connections of all workers together. */
  readonly maxConnections: number;
  /** Connections of one client address in all workers together; 0 is no limit. */
  readonly perAddress: number;
  /** Field lines of one request. */
  readonly maxFields: number;
  /** Bytes of its field section, the request line not counted. */
  readonly fieldsBytes: number;
  /** Bytes of its target. */
  readonly targetBytes: number;
  /** Requests that may wait, unread or parsed, on one connection while one is served. */
  readonly pipeline: number;
}

/** Defaults of {@linkcode ServerLimits}; `maxConnections` is worked out from the descriptors that the process may have. */
export const SERVER_LIMIT_DEFAULTS: Omit<ServerLimits, "maxConnections"> = {
  headTimeoutMs: 10_000,
  handshakeTimeoutMs: 10_000,
  idleTimeoutMs: 75_000,
  bodyTimeoutMs: 30_000,
  bodyBytesPerSecond: 1_024,
  sendTimeoutMs: 60_000,
  unsentBytes: 128 * 1024 * 1024,
  perAddress: 0,
  maxFields: 100,
  fieldsBytes: 32 * 1024,
  targetBytes: 16 * 1024,
  pipeline: 16,
};
