/** A mapping as it stands in a configuration file. */
type Mapping = Readonly<Record<string, unknown>>;

/** The parts of a configuration that a test decides; the rest is made for tests: two workers, small caches, every request logged, patience. */
export interface TestConfig {
  readonly server?: Mapping;
  readonly admin?: Mapping;
  readonly logging?: Mapping;
  readonly tracing?: Mapping;
  readonly cache?: Mapping;
  readonly cluster?: Mapping;
  readonly pools: Readonly<Record<string, Mapping>>;
  /** They listen on the test's port unless they say otherwise. */
  readonly listeners: readonly Mapping[];
  readonly forward_proxies?: readonly Mapping[];
}

/** Where a gateway listens and keeps its data. */
interface Places {
  readonly port: number;
  readonly adminPort: number;
  readonly dataDir: string;
}

/** A configuration file; YAML takes JSON as it is. */
export function testConfig({ port, adminPort, dataDir }: Places, parts: TestConfig): string {
  return JSON.stringify({
    server: { data_dir: dataDir, workers: 2, worker_timeout: "5m", ...parts.server },
    admin: { listen: `127.0.0.1:${adminPort}`, ...parts.admin },
    logging: { access: "all", ...parts.logging },
    tracing: parts.tracing ?? {},
    cache: { memory: "32MiB", disk: "128MiB", collapse_timeout: "5m", ...parts.cache },
    ...parts.cluster === undefined ? {} : { cluster: parts.cluster },
    pools: parts.pools,
    listeners: parts.listeners.map((listener) => ({ listen: `127.0.0.1:${port}`, ...listener })),
    forward_proxies: parts.forward_proxies ?? [],
  });
}

/** A busy machine is no reason to give up: a test that is about time says how much. */
export const PATIENT: Mapping = { connect: "2m", first_byte: "2m", idle: "2m", total: "5m" };

/** A pool of a general type without checks, so that an origin sees only what a test asks for. */
export function customPool(upstreams: readonly unknown[], more: Mapping = {}): Mapping {
  return {
    type: "custom",
    health: false,
    upstreams,
    ...more,
    timeouts: { ...PATIENT, ...more["timeouts"] as Mapping },
  };
}
