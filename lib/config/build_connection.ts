import type { ConnectionConfig } from "./connection_config.ts";
import type { FileValues } from "./schema.ts";
import type { NamedFiles } from "./authorities.ts";
import { certificateKey } from "./validate_tls.ts";

type UpstreamValues = FileValues["pools"][string]["upstreams"][number];

/** What tells upstreams of the same URL apart: how they are reached, without a proxy's credentials. */
export function reachedBy({ host, resolve, proxy }: Pick<UpstreamValues, "host" | "resolve" | "proxy">): string {
  const proxyOrigin = proxy?.replace(/\/\/[^@]*@/, "//");
  return (host === undefined ? "" : ` as ${host}`) + (resolve === undefined ? "" : ` at ${resolve}`) +
    (proxyOrigin === undefined ? "" : ` via ${proxyOrigin}`);
}

/** The name of an upstream among those of its pool. */
export function upstreamId(upstream: UpstreamValues, pool: readonly UpstreamValues[]): string {
  const isAlone = pool.filter(({ url }) => url === upstream.url).length === 1;
  return isAlone ? upstream.url : upstream.url + reachedBy(upstream);
}

/** What an upstream's values say of its connections. */
export function buildConnection(
  upstream: UpstreamValues,
  { certificates }: Pick<NamedFiles, "certificates">,
): ConnectionConfig {
  return {
    proxy: upstream.proxy ?? null,
    clientCertificate: certificates.get(certificateKey(upstream)) ?? null,
    allowPrivate: upstream.allow_private,
    http2: upstream.http2,
    usher: upstream.usher,
    maxIdle: upstream.max_idle ?? null,
    idleTimeoutMs: upstream.idle_timeout,
  };
}
