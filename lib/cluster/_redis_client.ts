import process from "node:process";
import { redact } from "../logging/redact.ts";
import type { EngineOptions } from "./engine_options.ts";
import type { ClientReply } from "./_redis_reply.ts";
import type { Buffer } from "node:buffer";

/** The part of the client that is used: its own types would make it part of every build of these sources. */
export interface RedisClient {
  callBuffer(command: string, ...args: readonly (string | Buffer)[]): Promise<ClientReply>;
  subscribe(...channels: string[]): Promise<unknown>;
  unsubscribe(...channels: string[]): Promise<unknown>;
  connect(): Promise<void>;
  /** `true`: connects again. */
  disconnect(reconnect?: boolean): void;
  on(event: "ready" | "close" | "end", listener: () => void): unknown;
  on(event: "error", listener: (error: Error) => void): unknown;
  on(event: "messageBuffer", listener: (channel: Buffer, message: Buffer) => void): unknown;
  readonly status: string;
}

interface RedisModule {
  readonly Redis: new (options: Readonly<Record<string, unknown>>) => RedisClient;
  readonly Cluster: new (nodes: readonly unknown[], options: Readonly<Record<string, unknown>>) => RedisClient;
}

/**
 * Not written into the import itself, nor named in `deno.json`: the client is no part of a program without a cluster, and is fetched and
 * loaded only where one is configured. `deno.all.lock` has its digest.
 */
export const REDIS_PACKAGE = "npm:ioredis@6.0.0";

const CONNECT_TIMEOUT_MS = 1_000;
/** A connection that owes a reply for so long is given up: it may be dead without a word. */
const SOCKET_TIMEOUT_MS = 3_000;
const FIRST_PAUSE_MS = 50;
const MAX_PAUSE_MS = 1_000;

/** Loads the client. @throws {Error} where it cannot be fetched or loaded */
export async function loadRedis(): Promise<RedisModule> {
  // A package of it lists the environment as it is loaded, which workers may not see; nothing in there is for it.
  const own = Object.getOwnPropertyDescriptor(process, "env");
  Object.defineProperty(process, "env", { value: {}, configurable: true, writable: true });
  try {
    return await import(REDIS_PACKAGE) as RedisModule;
  } finally {
    if (own !== undefined) Object.defineProperty(process, "env", own);
  }
}

/** A client that has not connected yet. It holds nothing back: what cannot be sent now fails, and nothing is sent twice. */
export function newClient({ Redis, Cluster }: RedisModule, options: EngineOptions): RedisClient {
  const { place } = options;
  const common = connectionOptions(options);
  if (place.kind === "server") return new Redis({ ...common, ...place.address, db: place.database });
  if (place.kind === "sentinels") {
    return new Redis({
      ...common,
      sentinels: place.addresses,
      name: place.primary,
      db: place.database,
      sentinelUsername: place.sentinelUser ?? undefined,
      sentinelPassword: place.sentinelPassword ?? undefined,
      enableTLSForSentinelMode: options.tls !== null,
      sentinelTLS: common.tls,
      // They say at once that another server is the primary.
      failoverDetector: true,
      sentinelRetryStrategy: pauseMs,
    });
  }
  return new Cluster(place.addresses, {
    lazyConnect: true,
    enableOfflineQueue: false,
    clusterRetryStrategy: pauseMs,
    clusterNodeRetryStrategy: pauseMs,
    slotsRefreshTimeout: CONNECT_TIMEOUT_MS,
    slotsRefreshInterval: 5_000,
    maxRedirections: 4,
    redisOptions: common,
  });
}

function connectionOptions({ user, password, tls }: EngineOptions) {
  return {
    lazyConnect: true,
    protocol: 2,
    username: user ?? undefined,
    password: password ?? undefined,
    tls: tls === null ? undefined : {
      ca: tls.ca ?? undefined,
      cert: tls.cert ?? undefined,
      key: tls.key ?? undefined,
    },
    connectTimeout: CONNECT_TIMEOUT_MS,
    socketTimeout: SOCKET_TIMEOUT_MS,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    autoResubscribe: true,
    maxRetriesPerRequest: 0,
    disableClientInfo: true,
    retryStrategy: pauseMs,
    // A primary that has become a replica: the name may lead to another one now.
    reconnectOnError: (error: Error) => error.message.startsWith("READONLY"),
  };
}

/** Pause before the `times`-th connection in a row, spread so that gateways do not come together. */
function pauseMs(times: number): number {
  const longest = Math.min(FIRST_PAUSE_MS * 2 ** Math.min(times - 1, 10), MAX_PAUSE_MS);
  return longest / 2 + Math.random() * longest / 2;
}

const MAX_SHOWN = 200;

/** What the client says of its connection, for people: one line, no secret. */
export function shownProblem(error: Error): string {
  // With several nodes the one error that tells is below.
  const last = (error as { readonly lastNodeError?: unknown }).lastNodeError;
  const { message } = last instanceof Error ? last : error;
  return redact(message).replaceAll(/\s+/g, " ").slice(0, MAX_SHOWN);
}
