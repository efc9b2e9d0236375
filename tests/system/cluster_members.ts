import { freePort } from "../free_port.ts";
import { type RunningGateway, startGateway } from "./_gateway.ts";
import { rawRequest, requestText, textOf } from "./_raw_client.ts";
import { customPool, testConfig } from "./test_config.ts";
import { startVersionedOrigin, type VersionedOrigin } from "./_versioned_origin.ts";

/** Of a cluster of gateways. */
export interface ClusterOptions {
  readonly redis: { readonly url: string };
  /** URL of the origin that all of them ask. */
  readonly origin: string;
  /** Keys of `cluster` beside those that tests need. */
  readonly cluster?: Readonly<Record<string, unknown>>;
  readonly cache?: Readonly<Record<string, unknown>>;
  /** How wrong the clock of a member is, by its name; the others' are right. */
  readonly skewsMs?: Readonly<Record<string, number>>;
  /** The beginning of the command line of a member, by its name. */
  readonly programs?: Readonly<Record<string, readonly string[]>>;
}

/** The origin of a cluster: each body ends with the version that it has. */
export interface ClusterOrigin extends AsyncDisposable {
  readonly url: string;
  version: number;
}

/** Starts one; `/tagged…` comes with the tag `all`. */
export async function startClusterOrigin(): Promise<ClusterOrigin> {
  const origin: VersionedOrigin = await startVersionedOrigin();
  return {
    url: origin.url,
    get version() {
      return origin.version;
    },
    set version(version) {
      origin.version = version;
    },
    [Symbol.asyncDispose]: () => origin.close(),
  };
}

/** What a purge call answers. */
export interface PurgeAnswer {
  readonly cluster?: string;
  readonly applied?: readonly string[];
  readonly expired?: readonly string[];
  readonly matched: number | null;
  /** How long the call took, in milliseconds. */
  readonly tookMs: number;
}

/** A gateway of a cluster, in a process of its own. */
export class Member {
  constructor(
    readonly name: string,
    readonly running: RunningGateway,
    readonly start: (directory: string) => Promise<RunningGateway>,
  ) {}

  /** What it answers, on a connection of its own. The host is the same for all members: it is part of the cache key. */
  async ask(method: "GET" | "POST", path: string): Promise<{ readonly body: string; readonly cacheStatus: string }> {
    const length = method === "POST" ? [["content-length", "0"] as [string, string]] : [];
    const response = await rawRequest(this.running.port, requestText(`${method} ${path}`, length));
    return { body: textOf(response.body), cacheStatus: response.field("cache-status") ?? "" };
  }

  /** Has it purge. @throws {Error} where it does not */
  async purge(order: Readonly<Record<string, unknown>>): Promise<PurgeAnswer> {
    const startedMs = performance.now();
    const response = await fetch(`${this.running.adminUrl}/purge`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(order),
    });
    const answer = await response.json();
    if (response.status !== 200) throw new Error(JSON.stringify(answer));
    return { ...answer, tookMs: performance.now() - startedMs };
  }

  /** Ends it at once (SIGKILL); its files stay. */
  async kill(): Promise<void> {
    this.running.signal("SIGKILL");
    await this.running.ended();
  }

  /** The same member again, on its ports and files. */
  async again(): Promise<Member> {
    return new Member(this.name, await this.start(this.running.directory), this.start);
  }
}

/** Starts a member of each of these names, all at once. */
export async function startMembers(
  stack: AsyncDisposableStack,
  names: readonly string[],
  options: ClusterOptions,
): Promise<Member[]> {
  return await Promise.all(names.map(async (name) => {
    const start = startOf(name, options);
    return adopt(stack, new Member(name, await start(), start));
  }));
}

/** Has a member end with the stack. */
export function adopt(stack: AsyncDisposableStack, member: Member): Member {
  return stack.adopt(member, async ({ running }) => {
    // One that is paused would not stop.
    try {
      running.signal("SIGCONT");
    } catch {
      // It has ended.
    }
    await running.close();
  });
}

function startOf(name: string, options: ClusterOptions): (directory?: string) => Promise<RunningGateway> {
  const { redis, origin, cluster = {}, cache, skewsMs = {}, programs = {} } = options;
  const [port, adminPort] = [freePort(), freePort()];
  const skewMs = skewsMs[name];
  const program = programs[name];
  return async (directory) => {
    const running = await startGateway({
      ...directory === undefined ? {} : { directory },
      ...program === undefined ? {} : { program },
      ...skewMs === undefined ? {} : { main: "tests/cluster/skewed_main.ts" },
      env: { USHER_TEST_SKEW_MS: String(skewMs ?? 0), USHER_TEST_SECRET: "a secret of sixteen or more" },
      config: ({ dataDir }) =>
        JSON.stringify({
          ...JSON.parse(testConfig({ port, adminPort, dataDir }, {
            server: { workers: 2 },
            ...cache === undefined ? {} : { cache },
            pools: { p: customPool([origin]) },
            listeners: [{ name: "l", prefix: "/", pool: "p" }],
          })),
          cluster: { engine: redis.url, secret: "${USHER_TEST_SECRET}", member: name, ...cluster },
        }),
    });
    const at = (own: number) => `http://127.0.0.1:${own}`;
    return { ...running, port, url: at(port), adminUrl: at(adminPort) };
  };
}
