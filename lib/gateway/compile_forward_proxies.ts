import { formatListenAddress } from "../config/addresses.ts";
import type { Config } from "../config/config.ts";
import { type ForwardProxyConfig, servingAddress } from "../config/forward_proxies.ts";
import type { ListenerConfig } from "../config/listener.ts";
import { forwardProxy, type ProxyRoute } from "../forward_proxy/forward_proxy.ts";
import { addressMatcher } from "../http/forwarded.ts";
import { type Route, RouteTable } from "../listener/route_table.ts";
import { newForwardProxyCounts, type WorkerCounts } from "../metrics/gateway_metrics.ts";
import type { ListenFacts } from "../request/snapshot.ts";
import { internetDial } from "../upstream_client/dial_internet.ts";

/** One for all of them: look-ups of a name that are under way are shared. */
const dial = internetDial();

/** How the addresses of forward proxies are listened on, by name; counters of one that is known are used on. */
export function compileForwardProxies(
  { forwardProxies, listeners }: Config,
  counts: WorkerCounts["forwardProxies"],
): Map<string, ListenFacts> {
  return new Map(forwardProxies.map((proxy) => {
    const { name, allowClients, tokenHash, maxTunnels, connectMs, idleMs } = proxy;
    const options = { name, tokenHash, maxTunnels, connectMs, idleMs, dial };
    const served = forwardProxy({
      ...options,
      routes: proxyRoutes(proxy, listeners),
      isClient: addressMatcher(allowClients),
      counts: counts[name] ??= newForwardProxyCounts(),
    });
    const facts = { unix: null, proxyProtocol: false, tls: null, httpsPort: null, proxy: served };
    return [formatListenAddress(proxy.listen), facts];
  }));
}

/** What a forward proxy does with each host. Its own hosts come before those that are tunnelled to. */
export function proxyRoutes(
  { hosts, others }: Pick<ForwardProxyConfig, "hosts" | "others">,
  listeners: readonly ListenerConfig[],
): RouteTable<ProxyRoute> {
  const servers = listeners.map(({ listen, ...rest }) => ({ ...rest, address: listen }));
  const route = (host: string, value: ProxyRoute): Route<ProxyRoute> => (
    { hosts: host === "*" ? [] : [host], prefix: "/", value }
  );
  const own = hosts.flatMap((host) => {
    const address = servingAddress(host, servers);
    return address === null ? [] : [route(host, { serveAt: formatListenAddress(address) })];
  });
  return new RouteTable([...others.map((host) => route(host, "tunnel")), ...own]);
}
