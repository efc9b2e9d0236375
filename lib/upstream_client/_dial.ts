import { promises as dns } from "node:dns";
import { messageOf } from "../errors.ts";
import { isIpLiteral, isPrivateAddress, isPublicName } from "./_address.ts";
import { type EgressProxy, proxyFailure, type TunnelTarget } from "./_egress_proxy.ts";
import { openHttpTunnel } from "./_http_tunnel.ts";
import { secure, TlsPeer } from "./_secure.ts";
import { type Duplex, openingStep, type Socket } from "./_socket.ts";
import { openSocks5Tunnel } from "./_socks5.ts";
import { type FailureKind, UpstreamFailure } from "./transport.ts";

/** The addresses of a name, the preferred one first. */
export type Lookup = (name: string) => Promise<string[]>;

/** How to open a socket to an upstream. */
export interface Endpoint {
  /** Name or address, IPv6 without brackets. */
  readonly host: string;
  readonly port: number;
  /** TLS settings; `null` for plain HTTP. */
  readonly tls: TlsPeer | null;
  /** Address to connect to without a look-up. */
  readonly address: string | null;
  /** Whether a public name may have a private address. */
  readonly allowPrivate: boolean;
  /** Proxy to connect through; it resolves the upstream's name. */
  readonly proxy: EgressProxy | null;
  /** TLS settings of an HTTPS proxy. */
  readonly proxyTls: TlsPeer | null;
  /** Whether requests to a plain HTTP upstream go over the proxy's own connection, without a tunnel. */
  readonly isForwarded: boolean;
  readonly lookup: Lookup;
}

/** The part of an {@linkcode Endpoint} that a TCP connection needs. */
export type Hop = Pick<Endpoint, "host" | "port" | "address" | "allowPrivate" | "lookup">;

/** Addresses tried for one connection. */
const MAX_ADDRESSES = 8;
/** Delay before the next attempt starts beside a pending one (RFC 8305 §5). */
const ATTEMPT_DELAY_MS = 250;
/** Turns of the event loop before attempts are aborted, even after it was blocked. */
const ABORT_TURNS = 4;
const ABORT_TURN_MS = 5_000;

/** The system's look-up. It reads the hosts file, which people use where DNS answers for an upstream are forged. */
export async function systemLookup(name: string): Promise<string[]> {
  const found = await dns.lookup(name, { all: true });
  return found.map(({ address }) => address);
}

/**
 * Shares pending look-ups of a name. A look-up cannot be cancelled and occupies a thread: behind a dead name server there would
 * soon be none left.
 */
export function sharedLookup(lookup: Lookup): Lookup {
  const running = new Map<string, Promise<string[]>>();
  return (name) => {
    const known = running.get(name);
    if (known !== undefined) return known;
    const answer = lookup(name).finally(() => running.delete(name));
    running.set(name, answer);
    return answer;
  };
}

function failure(kind: FailureKind, what: string, cause?: unknown): UpstreamFailure {
  return new UpstreamFailure(kind, `Cannot connect: ${what}`, false, cause === undefined ? undefined : { cause });
}

/** What this process lacks is no failure of the upstream. */
function withoutDescriptor(cause: unknown): UpstreamFailure {
  return failure("crowded", "this process has no descriptor left", cause);
}

function isOutOfDescriptors(error: unknown): boolean {
  return /\btoo many open files\b/i.test(messageOf(error));
}

/** Whether a socket can be opened. Asked after a failure only. */
function hasDescriptors(): boolean {
  try {
    Deno.listen({ hostname: "127.0.0.1", port: 0 }).close();
    return true;
  } catch (error) {
    return !isOutOfDescriptors(error);
  }
}

/** Alternates address families, beginning with the preferred one (RFC 8305 §4). */
function interleaved(addresses: readonly string[]): string[] {
  const isFirstFamily = (address: string) => address.includes(":") === addresses[0]?.includes(":");
  const first = addresses.filter(isFirstFamily);
  const second = addresses.filter((address) => !isFirstFamily(address));
  return first.flatMap((address, at) => [address, ...second.slice(at, at + 1)]).concat(second.slice(first.length));
}

/** Rejects when `signal` aborts; work that cannot be cancelled goes on, its result ignored. */
export function unlessAborted<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    signal.addEventListener("abort", onAbort);
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
  });
}

/**
 * The addresses that a connection may be tried to, at least one.
 *
 * @throws {UpstreamFailure} `resolve`, `refused_address`; `crowded` when this process has no descriptor left
 */
export async function resolveHost(endpoint: Hop, signal: AbortSignal): Promise<string[]> {
  const { host } = endpoint;
  if (endpoint.address !== null) return [endpoint.address];
  if (isIpLiteral(host)) return [host];
  let found: string[];
  try {
    found = await unlessAborted(signal, endpoint.lookup(host));
  } catch (error) {
    // The system does not say that it could not read its files.
    if (!hasDescriptors()) throw withoutDescriptor(error);
    throw failure("resolve", `name "${host}" not resolved`, error);
  }
  if (found.length === 0) throw failure("resolve", `name "${host}" has no address`);
  if (endpoint.allowPrivate || !isPublicName(host)) return found;
  const allowed = found.filter((address) => !isPrivateAddress(address));
  if (allowed.length > 0) return allowed;
  throw failure("refused_address", `public name "${host}" has the private address ${found[0]}`);
}

