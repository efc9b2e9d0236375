import { type Clock, systemClock } from "../clock.ts";
import type { ByteStream } from "../wire/byte_stream.ts";
import type { WireError } from "../wire/wire_error.ts";
import { HALF_CLOSE_GRACE_MS } from "./_client_watch.ts";
import { Connection } from "./_connection.ts";
import type { ConnectionContext, ServerConnection } from "./_connection_context.ts";
import { Handshake, type Secured } from "./_handshake.ts";
import { Http2Connection } from "./_http2_connection.ts";
import { Listening } from "./_listening.ts";
import { DateLine } from "./_reply_head.ts";
import { type Waiting, Wheel } from "./_wheel.ts";
import { type Challenges, NO_CHALLENGES } from "./acme_challenge.ts";
import type { ConnectionFacts } from "./arrival.ts";
import { ConnectionGate, UNCOUNTED } from "./connection_gate.ts";
import { type ListenOptions, type ListenTarget, UNIX_PEER } from "./listen_target.ts";
import { plainAddress } from "../http/forwarded.ts";
import type { Handler, Reply } from "./reply.ts";
import { type ServerCounts, zeroCounts } from "./server_counts.ts";
import type { ServerLimits } from "./server_limits.ts";
import type { TlsFront } from "./tls_identity.ts";

/** What a server is made of. */
export interface HttpServerOptions {
  readonly limits: ServerLimits;
  /** The reply to a message that breaks the grammar or a limit. */
  readonly refuse: (error: WireError) => Reply;
  /** Whether an address is a proxy's of our own: it may send PROXY headers, and no limit by address holds for it. */
  readonly isTrusted: (address: string) => boolean;
  /** Counts the connections of all workers; one of its own where it is not given. */
  readonly gate?: ConnectionGate;
  /** For the `Date` field. */
  readonly clock?: Clock;
  /** Told of handlers that throw and of replies that break their own word. */
  readonly onFault?: (error: unknown) => void;
}

/** Where a connection came from, and who serves it. */
interface Origin {
  /** `null` where it was accepted elsewhere. */
  readonly listening: Listening | null;
  readonly handler: Handler;
  hasProxyHeader: boolean;
  /** `null` where connections are plain. */
  tls: TlsFront | null;
  /** It is about to be closed: who still comes is told not to stay. */
  isEnding: boolean;
}

/** An address that is listened on here. */
type BoundOrigin = Origin & { readonly listening: Listening };

/** Somebody who waits for connections to end. */
interface Waiter {
  readonly isOver: () => boolean;
  readonly resolve: () => void;
}

/** A connection in any of its stages. */
type Running = ServerConnection & Waiting & { run(): Promise<void> };

/** An HTTP/1.1 server on any number of addresses (RFC 9112), which speaks TLS and HTTP/2 where an address has certificates. */
export class HttpServer {
  /** What it has met so far. */
  readonly counts: ServerCounts = zeroCounts();
  readonly #gate: ConnectionGate;
  readonly #wheel: Wheel;
  readonly #context: ConnectionContext & { limits: ServerLimits; challenges: Challenges };
  readonly #isTrusted: (address: string) => boolean;
  readonly #listening = new Map<string, BoundOrigin>();
  readonly #connections = new Map<Running, Origin>();
  readonly #waiters = new Set<Waiter>();

