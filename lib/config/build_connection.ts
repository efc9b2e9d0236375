import type { ConnectionConfig } from "./connection_config.ts";
import type { FileValues } from "./schema.ts";

/** What an upstream's values say of its connections. */
export function buildConnection(upstream: FileValues["pools"][string]["upstreams"][number]): ConnectionConfig {
  return {
    proxy: upstream.proxy ?? null,
    allowPrivate: upstream.allow_private,
    http2: upstream.http2,
    usher: upstream.usher,
    maxIdle: upstream.max_idle ?? null,
    idleTimeoutMs: upstream.idle_timeout,
  };
}
