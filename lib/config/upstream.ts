import type { z } from "zod";
import { certificateKey, type NamedFiles } from "./certificates.ts";
import { filePath, hostField, ipAddress, proxyUrl, upstreamUrl } from "./http_scalars.ts";
import { checkPair } from "./tls.ts";
import { Interpolated } from "./yaml/interpolate.ts";
import type { Path } from "./yaml/located.ts";
import type { Problems } from "./yaml/problems.ts";
import { duration, flag, integer, numberFromZero, positiveNumber } from "./yaml/scalars.ts";
import { asMapping, type Frozen, list, section, short } from "./yaml/section.ts";
import { HOUR, SECOND } from "./yaml/units.ts";

const upstreamSection = section({
  url: upstreamUrl().describe(
    "Scheme, authority and optional base path: `http` or `https`, no credentials, query or fragment.",
  ),
  weight: numberFromZero(1_000_000).prefault(1).describe(
    "Share of the requests, in proportion to the other weights; one with 0 is asked only where a rule names it.",
  ),
  backup: flag().prefault(false).describe("Ask it only when no other is fit: each is out, full, or has been tried."),
  ca: filePath().optional().describe(
    "PEM file of extra certificate authorities for this upstream; relative to the working directory.",
  ),
  host: hostField().optional().describe("`Host` field sent and TLS name asked for; default: the URL's own."),
  resolve: ipAddress().optional().describe("Address to connect to instead of looking the name up."),
  max_connections: integer(1, 65_535).prefault(256).describe("Connections at most, in each serving worker."),
  proxy: proxyUrl().optional().describe(
    "Proxy to connect through: `http`, `https` or `socks5`, credentials percent-encoded; the proxy resolves the upstream's name.",
  ),
  cert: filePath().optional().describe(
    "PEM file of the certificate that is shown to the upstream where it asks for one; relative to the working directory.",
  ),
  key: filePath().optional().describe("PEM file of its private key, which nobody else may be able to read."),
  allow_private: flag().prefault(false).describe(
    "Let a public name have a private, loopback or link-local address; else such an answer is a failure to resolve.",
  ),
  http2: flag().prefault(false).describe(
    "Speak HTTP/2 where the upstream does. Its client writes some bytes of paths in another way, so it is off by default.",
  ),
  usher: flag().prefault(false).describe(
    "The upstream is another Usher: it is told when this one will try again itself.",
  ),
  max_idle: integer(0, 65_535).optional().describe("Idle connections kept; default: as many as may be open."),
  idle_timeout: duration(SECOND, HOUR).prefault("55s").describe(
    "So long an idle connection is kept, or shorter where the upstream says so.",
  ),
  max_in_flight: integer(1, 1_000_000).optional().describe("Requests at a time, of all workers; default: no limit."),
  max_rps: positiveNumber(1_000_000).optional().describe("Requests per second, of all workers; default: no limit."),
});

/** A URL stands for `{ url }`. */
function upstreamShorthand(value: unknown): unknown {
  return typeof value === "string" || value instanceof Interpolated ? { url: value } : value;
}

/** `upstreams:` of a pool, its items of the given form. */
function upstreamList<S extends z.ZodType>(item: S) {
  const url = { type: "string", pattern: "^[Hh][Tt][Tt][Pp][Ss]?://|\\$\\{", title: "URL" };
  return list(short(item, url, upstreamShorthand), 1000, "a list of upstreams");
}

/** `upstreams:` of a pool. */
export function upstreamsKey() {
  return upstreamList(upstreamSection);
}

/** `upstreams:` of a pool in a file with mistakes. */
export function draftUpstreamsKey() {
  return upstreamList(asMapping(upstreamSection.partial({ url: true })));
}

type UpstreamValues = z.output<typeof upstreamSection>;

/** An upstream as the file has it; its URL is absent where that is unusable. */
export type DraftUpstream = Omit<UpstreamValues, "url"> & { readonly url?: string | undefined };

/** What a pool says of its upstreams. */
interface PoolOfUpstreams {
  readonly upstreams?: readonly DraftUpstream[] | undefined;
  readonly preserve_host: boolean;
}

/** Checks the upstreams of a pool, each alone and all together; `path` is that of the pool. */
export function checkUpstreams(
  { upstreams = [], preserve_host }: PoolOfUpstreams,
  path: Path,
  problems: Problems,
): void {
  const seen = new Map<string, Path>();
  for (const [index, upstream] of upstreams.entries()) {
    if (upstream.url === undefined) continue;
    const at = [...path, "upstreams", index];
    const identity = upstream.url + reachedBy(upstream);
    const first = seen.get(identity);
    if (first === undefined) seen.set(identity, at);
    else {
      // The shares would not be what the weights say.
      const where = problems.elsewhere(first);
      problems.expect([...at, "url"], `an upstream that the pool does not have already (${where})`);
    }
  }
  for (const [index, upstream] of upstreams.entries()) {
    const at = [...path, "upstreams", index];
    checkHttp2(upstream, at, problems);
    checkCertificate(upstream, at, problems);
    if (preserve_host) checkHost(upstream, path, problems);
  }
}

