import { z } from "zod";
import { type AdminConfig, adminOf, adminSection } from "./admin.ts";
import { type ClusterConfig, clusterOf, clusterSection } from "./cluster.ts";
import { type CacheConfig, cacheOf, cacheSection } from "./caching.ts";
import type { NamedFiles } from "./certificates.ts";
import {
  draftForwardProxySection,
  forwardProxiesKey,
  type ForwardProxyConfig,
  forwardProxyOf,
} from "./forward_proxies.ts";
import { includeKey } from "./include.ts";
import { type ImageWorkerConfig, imageWorkerOf, imageWorkerSection } from "./images.ts";
import { draftListenerSection, type ListenerConfig, listenerOf, listenerSection } from "./listener.ts";
import { draftPoolSection, type PoolConfig, poolOf, poolSection } from "./pool.ts";
import { type LoggingConfig, loggingOf, loggingSection } from "./logging.ts";
import { type ServerConfig, serverOf, serverSection } from "./server.ts";
import { type TracingConfig, tracingOf, tracingSection } from "./tracing.ts";
import type { TracingEnvironment } from "./tracing_environment.ts";
import { name } from "./yaml/scalars.ts";
import { asMapping, list, section } from "./yaml/section.ts";

/** Keys of the main file alone: what is about the process, for all pools and listeners together, and what it includes. */
const mainKeys = {
  server: asMapping(serverSection).prefault({}).describe("The process."),
  admin: asMapping(adminSection).prefault({}).describe("The operator's own address."),
  logging: asMapping(loggingSection).prefault({}).describe("What is written to standard output."),
  tracing: asMapping(tracingSection).prefault({}).describe("Where the steps of requests are reported to."),
  cache: asMapping(cacheSection).prefault({}).describe(
    "Where stored responses are kept, for all listeners together.",
  ),
  cluster: asMapping(clusterSection).optional().describe(
    "Other gateways that act as one with this; default: none. docs/cluster.md",
  ),
  images: asMapping(imageWorkerSection).prefault({}).describe(
    "The worker that converts pictures, where a listener wants that.",
  ),
  include: includeKey,
};

function poolMap<S extends z.ZodType>(pool: S) {
  return asMapping(z.record(name("pool's name"), asMapping(pool), { error: "a mapping of pool names and pools" }));
}

/** Schema of a whole configuration: its main file, with what that includes. */
export const fileSchema = section({
  ...mainKeys,
  pools: poolMap(poolSection).describe("Groups of upstreams, by name."),
  listeners: list(asMapping(listenerSection), 1000, "a list of listeners").min(1, {
    error: "a list of at least one listener",
  }).describe("What is served: each binds an address, hosts and a path prefix to a pool."),
  forward_proxies: forwardProxiesKey,
});

/** Schema of an included file. */
export const partSchema = section({
  pools: poolMap(poolSection).prefault({}).describe("Groups of upstreams, by name."),
  listeners: list(asMapping(listenerSection), 1000, "a list of listeners").prefault([]).describe(
    "What is served, added to what the other files have.",
  ),
});

/** The form of it that needs no key, to check what is sound in a file with mistakes. */
export const draftSchema = section({
  ...mainKeys,
  pools: poolMap(draftPoolSection).prefault({}),
  listeners: list(asMapping(draftListenerSection)).prefault([]),
  forward_proxies: list(asMapping(draftForwardProxySection)).prefault([]),
});

/** A file's values, checked one by one, with defaults; keys as in the file. */
export type FileValues = z.output<typeof fileSchema>;

/** As {@linkcode FileValues}, of a file with mistakes: what is unusable is absent. */
export type DraftValues = z.output<typeof draftSchema>;

/** What a configuration takes from the machine. */
export interface Machine extends NamedFiles {
  readonly cores: number;
  /** Directory that relative paths start from, absolute. */
  readonly cwd: string;
  /** What OpenTelemetry's variables say. */
  readonly tracing: TracingEnvironment;
}

/** The whole configuration, checked, with every default filled in, frozen. Sizes are bytes and times milliseconds. Every worker gets it. */
export interface Config {
  readonly server: ServerConfig;
  readonly admin: AdminConfig;
  readonly logging: LoggingConfig;
  /** `null` where nothing is traced. */
  readonly tracing: TracingConfig | null;
  readonly cache: CacheConfig;
  /** `null` where this gateway is none of several. */
  readonly cluster: ClusterConfig | null;
  readonly images: ImageWorkerConfig;
  readonly pools: readonly PoolConfig[];
  readonly listeners: readonly ListenerConfig[];
  readonly forwardProxies: readonly ForwardProxyConfig[];
}

/** The configuration that the values of a sound file mean. */
export function configOf(values: FileValues, machine: Machine): Config {
  const config: Config = {
    server: serverOf(values.server, machine),
    admin: adminOf(values.admin, machine),
    logging: loggingOf(values.logging),
    tracing: tracingOf(values.tracing, machine.tracing, values.server.name),
    cache: cacheOf(values.cache, values.cluster, machine),
    cluster: clusterOf(values.cluster, machine),
    images: imageWorkerOf(values.images, machine.cores),
    pools: Object.entries(values.pools).map(([name, pool]) => poolOf(name, pool, machine)),
    listeners: values.listeners.map((listener) => listenerOf(listener, values, machine)),
    forwardProxies: values.forward_proxies.map(forwardProxyOf),
  };
  deepFreeze(config);
  return config;
}

function deepFreeze(value: unknown): void {
  if (typeof value !== "object" || value === null || Object.isFrozen(value)) return;
  Object.freeze(value);
  for (const item of Object.values(value)) deepFreeze(item);
}
