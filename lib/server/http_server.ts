import { type Clock, systemClock, within } from "../clock.ts";
import type { ByteStream } from "../wire/byte_stream.ts";
import type { WireError } from "../wire/wire_error.ts";
import { HALF_CLOSE_GRACE_MS } from "./_client_watch.ts";
import { Connection } from "./_connection.ts";
import type { ConnectionContext, HandedOver, ServerConnection } from "./_connection_context.ts";
import { Handshake, type Secured } from "./_handshake.ts";
import { Http2Connection } from "./_http2_connection.ts";
import { Listening } from "./_listening.ts";
import { DateLine } from "./_reply_head.ts";
import { closeStream } from "./_tunnel.ts";
import { UnsentContent } from "./_unsent_content.ts";
import { type Waiting, Wheel } from "./_wheel.ts";
import { type Challenges, NO_CHALLENGES } from "./acme_challenge.ts";
import type { ConnectionFacts } from "./arrival.ts";
import { ConnectionGate, UNCOUNTED } from "./connection_gate.ts";
import { type ListenOptions, type ListenTarget, UNIX_PEER } from "./listen_target.ts";
import { plainAddress } from "../http/forwarded.ts";
import { PeerSight } from "./peer_sight.ts";
import type { Handler, Reply } from "./reply.ts";
import { type ServerCounts, zeroCounts } from "./server_counts.ts";
import type { ServerLimits } from "./server_limits.ts";
import type { TlsFront } from "./tls_identity.ts";

/** Options of an {@linkcode HttpServer}. */
export interface HttpServerOptions {
  readonly limits: ServerLimits;
  /** The reply to a message that breaks the grammar or a limit. */
  readonly refuse: (error: WireError) => Reply;
  /** Whether an address is a trusted proxy's: it may send PROXY headers, and has no limit by address. */
  readonly isTrusted: (address: string) => boolean;
  /** Counts the connections of all workers; by default only those of this server. */
  readonly gate?: ConnectionGate;
  /** For the `Date` field. */
  readonly clock?: Clock;
  /** Receives the errors of handlers, and invalid replies. */
  readonly onFault?: (error: unknown) => void;
}

/** The address that a connection was accepted on, and its handler. */
interface Binding {
  /** `null` where it was accepted elsewhere. */
  readonly listening: Listening | null;
  readonly handler: Handler;
  hasProxyHeader: boolean;
  /** `null` where connections are plain. */
  tls: TlsFront | null;
  /** It is closing: new connections end after their first reply. */
  isEnding: boolean;
}

/** An address that is listened on here. */
type BoundAddress = Binding & { readonly listening: Listening };

/** A caller that waits for connections to end. */
interface Waiter {
  readonly isOver: () => boolean;
  readonly resolve: () => void;
}

/** A connection before its first stage. */
interface Accepted {
  readonly stream: ByteStream;
  readonly facts: ConnectionFacts;
  readonly hasProxyHeader: boolean;
  readonly first?: Uint8Array;
}

/** A connection in any of its stages. */
type Running = ServerConnection & Waiting & { run(): Promise<void> };

/** An HTTP/1.1 server on any number of addresses (RFC 9112), which speaks TLS and HTTP/2 where an address has certificates. */
export class HttpServer {
  /** Its counters. */
  readonly counts: ServerCounts = zeroCounts();
  /** Where its connections came from. */
  readonly peers: PeerSight;
  readonly #gate: ConnectionGate;
  readonly #wheel: Wheel;
  readonly #context: ConnectionContext & { limits: ServerLimits; challenges: Challenges };
  readonly #isTrusted: (address: string) => boolean;
  readonly #listening = new Map<string, BoundAddress>();
  readonly #connections = new Map<Running, Binding>();
  readonly #waiters = new Set<Waiter>();

