import { createHash } from "node:crypto";
import type { Config } from "../config/config.ts";
import type { ListenerConfig } from "../config/listener.ts";
import type { PoolConfig } from "../config/pool.ts";
import type { UpstreamType } from "../upstream_type/upstream_type.ts";
import { requestBase } from "./compile_pool.ts";

/** Raise it where the same key comes to stand for something else by a change of the program. */
const KEY_VERSION = 1;

/**
 * What the cache keys of a listener stand for, as a hash: gateways whose listeners of one name differ in it share nothing. It covers
 * where a request goes and what of it counts, and what may be stored of a response; not for how long, nor by how many upstreams it is
 * answered. `null` where the listener shares nothing.
 */
export function fingerprintOf(
  config: Config,
  listener: ListenerConfig,
  typeOf: (pool: string) => UpstreamType,
): string | null {
  const { cache: { shared } } = config;
  const mode = listener.cache.mode ?? typeOf(listener.pool).cacheMode;
  const isShared = shared !== null && mode !== "off" && (listener.cache.shared ?? listener.auth === null);
  if (!isShared) return null;
  const pools = [listener.pool, ...listener.rules.flatMap(({ pool }) => pool ?? [])];
  const facts = {
    version: KEY_VERSION,
    listener: listenerFacts(listener, mode),
    pools: [...new Set(pools)].sort().map((name) =>
      poolFacts(config.pools.find((pool) => pool.name === name)!, typeOf(name), listener.cache.sharedAs)
    ),
  };
  return createHash("sha256").update(JSON.stringify(facts)).digest("hex");
}

function listenerFacts(listener: ListenerConfig, mode: string) {
  const { name, prefix, stripPrefix, forwardFields, cache, images, cors, rules, redirects } = listener;
  return {
    ...{ name, prefix, stripPrefix, forwardFields, mode },
    query: cache.query,
    ...{ cookies: cache.cookies, setCookie: cache.setCookie, targetedFields: cache.targetedFields },
    // The gateway answers for the origin's part of CORS, and keeps `Origin` out of `Vary`.
    ownsCors: cors !== null,
    // Another size may stand for the one that was asked for.
    images: { fallsBack: images.fallsBack, maxWidth: images.maxWidth },
    redirects,
    // Changes of responses and answers of the gateway's own are made when they are sent.
    rules: rules.map(({ when, request, pool, upstream }) => ({ when, request, pool, upstream }))
      .filter(({ request, pool, upstream }) => request !== null || pool !== null || upstream !== null),
  };
}

function poolFacts(pool: PoolConfig, type: UpstreamType, sharedAs: string | null) {
  const upstreams = pool.upstreams.map((upstream) => {
    const { basePath, host } = requestBase(upstream);
    return `${new URL(upstream.url).protocol}//${host}${basePath}`;
  });
  return {
    type: pool.type,
    ...{ keyMode: pool.keyMode, imageAccept: pool.imageAccept, contentTypes: pool.contentTypes },
    ...{ forwarded: pool.forwarded ?? type.forwarded, preserveHost: pool.sending.preserveHost },
    // A type of a known origin has one content, wherever it is fetched from; any other is known by its upstreams alone.
    content: type.hostInKey ? sharedAs ?? [...new Set(upstreams)].sort() : null,
  };
}
