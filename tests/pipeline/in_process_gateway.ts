import assert from "node:assert/strict";
import { newLeaseMemory } from "../../lib/cache/flights/lease_table.ts";
import { createMemoryTier } from "../../lib/cache/memory/memory_tier.ts";
import type { Store } from "../../lib/cache/store.ts";
import { createTieredStore } from "../../lib/cache/tiered_store.ts";
import type { Clock } from "../../lib/clock.ts";
import type { Config } from "../../lib/config/config.ts";
import { loadConfig } from "../../lib/config/load.ts";
import { formatLocated } from "../../lib/config/yaml/located.ts";
import { Gateway } from "../../lib/gateway/gateway.ts";
import type { ImageConverter } from "../../lib/image/conversion.ts";
import { createLogger } from "../../lib/logging/logger.ts";
import { CACHE_RESULTS } from "../../lib/metrics/gateway_metrics.ts";
import type { Entrance } from "../../lib/pipeline/arrive.ts";
import { handle, refuse } from "../../lib/pipeline/pipeline.ts";
import { refusedMessage } from "../../lib/request/client_error.ts";
import { HttpServer } from "../../lib/server/http_server.ts";
import { SERVER_LIMIT_DEFAULTS, type ServerLimits } from "../../lib/server/server_limits.ts";
import { replyResponse, requestArrival } from "../../lib/server/fetch_adapter.ts";
import { RequestFields } from "../../lib/http/request_fields.ts";
import { splitTarget } from "../../lib/http/target.ts";
import { Exchange } from "../../lib/request/exchange.ts";
import { type ScriptedHandler, type ScriptedOrigin, startScriptedOrigin } from "../origins/scripted_origin.ts";

/** A clock that a test moves. */
export class HandClock implements Clock {
  #nowMs: number;
  #latestMs: number;

  constructor(nowMs: number) {
    this.#nowMs = this.#latestMs = nowMs;
  }

  now(): number {
    return this.#nowMs;
  }

  latest(): number {
    return this.#latestMs;
  }

  /** Moves it, ahead or back. */
  advance(ms: number): void {
    this.#nowMs += ms;
    this.#latestMs = Math.max(this.#latestMs, this.#nowMs);
  }
}

