import type { z } from "zod";
import { RouteTable } from "../listener/route_table.ts";
import { tokenHash } from "../request/client_auth.ts";
import { tokenProblem } from "./access.ts";
import {
  formatListenAddress,
  isLoopback,
  isUnix,
  type ListenAddress,
  parseHostPattern,
  type TcpAddress,
} from "./addresses.ts";
import { cleanApiKey } from "./api_keys.ts";
import { anyText, cidr, hostPattern, listenAddress } from "./http_scalars.ts";
import type { Path } from "./yaml/located.ts";
import type { Problems } from "./yaml/problems.ts";
import { Interpolated } from "./yaml/interpolate.ts";
import { duration, integer, name, parsed } from "./yaml/scalars.ts";
import { asMapping, distinct, type Frozen, list, oneOrMany, section, short } from "./yaml/section.ts";
import { DAY, MINUTE, SECOND } from "./yaml/units.ts";

/** Addresses that no packet of the Internet comes from. */
const PRIVATE = [
  ...["127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16"],
  ...["::1", "fc00::/7", "fe80::/10"],
];

/** A host that is tunnelled to, or `*` for any. */
function tunnelHost() {
  return parsed({
    title: "host",
    expected: "refuse, tunnel, or a list of host names such as example.com or *.example.com",
    parse: (text) => text === "*" ? text : parseHostPattern(text),
  });
}

/** `refuse` is none of them, `tunnel` is any. */
function othersShorthand(value: unknown): unknown {
  const plain = value instanceof Interpolated ? value.text() : value;
  if (typeof plain !== "string") return plain;
  return plain === "refuse" ? [] : plain === "tunnel" ? ["*"] : [plain];
}

const tunnelsSection = section({
  max: integer(1, 1_000_000).prefault(200).describe("Tunnels to other hosts at a time, in each serving worker."),
  connect: duration(10, 10 * MINUTE).prefault("10s").describe("Look-up of the host and connection to it, together."),
  idle: duration(SECOND, DAY).prefault("5m").describe("A tunnel in which nothing moves for so long is closed."),
});

/** One entry of `forward_proxies:`. */
export const forwardProxySection = section({
  name: name("name").describe("Name in logs and metrics; its own, also among listeners."),
  listen: listenAddress().describe("Address and port; its own."),
  hosts: oneOrMany(hostPattern(), 100).describe(
    "Hosts that are served here, exact names and `*.example.com`: a tunnel to one leads to the listeners with `tls` for that " +
      "host, and so does a URL of plain `http`.",
  ),
  others: short(
    list(tunnelHost(), 1000),
    { type: "string", enum: ["refuse", "tunnel"] },
    othersShorthand,
  ).prefault("refuse").describe(
    "All other hosts: `refuse`, `tunnel` to port 443 of any address of the Internet, or a list of hosts that are tunnelled to.",
  ),
  allow_clients: oneOrMany(cidr(), 1000).prefault(PRIVATE).describe(
    "Addresses that may use it, as CIDR blocks; by default those of private networks and this machine.",
  ),
  token: anyText("token", 4096, "a token").optional().describe(
    "What clients need beside, as password in the URL of the proxy (`http://usher:TOKEN@host:port`): 16 to 256 letters, digits, " +
      "`-`, `.`, `_`, `~`; default: none.",
  ),
  tunnels: asMapping(tunnelsSection).prefault({}).describe("Limits of tunnels to other hosts."),
});

/** The form of it that needs no key. */
export const draftForwardProxySection = forwardProxySection.partial({ name: true, listen: true, hosts: true });

/** Key of the file that holds them. */
export const forwardProxiesKey = list(asMapping(forwardProxySection), 100, "a list of forward proxies").prefault([])
  .describe("Ways in for clients that know a gateway only as their HTTP proxy; docs/networking.md.");

type ForwardProxyValues = z.output<typeof forwardProxySection>;

/** A forward proxy of a file with mistakes. */
export type DraftForwardProxy = z.output<typeof draftForwardProxySection>;

/** As much of a listener as a forward proxy depends on; `address` is `null` where a mistake hides it. */
interface ServingListener {
  readonly listener: { readonly name?: string; readonly host: readonly string[]; readonly tls?: unknown };
  readonly address: ListenAddress | null;
}

/** What of a file forward proxies depend on. */
interface Surroundings {
  readonly listeners: readonly ServingListener[];
  readonly pools: Readonly<Record<string, { readonly upstreams?: readonly { readonly proxy?: string }[] }>>;
}