/** HTTP/2 goes through a client that takes name, address and `Host` from the URL alone. */
const NOT_WITH_HTTP2 = ["proxy", "resolve", "host", "max_idle"] as const;

function checkHttp2(upstream: DraftUpstream, path: Path, problems: Problems): void {
  if (!upstream.http2) return;
  for (const key of NOT_WITH_HTTP2) {
    if (upstream[key] === undefined) continue;
    problems.atKey([...path, key], `found ${key} together with http2: true expected one of them`);
  }
  if (upstream.url?.startsWith("http:")) {
    problems.expect([...path, "http2"], "an https upstream: HTTP/2 is agreed on in the TLS handshake");
  }
}

/** A certificate is shown with its key, and in a handshake. */
function checkCertificate(upstream: DraftUpstream, path: Path, problems: Problems): void {
  const { cert, url, ca, http2 } = upstream;
  checkPair(upstream, path, problems);
  if (cert === undefined) return;
  const at = [...path, "cert"];
  if (ca === undefined && !http2 && url?.startsWith("https:") === true) {
    // Node's library is needed for it, which may not see the built-in authorities in a worker.
    const expected = "ca beside it, the upstream's authority, or http2: true";
    problems.atKey(at, `found cert without ca expected ${expected}`);
  }
  if (url?.startsWith("http:")) {
    problems.atKey(at, "found cert together with an http URL expected https: it is shown in the TLS handshake");
  }
}

/** The client's `Host` is lost in HTTP/2, and where a request goes to a proxy in absolute form. */
function checkHost({ url, proxy, resolve, host, http2 }: DraftUpstream, pool: Path, problems: Problems): void {
  const isForwarded = url?.startsWith("http:") === true && /^https?:/.test(proxy ?? "") && resolve === undefined &&
    host === undefined;
  const because = http2 ? "http2: true" : isForwarded ? "an http upstream behind a proxy" : null;
  if (because === null) return;
  const expected = "one of them: the client's Host would be lost";
  problems.atKey([...pool, "preserve_host"], `found preserve_host together with ${because} expected ${expected}`);
}

/** What tells upstreams of the same URL apart: how they are reached, without a proxy's credentials. */
function reachedBy({ host, resolve, proxy }: DraftUpstream): string {
  const proxyOrigin = proxy?.replace(/\/\/[^@]*@/, "//");
  return (host === undefined ? "" : ` as ${host}`) + (resolve === undefined ? "" : ` at ${resolve}`) +
    (proxyOrigin === undefined ? "" : ` via ${proxyOrigin}`);
}

/** The names of a pool's upstreams, each unique in it: its URL, and how it is reached where the pool has that twice. */
export function upstreamIds(upstreams: readonly DraftUpstream[]): string[] {
  const urls = upstreams.flatMap(({ url }) => url ?? []);
  return upstreams.flatMap((upstream) => {
    const { url } = upstream;
    if (url === undefined) return [];
    return urls.indexOf(url) === urls.lastIndexOf(url) ? url : url + reachedBy(upstream);
  });
}

/** The upstreams of a pool, with what the files hold that they name. */
export function upstreamsOf(upstreams: readonly UpstreamValues[], files: NamedFiles): UpstreamConfig[] {
  const ids = upstreamIds(upstreams);
  return upstreams.map((upstream, index) => upstreamOf(upstream, ids[index]!, files));
}

function upstreamOf(upstream: UpstreamValues, id: string, files: NamedFiles) {
  return {
    /** Name in status, logs and metrics, as {@linkcode upstreamIds} has it. */
    id,
    url: upstream.url,
    weight: upstream.weight,
    backup: upstream.backup,
    /** PEM text; `ca` in the file is a path. */
    ca: upstream.ca === undefined ? null : files.authorities.get(upstream.ca) ?? null,
    /** `null` is the URL's own. */
    host: upstream.host ?? null,
    resolve: upstream.resolve ?? null,
    /** Its credentials are a secret. */
    proxy: upstream.proxy ?? null,
    clientCertificate: files.certificates.get(certificateKey(upstream)) ?? null,
    allowPrivate: upstream.allow_private,
    http2: upstream.http2,
    usher: upstream.usher,
    maxConnections: upstream.max_connections,
    /** `null` keeps as many as may be open. */
    maxIdle: upstream.max_idle ?? null,
    idleTimeoutMs: upstream.idle_timeout,
    /** `null` for no limit. */
    maxInFlight: upstream.max_in_flight ?? null,
    /** `null` for no limit. */
    maxPerSecond: upstream.max_rps ?? null,
  };
}

/** One upstream of a pool. */
export interface UpstreamConfig extends Frozen<ReturnType<typeof upstreamOf>> {}
