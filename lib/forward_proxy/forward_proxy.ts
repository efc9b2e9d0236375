import { elapsedMs } from "../clock.ts";
import { refusalReply } from "../deliver/error_answer.ts";
import { GatewayError } from "../errors.ts";
import type { RouteTable } from "../listener/route_table.ts";
import { countProxied, type ForwardProxyCounts, type ProxyResult } from "../metrics/gateway_metrics.ts";
import type { ForwardProxy, ProxySurroundings } from "../request/snapshot.ts";
import type { Arrival } from "../server/arrival.ts";
import type { Reply } from "../server/reply.ts";
import type { InternetDial } from "../upstream_client/dial_internet.ts";
import { UpstreamFailure } from "../upstream_client/transport.ts";
import { logProxied } from "./proxy_log.ts";
import { absoluteTarget, connectTarget, type ProxyTarget } from "./proxy_target.ts";
import { CHALLENGES, holdsToken } from "./proxy_token.ts";

/** What a forward proxy does with a host: its own listeners at an address serve it, or a tunnel leads there. */
export type ProxyRoute = { readonly serveAt: string } | "tunnel";

/** A forward proxy as it is configured. */
export interface ForwardProxyOptions {
  readonly name: string;
  /** By host; all other hosts are refused. */
  readonly routes: RouteTable<ProxyRoute>;
  readonly isClient: (address: string) => boolean;
  /** SHA-256 of the token that clients need, in hexadecimal; `null` for none. */
  readonly tokenHash: string | null;
  readonly connectMs: number;
  /** Without a byte in either direction for so long, a tunnel is closed. */
  readonly idleMs: number;
  /** Tunnels at a time, in this worker. */
  readonly maxTunnels: number;
  readonly dial: InternetDial;
  readonly counts: ForwardProxyCounts;
}

const HTTPS_PORT = 443;
const HTTP_PORT = 80;

/** A request that is not served. */
class Refusal extends Error {
  constructor(readonly result: ProxyResult, readonly error: GatewayError, readonly lines = "") {
    super(error.message);
  }
}

function refusal(result: ProxyResult, message: string, hint?: string): Refusal {
  return new Refusal(result, new GatewayError("refused_by_proxy", message, hint === undefined ? {} : { hint }));
}

/**
 * A way in for clients that know a gateway only as their HTTP proxy. What they ask of its own hosts comes to its own listeners, in a
 * tunnel to those with TLS; what they ask of others is refused, or passed on unseen to port 443 of the Internet.
 */
export function forwardProxy(options: ForwardProxyOptions): ForwardProxy {
  return { handle: (arrival, surroundings) => handle(options, arrival, surroundings) };
}

function handle(
  options: ForwardProxyOptions,
  arrival: Arrival,
  surroundings: ProxySurroundings,
): Reply | Promise<Reply> {
  try {
    admit(options, arrival);
    return arrival.method === "CONNECT" ? connect(options, arrival, surroundings) : ask(options, arrival, surroundings);
  } catch (error) {
    return refused(options, arrival, surroundings, error);
  }
}

/** @throws {Refusal} */
function admit({ isClient, tokenHash }: ForwardProxyOptions, { connection, fields }: Arrival): void {
  if (!isClient(connection.peer)) {
    throw refusal("client", "This address may not use the proxy", "The operator's list is allow_clients of the proxy");
  }
  if (tokenHash === null || holdsToken(fields.header("proxy-authorization"), tokenHash)) return;
  const hint = "Put the proxy's token into the client's proxy URL: http://usher:TOKEN@host:port";
  const error = new GatewayError("unauthorized", "This proxy needs a token", { status: 407, hint });
  throw new Refusal("token", error, CHALLENGES);
}

/** @throws {Refusal} */
function connect(
  options: ForwardProxyOptions,
  arrival: Arrival,
  surroundings: ProxySurroundings,
): Reply | Promise<Reply> {
  if (arrival.body !== null) throw refusal("target", "CONNECT has no content");
  const target = connectTarget(arrival.target);
  if ("refusal" in target) throw refusal("target", target.refusal);
  if (target.port !== HTTPS_PORT) throw refusal("target", "The proxy leads to port 443 alone");
  const route = routeOf(options, target);
  return route === "tunnel"
    ? tunnel(options, { arrival, surroundings, target })
    : handOver(options, { arrival, surroundings, address: route.serveAt });
}