  constructor({ limits, refuse, isTrusted, gate, clock = systemClock, onFault = () => {} }: HttpServerOptions) {
    this.#gate = gate ?? new ConnectionGate(ConnectionGate.memory(1), 0, limits);
    this.#wheel = new Wheel(shortestLimitMs(limits));
    this.#isTrusted = isTrusted;
    this.peers = new PeerSight(isTrusted);
    this.#context = {
      limits,
      challenges: NO_CHALLENGES,
      wheel: this.#wheel,
      counts: this.counts,
      peers: this.peers,
      unsent: new UnsentContent({
        limitBytes: () => this.#context.limits.unsentBytes,
        counts: this.counts,
        clock: this.#wheel,
      }),
      date: new DateLine(clock),
      refuse,
      onFault,
      enterAddress: (address) => this.#enterAddress(address),
      onClosed: (connection) => this.#forget(connection as Running),
      onHandedOver: (connection, next) => this.#goOn(connection as Running, next),
    };
  }

  /** The addresses that it listens on: `host:port` or `unix:PATH`. */
  get addresses(): string[] {
    return [...this.#listening.keys()];
  }

  /**
   * Listens on another address, whose requests `handler` serves. Answers the address as bound.
   *
   * @throws {Error} where it cannot be bound
   */
  async listen(
    target: ListenTarget,
    handler: Handler,
    { hasProxyHeader = false, tls = null }: ListenOptions = {},
  ): Promise<string> {
    const listening = await Listening.open(target);
    const binding = { listening, handler, hasProxyHeader, tls, isEnding: false };
    this.#listening.set(listening.address, binding);
    listening.accept((stream) => this.#accept(stream, binding), this.counts);
    return listening.address;
  }

  /**
   * Stops listening on an address; settles once its connections have ended. Idle ones are closed, the others end after the reply in
   * progress. Does nothing for an unknown address.
   */
  async stopListening(address: string): Promise<void> {
    const binding = this.#listening.get(address);
    if (binding === undefined) return;
    await this.#end([binding]);
  }

  /** Why no connection can be accepted on an address at this time; `null` where they can. */
  trouble(address: string): string | null {
    const binding = this.#listening.get(address);
    return binding === undefined ? "it is not listened on" : binding.listening.trouble;
  }

  /** Goes on listening, and has each connection end after its next reply, new ones too. */
  windDown(): void {
    for (const binding of this.#listening.values()) binding.isEnding = true;
    for (const connection of this.#connections.keys()) connection.end(false);
  }

  /** Changes the options of an address for new connections. */
  adjust(address: string, { hasProxyHeader = false, tls = null }: ListenOptions): void {
    const binding = this.#listening.get(address);
    if (binding === undefined) return;
    binding.hasProxyHeader = hasProxyHeader;
    binding.tls = tls;
  }

  /** Serves a connection that was accepted elsewhere, as in tests. It is closed at once over the limit of connections. */
  take(stream: ByteStream, facts: ConnectionFacts, handler: Handler): void {
    this.counts.accepted++;
    this.#admit(stream, facts, { listening: null, handler, hasProxyHeader: false, tls: null, isEnding: false });
  }

  /** Changes the limits; deadlines that are already set stay. */
  setLimits(limits: ServerLimits): void {
    this.#context.limits = limits;
    this.#gate.setLimits(limits);
    this.#wheel.setShortestLimit(shortestLimitMs(limits));
  }

  /** Replaces the ACME challenges that are answered. */
  setChallenges(challenges: Challenges): void {
    this.#context.challenges = challenges;
  }

  /**
   * Stops listening once no connection has come for a moment, closes the idle connections and lets the others end after the reply in
   * progress. Connections that are left after `graceMs` are closed, tunnels too.
   */
  async close(graceMs: number): Promise<void> {
    const all = [...this.#listening.values()];
    await within(this.#end(all, true), graceMs, undefined);
    for (const connection of this.#connections.keys()) connection.close();
    await Promise.all(all.map(({ listening }) => listening.closeNow()));
  }

  /** Stops listening as `close` does, but closes no connection in use: settles when they have ended, after `ms` at the latest. */
  async leave(ms: number): Promise<void> {
    await within(this.#end([...this.#listening.values()], true), ms, undefined);
  }

  /** Ends the connections of these addresses, or every one. */
  async #end(all: readonly BoundAddress[], isEvery = false): Promise<void> {
    const isIncluded = (binding: Binding) => isEvery || all.some((one) => one === binding);
    const included = () =>
      this.#connections.entries().filter(([, binding]) => isIncluded(binding)).map(([connection]) => connection);
    for (const binding of all) {
      this.#listening.delete(binding.listening.address);
      binding.isEnding = true;
    }
    for (const connection of included()) connection.end(false);
    await Promise.all(all.map(({ listening }) => listening.close()));
    // By now a request that was already sent on an idle connection has arrived.
    for (const connection of included()) connection.end(true);
    const isOver = () => included().next().done === true;
    if (!isOver()) await new Promise<void>((resolve) => this.#waiters.add({ isOver, resolve }));
  }

  #accept(stream: Deno.Conn, binding: Binding): void {
    this.counts.accepted++;
    const remote = stream.remoteAddr;
    const peer = "hostname" in remote ? plainAddress(remote.hostname) : UNIX_PEER;
    if (!this.#admit(stream, { peer, scheme: "http" }, binding) || peer === UNIX_PEER) return;
    try {
      const socket = stream as Deno.TcpConn;
      socket.setNoDelay(true);
      socket.setKeepAlive(true);
    } catch {
      // It has been reset already: its first read tells.
    }
  }

  /** Serves a connection, or closes it over the limit. */
  #admit(stream: ByteStream, facts: ConnectionFacts, binding: Binding): boolean {
    const { counts } = this;
    const hasProxyHeader = binding.hasProxyHeader && (facts.peer === UNIX_PEER || this.#isTrusted(facts.peer));
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
    this.#begin(this.#first({ stream, facts, hasProxyHeader }, binding), binding, addressKey);
    return true;
  }

  /** Goes on with a connection that was handed over, which stays counted once. */
  #goOn(before: Running, { stream, facts, first, address }: HandedOver): void {
    const binding = this.#listening.get(address);
    // What is plain takes no bytes from before, and is not what was promised.
    if (binding === undefined || binding.tls === null) {
      closeStream(stream);
      return this.#forget(before);
    }
    this.#connections.delete(before);
    this.#begin(this.#first({ stream, facts, first, hasProxyHeader: false }, binding), binding, before.addressKey);
    this.#wheel.remove(before);
  }

  /** A new connection's first stage. */
  #first(accepted: Accepted, binding: Binding): Running {
    const context = this.#context;
    const { tls } = binding;
    if (tls === null) return new Connection({ ...accepted, handler: binding.handler, context });
    return new Handshake({
      ...accepted,
      context,
      // The newest certificates when they are needed.
      front: () => binding.tls ?? tls,
      onSecured: (handshake, secured) => this.#continueSecured(handshake, secured, binding),
    });
  }

  /** Goes on with the protocol that a handshake agreed on. The connection stays counted once. */
  #continueSecured(handshake: Handshake, { stream, protocol }: Secured, binding: Binding): void {
    this.#connections.delete(handshake);
    const facts: ConnectionFacts = { peer: handshake.facts.peer, scheme: "https" };
    const parts = { stream, facts, handler: binding.handler, context: this.#context };
    const next = protocol === "h2" ? new Http2Connection(parts) : new Connection({ ...parts, hasProxyHeader: false });
    this.#begin(next, binding, handshake.addressKey);
    this.#wheel.remove(handshake);
  }

  #begin(connection: Running, binding: Binding, addressKey: number): void {
    connection.addressKey = addressKey;
    this.#connections.set(connection, binding);
    this.#wheel.add(connection);
    if (binding.isEnding) connection.end(false);
    void connection.run();
  }

  /** Counts a connection of an address; `null` at its limit. */
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
