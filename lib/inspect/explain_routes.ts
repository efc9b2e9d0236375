import { formatListenAddress, isUnix } from "../config/addresses.ts";
import type { ListenAddress } from "../config/addresses.ts";
import type { Config } from "../config/config.ts";
import type { ListenerConfig } from "../config/listener.ts";
import { nearest } from "../config/yaml/nearest.ts";
import { splitKeyedPath } from "../http/target.ts";
import { RouteTable } from "../listener/route_table.ts";
import { redact } from "../logging/redact.ts";
import { addressKey } from "../gateway/compile.ts";

/** Where a request could come in. */
export interface Entrances {
  readonly addresses: readonly ListenAddress[];
  /** What was assumed; `null` where nothing was. */
  readonly note: string | null;
}

/** Whether a listener takes a request, as JSON. */
export interface ListenerVerdict {
  readonly listener: string;
  readonly address: string;
  /** Empty is any host. */
  readonly hosts: readonly string[];
  readonly prefix: string;
  readonly strip_prefix: boolean;
  readonly pool: string;
  readonly takes: boolean;
  /** Why it does not; `null` where it does. */
  readonly reason: string | null;
}

/** The target of a request, as routes are looked up by it; `authority` is `null` where the request came without one. */
export interface RoutedTarget {
  readonly authority: string | null;
  readonly path: string;
}

/** Prefixes that are listed at most. */
const MAX_PREFIXES = 20;

/** The listen addresses that a request to a host and port comes to: all of them where none listens there. */
export function entrancesOf(
  config: Config,
  to: { readonly hostname: string; readonly port: number } | null,
): Entrances {
  const all = [...new Map(config.listeners.map(({ listen }) => [addressKey(listen), listen])).values()];
  if (to === null) return { addresses: all, note: null };
  const addresses = all.filter((address) =>
    !isUnix(address) && address.port === to.port && isReachedBy(to.hostname, address.hostname)
  );
  if (addresses.length > 0) return { addresses, note: null };
  const where = formatListenAddress(to);
  const proxy = config.forwardProxies.find(({ listen }) =>
    listen.port === to.port && isReachedBy(to.hostname, listen.hostname)
  );
  if (proxy !== undefined) {
    const note =
      `${where} is the forward proxy ${proxy.name}: what clients ask through it of ${
        proxy.hosts.join(", ")
      } comes to ` +
      "the listeners below as https";
    return { addresses: all, note };
  }
  return {
    addresses: all,
    note: `No listener listens on ${where}: taken for the name of a proxy in front of the gateway`,
  };
}

/** The authority that a request has at an address, if the client gives none. */
export function authorityAt(address: ListenAddress): string {
  if (isUnix(address)) return "localhost";
  const { hostname, port } = address;
  const host = hostname === "0.0.0.0" ? "127.0.0.1" : hostname === "::" ? "::1" : hostname;
  return formatListenAddress({ hostname: host, port });
}

/** A name may lead to any address; an address only to itself, and to a listener on all of its family. */
function isReachedBy(hostname: string, listening: string): boolean {
  const isAddress = /^[\d.]+$/.test(hostname) || hostname.includes(":");
  if (!isAddress || hostname === listening || listening === "::") return true;
  return listening === "0.0.0.0" && !hostname.includes(":");
}

/** What each listener makes of a target, and why. */
export function listenerVerdicts(
  config: Config,
  { addresses }: Entrances,
  target: RoutedTarget,
): ListenerVerdict[] {
  const open = new Set(addresses.map(addressKey));
  return config.listeners.map((listener) => {
    const here = config.listeners.filter(({ listen }) => addressKey(listen) === addressKey(listener.listen));
    const reason = open.has(addressKey(listener.listen))
      ? whyNot(listener, here, target)
      : "the request does not come in at its address";
    return {
      listener: listener.name,
      address: formatListenAddress(listener.listen),
      hosts: listener.hosts,
      prefix: listener.prefix,
      strip_prefix: listener.stripPrefix,
      pool: listener.pool,
      takes: reason === null,
      reason,
    };
  });
}

