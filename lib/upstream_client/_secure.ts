import { Relay } from "./_relay.ts";
import { isTcp, openingStep, type Socket } from "./_socket.ts";

/** So many times as long as a handshake was waited for in vain, further ones go through a relay, up to the limit. */
const RELAY_FACTOR = 600;
const MAX_RELAY_MS = 10 * 60_000;

/** Whom a TLS handshake is to meet. */
export class TlsPeer {
  /**
   * Until then, on the clock of `performance.now()`, handshakes go through a relay. A handshake under way on the runtime's TLS cannot
   * be ended: closed, it keeps its socket until the other side leaves. Behind a filter that swallows handshakes each attempt would
   * leave one. In a relay the other side is ours; as it costs twice the work, only those go through it who follow one that hung.
   */
  relayUntilMs = -Infinity;

  constructor(
    /** For SNI and for the certificate. */
    readonly name: string,
    /** PEM texts, beside the built-in ones. */
    readonly caCerts: string[],
  ) {}
}

async function shakeHands(socket: Deno.TcpConn, peer: TlsPeer, signal: AbortSignal): Promise<Deno.TlsConn> {
  const { name, caCerts } = peer;
  const secured = await openingStep(
    socket,
    signal,
    () => Deno.startTls(socket, { hostname: name, caCerts, alpnProtocols: ["http/1.1"] }),
  );
  return await openingStep(secured, signal, async () => {
    await secured.handshake();
    return secured;
  });
}

async function secureStraight(socket: Deno.TcpConn, peer: TlsPeer, signal: AbortSignal): Promise<Socket> {
  const startedAtMs = performance.now();
  try {
    return await shakeHands(socket, peer, signal);
  } catch (error) {
    const nowMs = performance.now();
    if (signal.aborted) peer.relayUntilMs = nowMs + Math.min(MAX_RELAY_MS, RELAY_FACTOR * (nowMs - startedAtMs));
    throw error;
  }
}

/**
 * Speaks TLS over a socket, TCP or, as behind an HTTPS proxy, TLS. It belongs to the result from now on: it is closed where the
 * handshake fails.
 *
 * @throws {Error} in the TLS library's own words
 */
export async function secure(socket: Socket, peer: TlsPeer, signal: AbortSignal): Promise<Socket> {
  if (isTcp(socket) && performance.now() >= peer.relayUntilMs) return await secureStraight(socket, peer, signal);
  const relay = await openingStep(socket, signal, () => Relay.open(socket));
  return await openingStep(
    relay,
    signal,
    async () => new RelayedSocket(await shakeHands(relay.near, peer, signal), relay),
  );
}

/** TLS whose records go through a relay. */
class RelayedSocket implements Socket {
  readonly #inner: Deno.TlsConn;
  readonly #relay: Relay;

  constructor(inner: Deno.TlsConn, relay: Relay) {
    this.#inner = inner;
    this.#relay = relay;
  }

  read(target: Uint8Array): Promise<number | null> {
    return this.#inner.read(target);
  }

  write(bytes: Uint8Array): Promise<number> {
    return this.#inner.write(bytes);
  }

  closeWrite(): Promise<void> {
    return this.#inner.closeWrite();
  }

  close(): void {
    this.#inner.close();
    this.#relay[Symbol.dispose]();
  }

  ref(): void {
    this.#inner.ref();
  }

  unref(): void {
    this.#inner.unref();
  }

  [Symbol.dispose](): void {
    this.#inner[Symbol.dispose]();
    this.#relay[Symbol.dispose]();
  }
}
