import { type ScriptedHandler, type ScriptedOrigin, startScriptedOrigin } from "../origins/scripted_origin.ts";
import { type Fetched, fetched, type RunningGateway, startGateway } from "./_gateway.ts";
import { customPool, testConfig } from "./test_config.ts";
import { eventually } from "../eventually.ts";
import { type Redis, startRedis } from "../cluster/redis_server.ts";

type Mapping = Readonly<Record<string, unknown>>;

/** How the gateways of a test are made. */
export interface ClusterOptions {
  readonly gateways: number;
  /** @default 1 */
  readonly workers?: number;
  /** Plays the origin. @default a document with the target in it, fresh for an hour */
  readonly origin?: ScriptedHandler;
  /** `cache.shared`. */
  readonly shared?: Mapping;
  /** `cache`. */
  readonly cache?: Mapping;
  /** The listener, by the gateway's index. */
  readonly listener?: (index: number) => Mapping;
  /** Upstreams, by the gateway's index. @default the origin */
  readonly upstreams?: (index: number, origin: ScriptedOrigin) => readonly string[];
}

/** Gateways that run as processes, an engine and an origin. */
export interface Cluster extends AsyncDisposable {
  readonly redis: Redis;
  readonly origin: ScriptedOrigin;
  readonly gateways: readonly RunningGateway[];
  /** Requests that the origin has had for a target. */
  asked(target: string): number;
  /** Asks a gateway. */
  ask(gateway: number, target: string, init?: RequestInit): Promise<Fetched>;
}

const SECRET = "a secret of these tests alone";

const hello: ScriptedHandler = async (exchange) => {
  const fields = [["cache-control", "max-age=3600"], ["content-type", "text/plain"], ["etag", '"1"']] as const;
  await exchange.reply({
    fields: fields.map(([name, value]) => [name, value]),
    body: `this is ${exchange.head.target}`,
  });
};

/** Starts an engine, an origin and gateways that share what they store. */
export async function startCluster(options: ClusterOptions): Promise<Cluster> {
  await using stack = new AsyncDisposableStack();
  const redis = stack.use(await startRedis());
  const origin = stack.adopt(await startScriptedOrigin(options.origin ?? hello), (running) => running.close());
  const started = Array.from(
    { length: options.gateways },
    async (_, index) => stack.adopt(await startOne(index, { redis, origin }, options), (running) => running.close()),
  );
  const gateways = await Promise.all(started);
  for (const gateway of gateways) await isSharing(gateway);
  const resources = stack.move();
  return {
    redis,
    origin,
    gateways,
    asked: (wanted) => origin.heads.filter(({ target }) => target === wanted).length,
    ask: (gateway, target, init) => fetched(gateways[gateway]!.url + target, init),
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  };
}

/** Waits until all workers of a gateway have a connection to the engine. */
export async function isSharing(gateway: RunningGateway): Promise<void> {
  await eventually("all its workers reach the engine", async () => {
    const { cache } = await (await fetch(`${gateway.adminUrl}/status`)).json();
    return cache.shared !== null && cache.shared.connected === cache.shared.workers;
  });
}

/** Starts one gateway of a cluster and waits until it is ready. */
function startOne(
  index: number,
  { redis, origin }: { readonly redis: Redis; readonly origin: ScriptedOrigin },
  options: ClusterOptions,
): Promise<RunningGateway> {
  return startGateway({
    env: { CLUSTER_SECRET: SECRET },
    config: (places) =>
      testConfig(places, {
        server: { workers: options.workers ?? 1 },
        // A busy machine is late by far more than an engine beside.
        cache: { disk: 0, shared: { timeout: "5s", ...options.shared }, ...options.cache },
        cluster: { engine: redis.url, secret: "${CLUSTER_SECRET}", member: `gateway-${index}` },
        pools: { films: customPool(options.upstreams?.(index, origin) ?? [origin.url]) },
        listeners: [{
          ...{ name: "films", prefix: "/", pool: "films", cache: { key_host: "films.example" } },
          ...options.listener?.(index),
        }],
      }),
  });
}
