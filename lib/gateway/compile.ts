import type { Clock } from "../clock.ts";
import { formatListenAddress } from "../config/addresses.ts";
import type { ListenAddress } from "../config/addresses.ts";
import type { Config } from "../config/config.ts";
import type { ListenerConfig } from "../config/listener.ts";
import type { PoolRuntime, Snapshot, Tenant } from "../request/snapshot.ts";
import { type Route, RouteTable } from "../listener/route_table.ts";
import {
  credentialCounts,
  type ListenerCounts,
  newListenerCounts,
  newPoolCounts,
  upstreamCounts,
  type WorkerCounts,
} from "../metrics/gateway_metrics.ts";
import { upstreamTypes } from "../upstream_type/registry.ts";
import type { KeyEvent, UpstreamType } from "../upstream_type/upstream_type.ts";
import { tokenFields } from "./access.ts";
import { compileForwardProxies } from "./compile_forward_proxies.ts";
import { compilePool, type PoolDeps } from "./compile_pool.ts";
import { compileTenant } from "./compile_tenant.ts";
import { compileListens } from "./compile_tls.ts";

/** What compiling takes from outside. */
export interface CompileDeps extends Pick<PoolDeps, "transportOf" | "limits" | "onBreaker"> {
  readonly clock: Clock;
  /** Counters live through reloads: those of a name that is known are used on. */
  readonly counts: WorkerCounts;
  readonly onKeyEvent: (pool: string, event: KeyEvent) => void;
}

/** Key of a listen address in {@linkcode Snapshot.tables}, as the server names what it listens on. */
export function addressKey(address: ListenAddress): string {
  return formatListenAddress(address);
}

/** Compiles a configuration into the snapshot that requests are served by. */
export function compileSnapshot(config: Config, generation: number, deps: CompileDeps): Snapshot {
  const runtimes = new Map<string, { runtime: PoolRuntime; type: UpstreamType }>();
  for (const pool of config.pools) {
    const type = upstreamTypes.create(pool.type, {
      apiKeys: pool.apiKeys,
      keyMode: pool.keyMode,
      contentTypes: pool.contentTypes,
      imageAccept: pool.imageAccept,
      now: () => deps.clock.now(),
      onKeyEvent: (event) => deps.onKeyEvent(pool.name, event),
      credentials: {
        limits: pool.keyLimits,
        cellsOf: (digest) => deps.limits.keyCells(pool.name, digest),
        countsOf: (place) => credentialCounts(deps.counts, pool.name, place),
        holds: true,
        upstreams: pool.upstreams.length,
      },
    });
    const countsOf = (name: string, upstream: string) => upstreamCounts(deps.counts, name, upstream);
    const poolCountsOf = (name: string) => deps.counts.pools[name] ??= newPoolCounts();
    runtimes.set(pool.name, { runtime: compilePool(pool, type, { ...deps, countsOf, poolCountsOf }), type });
  }
  const isToken = tokenFields(config);
  const tenants = new Map<ListenerConfig, Tenant>(config.listeners.map((listener) => {
    const { runtime, type } = runtimes.get(listener.pool)!;
    const counts = countsOf(deps.counts, listener.name);
    const poolOf = (name: string) => runtimes.get(name)!;
    return [listener, compileTenant(config, listener, { runtime, type, counts, limits: deps.limits, isToken, poolOf })];
  }));
  return Object.freeze({
    generation,
    tables: tablesOf(tenants),
    listens: new Map([...compileListens(config), ...compileForwardProxies(config, deps.counts.forwardProxies)]),
    tenants: [...tenants.values()],
    pools: [...runtimes.values()].map(({ runtime }) => runtime),
  });
}

function countsOf(counts: WorkerCounts, listener: string): ListenerCounts {
  return counts.listeners[listener] ??= newListenerCounts();
}

function tablesOf(tenants: ReadonlyMap<ListenerConfig, Tenant>): Map<string, RouteTable<Tenant>> {
  const routes = new Map<string, Route<Tenant>[]>();
  for (const [listener, tenant] of tenants) {
    const key = addressKey(listener.listen);
    const list = routes.get(key) ?? [];
    list.push({ hosts: listener.hosts, prefix: listener.prefix, value: tenant });
    routes.set(key, list);
  }
  const isKeyed = (list: readonly Route<Tenant>[]) => list.some(({ value }) => value.auth?.path === true);
  return new Map([...routes].map(([key, list]) => [key, new RouteTable(list, { isKeyed: isKeyed(list) })]));
}