/** Checks the forward proxies, each alone and all together. */
export function checkForwardProxies(
  all: readonly DraftForwardProxy[],
  { listeners, pools }: Surroundings,
  problems: Problems,
): void {
  const names = new Set(listeners.map(({ listener }) => listener.name));
  const addresses = new Set(listeners.flatMap(({ address }) => address === null ? [] : [formatListenAddress(address)]));
  for (const [index, proxy] of all.entries()) {
    const path = ["forward_proxies", index];
    if (proxy.name !== undefined && names.has(proxy.name)) {
      problems.expect([...path, "name"], "a name of its own, that no listener and no other forward proxy has");
    }
    names.add(proxy.name);
    if (proxy.listen !== undefined && !problems.has([...path, "listen"])) {
      const address = formatListenAddress(proxy.listen);
      if (addresses.has(address)) {
        problems.expect([...path, "listen"], "an address of its own, that no listener and no other forward proxy has");
      }
      addresses.add(address);
    }
    checkHosts(proxy, path, listeners, problems);
    const problem = proxy.token === undefined ? null : tokenProblem(cleanApiKey(proxy.token));
    if (problem !== null) problems.expect([...path, "token"], problem);
  }
  checkOwnWay(all, pools, problems);
}

function checkHosts(
  { hosts }: DraftForwardProxy,
  path: Path,
  listeners: readonly ServingListener[],
  problems: Problems,
): void {
  const at = [...path, "hosts"];
  if (hosts === undefined || problems.has(at)) return;
  if (hosts.length === 0) return problems.expect(at, "at least one host");
  const missing = hosts.filter((host) =>
    servingAddress(host, listeners.map(({ listener, address }) => ({ ...listener, hosts: listener.host, address }))) ===
      null
  );
  if (missing.length === 0) return;
  problems.add(
    at,
    `found ${
      missing.join(", ")
    } expected hosts that a listener with \`tls\` serves on an address and port: a tunnel leads there`,
  );
}

/** The gateway's own way out never leads through itself. */
function checkOwnWay(
  all: readonly DraftForwardProxy[],
  pools: Surroundings["pools"],
  problems: Problems,
): void {
  const own = all.flatMap(({ listen }) => listen === undefined ? [] : [listen]);
  for (const [pool, { upstreams = [] }] of Object.entries(pools)) {
    for (const [index, { proxy }] of upstreams.entries()) {
      if (proxy === undefined || !own.some((address) => isAt(address, proxy))) continue;
      problems.expect(
        ["pools", pool, "upstreams", index, "proxy"],
        "another proxy than one of this gateway's own `forward_proxies`: requests would go round in a circle",
      );
    }
  }
}

function isAt(address: TcpAddress, proxy: string): boolean {
  const { hostname, port } = new URL(proxy.replace(/^socks5:/, "http:"));
  if (Number(port || 80) !== address.port) return false;
  const host = hostname.replace(/^\[|\]$/g, "");
  if (host === address.hostname) return true;
  const isHere = host === "localhost" || isLoopback({ hostname: host, port: 0 });
  return isHere && (isLoopback(address) || address.hostname === "0.0.0.0" || address.hostname === "::");
}

/** As much of a listener as decides whether a host is served by it. */
interface Server {
  readonly hosts: readonly string[];
  /** `null` or `undefined` where it is plain. */
  readonly tls?: unknown;
  readonly address: ListenAddress | null;
}

/** The address with TLS where a host is served: that of the listener that names it most exactly; `null` where there is none. */
export function servingAddress(host: string, listeners: readonly Server[]): TcpAddress | null {
  const routes = listeners.flatMap(({ hosts, tls, address }) =>
    tls == null || address === null || isUnix(address) ? [] : [{ hosts, prefix: "/", value: address }]
  );
  // Of several that name it alike the first one, as the table keeps the last.
  return new RouteTable(routes.toReversed()).match(host.replace(/^\*\./, "any."), "/") ?? null;
}

/** One entry of `forward_proxies:`. */
export function forwardProxyOf(proxy: ForwardProxyValues) {
  return {
    name: proxy.name,
    listen: proxy.listen,
    /** Exact names and `*.example.com`. */
    hosts: distinct(proxy.hosts),
    /** Hosts that are tunnelled to; `*` is any. */
    others: distinct(proxy.others),
    allowClients: distinct(proxy.allow_clients),
    /** SHA-256 of the token, in hexadecimal; `null` for none. */
    tokenHash: proxy.token === undefined ? null : tokenHash(cleanApiKey(proxy.token)),
    maxTunnels: proxy.tunnels.max,
    connectMs: proxy.tunnels.connect,
    idleMs: proxy.tunnels.idle,
  };
}

/** One entry of `forward_proxies:`. */
export interface ForwardProxyConfig extends Frozen<ReturnType<typeof forwardProxyOf>> {}
