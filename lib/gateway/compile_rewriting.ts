import { createHash } from "node:crypto";
import { formatListenAddress, isUnix } from "../config/addresses.ts";
import type { Config } from "../config/config.ts";
import type { ListenerConfig } from "../config/listener.ts";
import type { LanguageFill, LinkTarget, Override, Rewriting } from "../request/rewriting.ts";
import { RouteTable } from "../listener/route_table.ts";
import type { DocumentLinks, UpstreamType } from "../upstream_type/upstream_type.ts";
import { pathGlob } from "../pattern/path_glob.ts";

/** Compiles what a listener changes in the documents that it serves; `null` where it changes nothing. */
export function compileRewriting(
  config: Config,
  listener: ListenerConfig,
  { links, languages }: UpstreamType,
): Rewriting | null {
  const fill = compileFill(listener, languages);
  const target = links === null ? null : linkTarget(config, listener, links);
  const overrides = listener.overrides.map(compileOverride);
  if (target === null && overrides.length === 0 && fill === null) return null;
  return { links: target === null ? null : { places: links!.places, target }, overrides, fill };
}

/** Languages that a listener's documents are filled from; `null` where there are none, or nothing could be kept. */
function compileFill(
  { fillLanguages, cache }: ListenerConfig,
  filling: UpstreamType["languages"],
): LanguageFill | null {
  if (filling === null || fillLanguages.length === 0 || cache.mode === "off") return null;
  return { filling, languages: fillLanguages };
}

function compileOverride({ path, query, merge }: ListenerConfig["overrides"][number]): Override {
  const digest = createHash("sha256").update(JSON.stringify(merge)).digest("base64url");
  return { path: pathGlob(path), query: Object.entries(query), patch: merge, digest };
}

/** Where addresses in a listener's documents lead; `null` where they stay as they are. */
function linkTarget(config: Config, listener: ListenerConfig, links: DocumentLinks): LinkTarget | null {
  const { rewriteImageBase } = listener;
  if (rewriteImageBase === false) return null;
  if (typeof rewriteImageBase === "string") {
    const hasPath = new URL(rewriteImageBase).pathname !== "/";
    return { ...ELSEWHERE, begin: rewriteImageBase, path: hasPath ? "/" : `${links.path}/` };
  }
  const other = linkedListener(config, listener, links.type);
  return other === null ? null : {
    begin: other.publicUrl ?? (isSameAddress(other, listener) ? listener.publicUrl : null),
    path: linkedPath(config, other, links.path),
    port: isSameAddress(other, listener) || isUnix(other.listen) ? null : other.listen.port,
    hostFor: hostFor(listener, other),
    isServed: hostMatcher(listener.hosts),
    isKeyed: other.auth?.path === true,
  };
}

const ELSEWHERE = { port: null, hostFor: (host: string) => host, isServed: () => true, isKeyed: false };

/** The listener that such addresses lead to: one at the same address and host where there is one, else the first. */
function linkedListener(config: Config, listener: ListenerConfig, type: string): ListenerConfig | null {
  const types = new Map(config.pools.map((pool) => [pool.name, pool.type]));
  const candidates = config.listeners.filter((other) =>
    types.get(other.pool) === type && (isSameAddress(other, listener) || isLinkable(other))
  );
  const distance = (other: ListenerConfig) =>
    !isSameAddress(other, listener) ? 2 : hasCommonHost(other, listener) ? 0 : 1;
  return candidates.toSorted((a, b) => distance(a) - distance(b))[0] ?? null;
}

/** Which port the system chooses is known to nobody here, nor how a unix socket is reached from elsewhere. */
function isLinkable({ listen, publicUrl }: ListenerConfig): boolean {
  return isUnix(listen) ? publicUrl !== null : listen.port !== 0;
}

function isSameAddress({ listen: a }: ListenerConfig, { listen: b }: ListenerConfig): boolean {
  return formatListenAddress(a) === formatListenAddress(b);
}

function hasCommonHost({ hosts: a }: ListenerConfig, { hosts: b }: ListenerConfig): boolean {
  return a.length === 0 || b.length === 0 || a.some((host) => b.includes(host));
}

function hostMatcher(hosts: readonly string[]): (host: string) => boolean {
  if (hosts.length === 0) return () => true;
  const table = new RouteTable([{ hosts, prefix: "/", value: true }]);
  return (host) => table.match(host, "/") === true;
}

/** The host to reach a listener by, for a client that came to another by a host. */
function hostFor(listener: ListenerConfig, other: ListenerConfig): (host: string) => string {
  if (other.hosts.length > 0) {
    const isServed = hostMatcher(other.hosts);
    const first = other.hosts.find((host) => !host.startsWith("*."));
    return (host) => isServed(host) ? host : first ?? host;
  }
  if (isUnix(other.listen)) return (host) => host;
  const { hostname } = other.listen;
  const isAtSame = !isUnix(listener.listen) && hostname === listener.listen.hostname;
  const isReached = isAtSame || hostname === "0.0.0.0" || hostname === "::";
  return isReached ? (host) => host : () => hostname.includes(":") ? `[${hostname}]` : hostname;
}

/** The path of a listener at which its upstreams see `path`, with a slash at its end. */
function linkedPath(config: Config, { pool, prefix, stripPrefix }: ListenerConfig, path: string): string {
  const [upstream] = config.pools.find(({ name }) => name === pool)!.upstreams;
  const isBase = new URL(upstream!.url).pathname.replace(/\/$/, "").endsWith(path);
  const inner = isBase ? "" : path;
  const outer = prefix === "/" ? "" : prefix;
  if (stripPrefix) return `${outer}${inner}/`;
  // A prefix that the path has not is the upstream's own.
  return inner === outer || inner.startsWith(`${outer}/`) ? `${inner}/` : `${outer}/`;
}