/** Waits until a condition holds. @throws {Error} when it does not in time */
export async function eventually(what: string, holds: () => boolean, timeoutMs = 120_000): Promise<void> {
  const untilMs = performance.now() + timeoutMs;
  while (!holds()) {
    if (performance.now() > untilMs) throw new Error(`Waited ${timeoutMs} ms in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** A mapping as it stands in a configuration file. */
type Mapping = Readonly<Record<string, unknown>>;

/** Where the test's listeners say they listen; nothing does. */
const ADDRESS = "127.0.0.1:6635";

/** The parts of a configuration that a test decides. */
export interface GatewayParts {
  readonly server?: Mapping;
  readonly cache?: Mapping;
  readonly tracing?: Mapping;
  readonly pools: Readonly<Record<string, Mapping>>;
  readonly listeners: readonly Mapping[];
  /** Which requests are logged; all unless said. */
  readonly access?: "all" | "errors" | "off";
  /** More of `logging`. */
  readonly logging?: Mapping;
  /** How it knows requests that have been there before; one of two gateways in a chain needs its own. */
  readonly instanceId?: string;
  /** In place of a memory tier alone. */
  readonly store?: Store;
  /** Of the servers that {@linkcode InProcessGateway.serve} starts. */
  readonly limits?: Partial<ServerLimits>;
  /** Who converts pictures; nobody unless said. */
  readonly images?: ImageConverter;
}

/** How a request is put to the gateway without a server between. */
export interface AskOptions extends RequestInit {
  /** Address of the connection's other end. */
  readonly from?: string;
}

/** A response with its whole body. */
export interface Answered {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  readonly cacheStatus: string;
}

/** A gateway in this process: the real one, with its log and a clock that the test moves. */
export interface InProcessGateway {
  readonly gateway: Gateway;
  readonly clock: HandClock;
  /** What was logged, each line parsed. */
  readonly lines: Readonly<Record<string, unknown>>[];
  /** What {@linkcode handle} takes for its listeners' address. */
  entrance(): Entrance;
  /** Access lines only. */
  access(): Readonly<Record<string, unknown>>[];
  /** Hands a request to the pipeline. */
  send(target: string, options?: AskOptions): Promise<Response>;
  /** The same, and reads the response. */
  ask(target: string, options?: AskOptions): Promise<Answered>;
  /** Serves it on a port of its own; answers `http://127.0.0.1:port`. */
  serve(): Promise<string>;
  /** Waits until nothing is under way: no flight, no task, no reserved byte, no try. */
  idle(): Promise<void>;
  /** How often the cache took part in each way, zeros left out. */
  results(listener?: string): Record<string, number>;
}

/** The configuration that a test's parts make. */
export async function configFor(parts: GatewayParts): Promise<Config> {
  const text = JSON.stringify({
    server: { workers: 1, ...parts.server },
    logging: { access: parts.access ?? "all", ...parts.logging },
    tracing: parts.tracing ?? {},
    cache: { memory: "32MiB", collapse_timeout: "5m", ...parts.cache },
    // While the clock stands still a rate gives no more than its burst.
    pools: Object.fromEntries(
      Object.entries(parts.pools).map(([name, pool]) => [name, { key_limits: false, ...pool }]),
    ),
    listeners: parts.listeners.map((listener) => ({ listen: ADDRESS, ...listener })),
  });
  const loaded = await loadConfig("config.yaml", {
    readTextFile: () => Promise.resolve(text),
    env: () => undefined,
    cores: 1,
    cwd: "/etc/usher",
  });
  assert.ok(loaded.ok, loaded.ok ? "" : loaded.problems.map(formatLocated).join("\n"));
  return loaded.config;
}

/** A busy machine is no reason to give up: a test that is about time says how much. */
const PATIENT: Mapping = { connect: "2m", first_byte: "2m", idle: "2m", total: "5m" };

/** A pool of a general type, not checked, that asks its upstreams in the order given: each weighs ten thousand times the next, because the first turn is drawn. */
export function plainPool(urls: readonly string[], more: Mapping = {}): Mapping {
  const upstreams = urls.map((url, place) => ({ url, weight: 1e6 / 1e4 ** place }));
  const timeouts = { ...PATIENT, ...more["timeouts"] as Mapping };
  return { type: "custom", strategy: "round-robin", health: false, upstreams, ...more, timeouts };
}

/** One listener on everything, over one pool of the origins given. */
export function plainParts(
  urls: readonly string[],
  more: Partial<GatewayParts> & { pool?: Mapping } = {},
): GatewayParts {
  const { pool, ...parts } = more;
  return { pools: { p: plainPool(urls, pool) }, listeners: [{ name: "l", pool: "p" }], ...parts };
}

/** Runs a test with a gateway, and sees afterwards that everything came to rest. */
export async function withGateway(
  parts: GatewayParts,
  run: (gateway: InProcessGateway) => Promise<void>,
): Promise<void> {
  const clock = new HandClock(Date.UTC(2026, 0, 2, 3, 4, 5));
  const lines: Record<string, unknown>[] = [];
  const sink = (line: string) => void lines.push(JSON.parse(line));
  const store = parts.store ??
    createTieredStore({ memory: createMemoryTier({ limitBytes: 32 << 20 }), disk: null, clock });
  const gateway = new Gateway({
    store,
    leaseMemory: newLeaseMemory(),
    worker: 0,
    instanceId: parts.instanceId ?? "usher-test",
    clock,
    logger: createLogger({ level: "debug", format: "json", sink, now: () => clock.now() }),
    images: parts.images,
    config: await configFor(parts),
  }, 1);
  const servers: HttpServer[] = [];
  const inProcess = over({ gateway, clock, lines, servers, limits: parts.limits });
  try {
    await run(inProcess);
    await inProcess.idle();
    assert.deepEqual(lines.filter((line) => line["message"] === "A request failed inside the gateway"), []);
  } finally {
    await Promise.all(servers.map((server) => server.close(1_000)));
    await gateway.close(2_000);
  }
}

interface Parts {
  readonly gateway: Gateway;
  readonly clock: HandClock;
  readonly lines: Record<string, unknown>[];
  readonly servers: HttpServer[];
  readonly limits: Partial<ServerLimits> | undefined;
}

function over({ gateway, clock, lines, servers, limits }: Parts): InProcessGateway {
  const entrance = () => ({ services: gateway.services, table: gateway.snapshot.tables.get(ADDRESS) });
  const send = async (target: string, { from = "192.0.2.9", ...init }: AskOptions = {}) => {
    const headers = new Headers(init.headers);
    if (!headers.has("host")) headers.set("host", "gateway.test");
    const url = /^https?:/.test(target) ? target : `http://${headers.get("host")}${target}`;
    // A client that has the whole of its content says how long it is.
    if (typeof init.body === "string" && !headers.has("content-length") && !headers.has("transfer-encoding")) {
      headers.set("content-length", String(new TextEncoder().encode(init.body).byteLength));
    }
    const request = new Request(url, { ...init, headers });
    const arrival = requestArrival(request, { connection: { peer: from, scheme: "http" } });
    return replyResponse(await handle(entrance(), arrival), request.method);
  };
  return {
    gateway,
    clock,
    lines,
    entrance,
    access: () => lines.filter((line) => line["access"] !== undefined),
    send,
    ask: async (target, options) => await answered(await send(target, options)),
    async serve() {
      const server = new HttpServer({
        limits: { ...SERVER_LIMIT_DEFAULTS, maxConnections: 1_000, ...limits },
        refuse: (error) => refuse(gateway.services, refusedMessage(error)),
        isTrusted: gateway.services.settings.isTrusted,
        clock,
      });
      servers.push(server);
      return `http://${await server.listen(
        { hostname: "127.0.0.1", port: 0 },
        (arrival) => handle(entrance(), arrival),
      )}`;
    },
    idle: () =>
      eventually("the gateway is at rest", () => unrest(gateway).length === 0).catch(() => {
        throw new Error(`The gateway does not come to rest: ${unrest(gateway).join(", ")}`);
      }),
    results: (listener = "l") => resultsOf(gateway, listener),
  };
}

/** What is still under way. */
function unrest({ services, snapshot, counts }: Gateway): string[] {
  const held = [
    ["flights", services.collapse.size],
    ["tasks", services.background.size],
    ["reserved bytes", services.budget.usedBytes],
    ...Object.entries(counts.listeners).map(([name, { inFlight }]) => [`requests to ${name}`, inFlight] as const),
    ...snapshot.pools.flatMap(({ pool }) => pool.upstreams.map((one) => [`tries at ${one.id}`, one.inFlight] as const)),
  ] as const;
  return held.filter(([, count]) => count !== 0).map(([what, count]) => `${count} ${what}`);
}

function resultsOf(gateway: Gateway, listener: string): Record<string, number> {
  const { byCache } = gateway.counts.listeners[listener]!;
  return Object.fromEntries(
    CACHE_RESULTS.flatMap((name, index) => byCache[index] === 0 ? [] : [[name, byCache[index]!]]),
  );
}

/** The exchange of a request that no server has seen; the first listener that serves its path takes it. */
export function exchangeFor(
  { entrance }: Pick<InProcessGateway, "entrance">,
  target: string,
  { from = "192.0.2.9", ...init }: AskOptions = {},
): Exchange {
  const { services, table } = entrance();
  const url = /^https?:/.test(target) ? target : `http://gateway.test${target}`;
  const arrival = requestArrival(new Request(url, init), { connection: { peer: from, scheme: "http" } });
  const split = splitTarget(url)!;
  const tenant = table!.match(split.authority, split.path)!;
  return new Exchange({ services, tenant, arrival, fields: new RequestFields(arrival.fields), target: split });
}

/** Reads a response to its end. */
export async function answered(response: Response): Promise<Answered> {
  const text = await response.text();
  return {
    status: response.status,
    headers: response.headers,
    text,
    cacheStatus: response.headers.get("cache-status") ?? "",
  };
}

/** Runs a test with scripted origins, and sees afterwards that none of their handlers failed. */
export async function withOrigins(
  handlers: readonly ScriptedHandler[],
  run: (...origins: ScriptedOrigin[]) => Promise<void>,
): Promise<void> {
  const origins = await Promise.all(handlers.map((handler) => startScriptedOrigin(handler)));
  try {
    await run(...origins);
    assert.deepEqual(origins.flatMap((origin) => origin.failures), []);
  } finally {
    await Promise.all(origins.map((origin) => origin.close()));
  }
}

/** Runs a test with one scripted origin behind a gateway with one listener. */
export async function withOrigin(
  handler: ScriptedHandler,
  run: (gateway: InProcessGateway, origin: ScriptedOrigin) => Promise<void>,
  more: Partial<GatewayParts> & { pool?: Mapping } = {},
): Promise<void> {
  await withOrigins(
    [handler],
    (origin) => withGateway(plainParts([origin!.url], more), (gateway) => run(gateway, origin!)),
  );
}

/** A value of a request that reached an origin. */
export function sentField(origin: ScriptedOrigin, name: string, index = -1): string | null {
  const found = origin.heads.at(index)?.fields.filter(([field]) => field === name).map(([, value]) => value) ?? [];
  return found.length === 0 ? null : found.join(", ");
}

/** An origin that plays one part after the other, the last one for ever. */
export function inParts(...handlers: ScriptedHandler[]): ScriptedHandler {
  let turn = 0;
  return (exchange) => handlers[Math.min(turn++, handlers.length - 1)]!(exchange);
}
