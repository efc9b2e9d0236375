import { hostOf } from "../../lib/http/target.ts";
import type { Route } from "../../lib/listener/route_table.ts";

/** How specific a route's hosts are for a host; `-1` where none of them is meant. */
function hostRank(hosts: readonly string[], host: string): number {
  if (hosts.length === 0) return 0;
  return Math.max(...hosts.map((pattern) => {
    if (pattern === host) return Number.MAX_SAFE_INTEGER;
    return pattern.startsWith("*.") && host.length >= pattern.length && host.endsWith(pattern.slice(1))
      ? pattern.length
      : -1;
  }));
}

function prefixMatches(prefix: string, path: string): boolean {
  return prefix === "/" || path === prefix || path.startsWith(`${prefix}/`);
}

/** What a route table must answer, found by looking at every route. */
export function slowMatch<T>(routes: readonly Route<T>[], authority: string, path: string): T | undefined {
  const host = hostOf(authority);
  const candidates = routes
    .map((route) => ({ route, rank: hostRank(route.hosts, host) }))
    .filter(({ route, rank }) => rank >= 0 && prefixMatches(route.prefix, path));
  candidates.sort((a, b) => b.rank - a.rank || b.route.prefix.length - a.route.prefix.length);
  return candidates[0]?.route.value;
}