/** A request for a whole URL: the same listeners serve it. */
function ask(options: ForwardProxyOptions, arrival: Arrival, surroundings: ProxySurroundings): Reply | Promise<Reply> {
  const target = absoluteTarget(arrival.target);
  if ("refusal" in target) throw refusal("target", target.refusal);
  const route = routeOf(options, target);
  if (route === "tunnel" || target.port !== HTTP_PORT) {
    throw refusal("target", "The proxy serves plain http for its own hosts alone, on port 80");
  }
  countProxied(options.counts, "served");
  return surroundings.serveAt(route.serveAt, arrival);
}

function routeOf({ routes }: ForwardProxyOptions, { host }: ProxyTarget): ProxyRoute {
  const route = routes.match(host.includes(":") ? `[${host}]` : host, "/");
  if (route !== undefined) return route;
  throw refusal(
    "target",
    "The proxy does not lead to this host",
    "The client should go there without a proxy (NO_PROXY, a bypass list), or the operator allows it with `others`",
  );
}

interface HandingOver {
  readonly arrival: Arrival;
  readonly surroundings: ProxySurroundings;
  readonly address: string;
}

function handOver(options: ForwardProxyOptions, { arrival, surroundings, address }: HandingOver): Reply {
  const bound = surroundings.boundAs(address);
  if (bound === undefined) {
    throw new Refusal("failed", new GatewayError("stopping", `Nothing listens on ${address} now`));
  }
  countProxied(options.counts, "served");
  logProxied(options.name, {
    arrival,
    services: surroundings.services,
    status: 200,
    bytes: 0,
    ms: 0,
    detail: "served",
  });
  return { ...CONNECTED, tunnel: { address: bound } };
}

const CONNECTED: Reply = {
  status: 200,
  fixed: null,
  lines: "",
  hasDate: false,
  lengthBytes: null,
  body: null,
  onEnd: null,
};

interface Tunnelling {
  readonly arrival: Arrival;
  readonly surroundings: ProxySurroundings;
  readonly target: ProxyTarget;
}

/** @throws {Refusal} */
async function tunnel(options: ForwardProxyOptions, tunnelling: Tunnelling): Promise<Reply> {
  const { counts, maxTunnels } = options;
  const { arrival, surroundings, target } = tunnelling;
  const { services } = surroundings;
  const beganMs = elapsedMs(services.clock);
  if (counts.tunnels >= maxTunnels) {
    const error = new GatewayError("overloaded", "The proxy has as many tunnels open as it may", {
      hint: "Try again later; the operator's limit is tunnels.max of the proxy",
    });
    return refused(options, arrival, surroundings, new Refusal("full", error));
  }
  counts.tunnels++;
  const late = AbortSignal.timeout(options.connectMs);
  try {
    const signal = AbortSignal.any([arrival.signal, late]);
    const stream = await options.dial(target, signal);
    countProxied(counts, "tunnel");
    return {
      ...CONNECTED,
      tunnel: { protocol: null, stream, idleMs: options.idleMs },
      onEnd: ({ bytes, aborted }) => {
        counts.tunnels--;
        counts.bytes += bytes;
        const ms = elapsedMs(services.clock) - beganMs;
        logProxied(options.name, { arrival, services, status: 200, bytes, ms, detail: "tunnel", aborted });
      },
    };
  } catch (error) {
    counts.tunnels--;
    return refused(options, arrival, surroundings, late.aborted ? overdue() : unreachable(error));
  }
}

function overdue(): Refusal {
  return new Refusal("failed", new GatewayError("upstream_timeout", "The host did not take the connection in time"));
}

/** What a client is told of a host that cannot be reached: nothing of this machine's network. */
function unreachable(error: unknown): Refusal {
  if (error instanceof UpstreamFailure && error.kind === "refused_address") {
    return refusal("address", "The proxy leads to addresses of the Internet alone");
  }
  return new Refusal(
    "failed",
    new GatewayError("upstream_unreachable", "The host cannot be reached", { cause: error }),
  );
}

function refused(
  { name, counts }: ForwardProxyOptions,
  arrival: Arrival,
  { services }: ProxySurroundings,
  thrown: unknown,
): Reply {
  if (!(thrown instanceof Refusal)) throw thrown;
  const { result, error, lines } = thrown;
  countProxied(counts, result);
  const id = services.nextRequestId();
  logProxied(name, { id, arrival, services, status: error.status, bytes: 0, ms: 0, detail: result, error: error.code });
  const reply = refusalReply(error, id, services.settings.name);
  return { ...reply, lines: reply.lines + lines };
}