/** Connection attempts to several addresses; the first to succeed wins (RFC 8305 §5). */
class ConnectRace {
  readonly #attempts = new AbortController();
  readonly #result = Promise.withResolvers<Deno.TcpConn>();
  readonly #addresses: string[];
  readonly #port: number;
  #running = 0;
  #isOver = false;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(addresses: string[], port: number) {
    this.#addresses = addresses;
    this.#port = port;
  }

  async run(signal: AbortSignal): Promise<Deno.TcpConn> {
    const onAbort = () => {
      // A socket that opens from now on is closed.
      this.#isOver = true;
      this.#result.reject(signal.reason);
    };
    signal.addEventListener("abort", onAbort);
    this.#startNext();
    try {
      return await this.#result.promise;
    } finally {
      this.#isOver = true;
      clearTimeout(this.#timer);
      signal.removeEventListener("abort", onAbort);
      void this.#giveUpOthers();
    }
  }

  /**
   * Ends the attempts that are still under way, but not at once: the runtime loses the socket of one that is connected when it is
   * aborted, and nobody could close that (Deno 2.9.6). Those that are connected by now are closed within a few turns of the event loop.
   */
  async #giveUpOthers(): Promise<void> {
    for (let turn = 0; turn < ABORT_TURNS; turn++) {
      if (this.#running === 0) return;
      await new Promise((resolve) => Deno.unrefTimer(setTimeout(resolve, ABORT_TURN_MS)));
    }
    this.#attempts.abort();
  }

  #startNext(): void {
    clearTimeout(this.#timer);
    const hostname = this.#addresses.shift();
    if (hostname === undefined || this.#isOver) return;
    if (this.#addresses.length > 0) this.#timer = setTimeout(() => this.#startNext(), ATTEMPT_DELAY_MS);
    this.#attempt(hostname);
  }

  async #attempt(hostname: string): Promise<void> {
    this.#running++;
    try {
      const socket = await Deno.connect({ hostname, port: this.#port, signal: this.#attempts.signal });
      this.#running--;
      if (this.#isOver) return socket.close();
      this.#isOver = true;
      this.#result.resolve(socket);
    } catch (error) {
      this.#running--;
      if (this.#addresses.length > 0) this.#startNext();
      else if (this.#running === 0) this.#result.reject(error);
    }
  }
}

async function connect(hop: Hop, signal: AbortSignal): Promise<Deno.TcpConn> {
  return await connectTo(await resolveHost(hop, signal), hop.port, signal);
}

/**
 * Connects to one of these addresses, whichever answers first.
 *
 * @throws {UpstreamFailure} `connect`; `crowded` when this process has no descriptor left
 */
export async function connectTo(
  addresses: readonly string[],
  port: number,
  signal: AbortSignal,
): Promise<Deno.TcpConn> {
  try {
    const race = new ConnectRace(interleaved(addresses).slice(0, MAX_ADDRESSES), port);
    const socket = await race.run(signal);
    socket.setNoDelay(true);
    // The system detects a dead peer in the end, also for a socket that the runtime cannot close.
    socket.setKeepAlive(true);
    return socket;
  } catch (error) {
    if (isOutOfDescriptors(error)) throw withoutDescriptor(error);
    const what = error instanceof Deno.errors.ConnectionRefused ? "refused" : "failed";
    throw failure("connect", `${what} by ${addresses.join(", ")} port ${port}`, error);
  }
}

/** Starts TLS with the upstream, where it has settings for it. */
async function secured(socket: Socket, { tls }: Endpoint, signal: AbortSignal): Promise<Socket> {
  if (tls === null) return socket;
  try {
    return await secure(socket, tls, signal);
  } catch (error) {
    if (isOutOfDescriptors(error)) throw withoutDescriptor(error);
    throw failure("tls", messageOf(error), error);
  }
}

/** Connects to the proxy. Its name is the operator's own and may have any address. */
async function reachProxy(
  endpoint: Endpoint,
  proxy: EgressProxy,
  signal: AbortSignal,
): Promise<Socket> {
  const { host, port } = proxy;
  try {
    const hop = { host, port, address: null, allowPrivate: true, lookup: endpoint.lookup };
    const socket = await connect(hop, signal);
    return endpoint.proxyTls === null ? socket : await secure(socket, endpoint.proxyTls, signal);
  } catch (error) {
    const what = error instanceof UpstreamFailure ? error.message.replace("Cannot connect: ", "") : messageOf(error);
    throw proxyFailure(proxy, what, error);
  }
}

async function openTunnel(socket: Duplex, proxy: EgressProxy, target: TunnelTarget): Promise<void> {
  try {
    if (proxy.scheme === "socks5") await openSocks5Tunnel(socket, proxy, target);
    else await openHttpTunnel(socket, proxy, target);
  } catch (error) {
    if (error instanceof UpstreamFailure) throw error;
    throw proxyFailure(proxy, "connection broke in the handshake", error);
  }
}

async function openThroughProxy(endpoint: Endpoint, proxy: EgressProxy, signal: AbortSignal): Promise<Socket> {
  const socket = await reachProxy(endpoint, proxy, signal);
  if (endpoint.isForwarded) return socket;
  const target = { host: endpoint.address ?? endpoint.host, port: endpoint.port };
  await openingStep(socket, signal, () => openTunnel(socket, proxy, target));
  return await secured(socket, endpoint, signal);
}

/**
 * Opens a socket to an endpoint: look-up, TCP, TLS, or the same to the endpoint's proxy and from there on.
 *
 * @throws {UpstreamFailure} `resolve`, `refused_address`, `connect`, `tls` or `proxy`; soon after `signal` has aborted too, whose
 * reader knows better why
 */
export async function openSocket(endpoint: Endpoint, signal: AbortSignal): Promise<Socket> {
  if (endpoint.proxy !== null) return await openThroughProxy(endpoint, endpoint.proxy, signal);
  return await secured(await connect(endpoint, signal), endpoint, signal);
}