/** Why a listener does not take a target; `null` where it does. */
function whyNot(listener: ListenerConfig, here: readonly ListenerConfig[], target: RoutedTarget): string | null {
  const path = pathAt(here, target.path);
  const authority = target.authority ?? authorityAt(listener.listen);
  const winner = tableOf(here).match(authority, path);
  if (winner === listener) return null;
  const reasons: string[] = [];
  if (!matchesPath(listener, path)) reasons.push(`its prefix ${listener.prefix} does not begin the path`);
  if (!matchesHost(listener, authority)) reasons.push(`"${authority}" is not its host (${listener.hosts.join(", ")})`);
  if (reasons.length > 0 || winner === undefined) return reasons.join(", and ");
  const { name, prefix } = winner;
  return winner.hosts.length > 0 && !sameHosts(winner, listener)
    ? `listener ${name} names the host more exactly`
    : `listener ${name} has the longer prefix ${prefix}`;
}

/** The path that routes at an address are matched with: without a client's token, where one may stand before it. */
function pathAt(here: readonly ListenerConfig[], path: string): string {
  return (here.some(({ auth }) => auth?.path) ? splitKeyedPath(path)?.path : undefined) ?? path;
}

function tableOf(listeners: readonly ListenerConfig[]): RouteTable<ListenerConfig> {
  return new RouteTable(listeners.map((value) => ({ hosts: value.hosts, prefix: value.prefix, value })));
}

function matchesPath({ prefix }: ListenerConfig, path: string): boolean {
  return new RouteTable([{ hosts: [], prefix, value: true }]).match("", path) === true;
}

function matchesHost({ hosts }: ListenerConfig, authority: string): boolean {
  return new RouteTable([{ hosts, prefix: "/", value: true }]).match(authority, "/") === true;
}

function sameHosts(one: ListenerConfig, other: ListenerConfig): boolean {
  return one.hosts.join() === other.hosts.join();
}

/** What to try where no listener takes a target. */
export function nearestListener(config: Config, target: RoutedTarget): string {
  const path = pathAt(config.listeners, target.path);
  const elsewhere = config.listeners.filter((listener) => listener.hosts.length > 0 && matchesPath(listener, path));
  const within = config.listeners.find(({ prefix }) => prefix !== "/" && `${path}/`.includes(`${prefix}/`));
  // Of several the longest: two letters differ by one, and that says little.
  const byLength = config.listeners.toSorted((a, b) => b.prefix.length - a.prefix.length);
  const near = byLength.find(({ prefix }) => nearest(beginning(path, prefix), [prefix]) !== null);
  const hosted = elsewhere.find(({ prefix }) => prefix !== "/") ??
    (within === undefined && near === undefined ? elsewhere[0] : undefined);
  if (hosted !== undefined) {
    return `Listener ${hosted.name} takes this path on another host: try -H 'Host: ${
      hosted.hosts[0]!.replace("*", "x")
    }'`;
  }
  if (within !== undefined) {
    const rest = path.slice(path.indexOf(`${within.prefix}`));
    return `Listener ${within.name} would take ${redact(rest)}: what stands before it has to go`;
  }
  if (near !== undefined) return `The nearest prefix is ${near.prefix}, of listener ${near.name}`;
  const prefixes = [...new Set(config.listeners.map(({ prefix }) => prefix))];
  if (prefixes.length === 1) return `The only prefix is ${prefixes[0]}: did you mean ${redact(prefixes[0]! + path)}?`;
  return `The prefixes are ${prefixes.slice(0, MAX_PREFIXES).join(", ")}`;
}

/** As many segments of a path as a prefix has. */
function beginning(path: string, prefix: string): string {
  return path.split("/").slice(0, prefix.split("/").length).join("/");
}