  constructor({ limits, refuse, isTrusted, gate, clock = systemClock, onFault = () => {} }: HttpServerOptions) {
    this.#gate = gate ?? new ConnectionGate(ConnectionGate.memory(1), 0, limits);
    this.#wheel = new Wheel(shortestLimitMs(limits));
    this.#isTrusted = isTrusted;
    this.#context = {
      limits,
      challenges: NO_CHALLENGES,
      wheel: this.#wheel,
      counts: this.counts,
      date: new DateLine(clock),
      refuse,
      onFault,
      enterAddress: (address) => this.#enterAddress(address),
      onClosed: (connection) => this.#forget(connection as Running),
    };
  }

  /** The addresses that it listens on: `host:port` or `unix:PATH`. */
  get addresses(): string[] {
    return [...this.#listening.keys()];
  }

  /**
   * Listens on one more address, whose requests `handler` serves. Answers the address as bound.
   *
   * @throws {Error} where it cannot be bound
   */
  async listen(
    target: ListenTarget,
    handler: Handler,
    { hasProxyHeader = false, tls = null }: ListenOptions = {},
  ): Promise<string> {
    const listening = await Listening.open(target);
    const origin = { listening, handler, hasProxyHeader, tls, isEnding: false };
    this.#listening.set(listening.address, origin);
    listening.accept((stream) => this.#accept(stream, origin), this.counts);
    return listening.address;
  }

  /**
   * Stops listening on an address; settles once all that came in there has ended. Its idle connections are closed, the others end
   * behind the reply that is under way. Does nothing for an address that it does not listen on.
   */
  async stopListening(address: string): Promise<void> {
    const origin = this.#listening.get(address);
    if (origin === undefined) return;
    await this.#end([origin]);
  }

  /** Serves an address that it listens on in another way from now on; connections that are there already go on as they began. */
  adjust(address: string, { hasProxyHeader = false, tls = null }: ListenOptions): void {
    const origin = this.#listening.get(address);
    if (origin === undefined) return;
    origin.hasProxyHeader = hasProxyHeader;
    origin.tls = tls;
  }

  /**
   * Serves a connection that was accepted elsewhere, as those of tests are. It is closed at once where there are as many as there may be.
   */
  take(stream: ByteStream, facts: ConnectionFacts, handler: Handler): void {
    this.counts.accepted++;
    this.#admit(stream, facts, { listening: null, handler, hasProxyHeader: false, tls: null, isEnding: false });
  }

  /** Limits that hold from now on; what is awaited already keeps its deadline. */
  setLimits(limits: ServerLimits): void {
    this.#context.limits = limits;
    this.#gate.setLimits(limits);
    this.#wheel.setShortestLimit(shortestLimitMs(limits));
  }

  /** Has authorities shown what they ask for in handshakes from now on, and nothing else. */
  setChallenges(challenges: Challenges): void {
    this.#context.challenges = challenges;
  }

  /**
   * Stops listening once no connection has come for a moment, closes the idle connections and has the others end behind the reply that
   * is under way. What has not ended after `graceMs` is closed then, tunnels too.
   */
  async close(graceMs: number): Promise<void> {
    const all = [...this.#listening.values()];
    let timer: ReturnType<typeof setTimeout> | undefined;
    const expiry = new Promise<void>((resolve) => timer = setTimeout(resolve, graceMs));
    await Promise.race([this.#end(all, true), expiry]);
    clearTimeout(timer);
    for (const connection of this.#connections.keys()) connection.close();
    await Promise.all(all.map(({ listening }) => listening.closeNow()));
  }

  async #end(all: readonly BoundOrigin[], withTaken = false): Promise<void> {
    const isMeant = (origin: Origin) => origin.listening === null ? withTaken : all.some((one) => one === origin);
    const meant = () =>
      this.#connections.entries().filter(([, origin]) => isMeant(origin)).map(([connection]) => connection);
    for (const origin of all) {
      this.#listening.delete(origin.listening.address);
      origin.isEnding = true;
    }
    for (const connection of meant()) connection.end(false);
    await Promise.all(all.map(({ listening }) => listening.close()));
    // A moment has passed: what was on its way to an idle connection has come.
    for (const connection of meant()) connection.end(true);
    const isOver = () => meant().next().done === true;
    if (!isOver()) await new Promise<void>((resolve) => this.#waiters.add({ isOver, resolve }));
  }

  #accept(stream: Deno.Conn, origin: Origin): void {
    this.counts.accepted++;
    const remote = stream.remoteAddr;
    const peer = "hostname" in remote ? plainAddress(remote.hostname) : UNIX_PEER;
    if (!this.#admit(stream, { peer, scheme: "http" }, origin) || peer === UNIX_PEER) return;
    try {
      const socket = stream as Deno.TcpConn;
      socket.setNoDelay(true);
      socket.setKeepAlive(true);
    } catch {
      // It has been reset already: its first read tells.
    }
  }

  /** Serves a connection, unless there are as many as there may be: then closing it is all that it costs. */
  #admit(stream: ByteStream, facts: ConnectionFacts, origin: Origin): boolean {
    const { counts } = this;
    const hasProxyHeader = origin.hasProxyHeader && (facts.peer === UNIX_PEER || this.#isTrusted(facts.peer));
    if (!this.#gate.enter()) {
      counts.refusedFull++;
      stream.close();
      return false;
    }
    const addressKey = hasProxyHeader ? UNCOUNTED : this.#enterAddress(facts.peer);
    if (addressKey === null) {
      this.#gate.leave();
      stream.close();
      return false;
    }
    counts.openConnections++;
    this.#begin(this.#first({ stream, facts, hasProxyHeader }, origin), origin, addressKey);
    return true;
  }

  /** A new connection's first stage. */
  #first(came: { stream: ByteStream; facts: ConnectionFacts; hasProxyHeader: boolean }, origin: Origin): Running {
    const context = this.#context;
    const { tls } = origin;
    if (tls === null) return new Connection({ ...came, handler: origin.handler, context });
    return new Handshake({
      ...came,
      context,
      // The certificates of the moment at which they are needed.
      front: () => origin.tls ?? tls,
      onSecured: (handshake, secured) => this.#goOn(handshake, secured, origin),
    });
  }

  /** A connection's handshake has ended: what was agreed on is spoken from now on. It stays the one that was counted. */
  #goOn(handshake: Handshake, { stream, protocol }: Secured, origin: Origin): void {
    this.#connections.delete(handshake);
    const facts: ConnectionFacts = { peer: handshake.facts.peer, scheme: "https" };
    const parts = { stream, facts, handler: origin.handler, context: this.#context };
    const next = protocol === "h2" ? new Http2Connection(parts) : new Connection({ ...parts, hasProxyHeader: false });
    this.#begin(next, origin, handshake.addressKey);
    this.#wheel.remove(handshake);
  }

  #begin(connection: Running, origin: Origin, addressKey: number): void {
    connection.addressKey = addressKey;
    this.#connections.set(connection, origin);
    this.#wheel.add(connection);
    if (origin.isEnding) connection.end(false);
    void connection.run();
  }

  /** Counts one more connection of an address; `null` where it has as many as it may. */
  #enterAddress(address: string): number | null {
    if (address === UNIX_PEER || isLoopback(address) || this.#isTrusted(address)) return UNCOUNTED;
    const key = this.#gate.enterAddress(address);
    if (key === null) this.counts.refusedAddress++;
    return key;
  }

  #forget(connection: Running): void {
    this.#connections.delete(connection);
    this.#wheel.remove(connection);
    this.#gate.leaveAddress(connection.addressKey);
    this.#gate.leave();
    this.counts.openConnections--;
    for (const waiter of this.#waiters) {
      if (!waiter.isOver()) continue;
      this.#waiters.delete(waiter);
      waiter.resolve();
    }
  }
}

function isLoopback(address: string): boolean {
  return address === "::1" || address.startsWith("127.");
}

function shortestLimitMs(limits: ServerLimits): number {
  const { headTimeoutMs, handshakeTimeoutMs, idleTimeoutMs, bodyTimeoutMs, sendTimeoutMs } = limits;
  return Math.min(headTimeoutMs, handshakeTimeoutMs, idleTimeoutMs, bodyTimeoutMs, sendTimeoutMs, HALF_CLOSE_GRACE_MS);
}
