import { Relay } from "./_relay.ts";
import { openingStep, type Socket } from "./_socket.ts";

/** Whom a TLS handshake is to meet. */
export interface TlsPeer {
  /** For SNI and for the certificate. */
  readonly name: string;
  /** PEM texts, beside the built-in ones. */
  readonly caCerts: string[];
}

/**
 * Speaks TLS over a TCP socket, which belongs to the result from now on: it is closed where the handshake fails.
 *
 * @throws {Error} in the TLS library's own words
 */
export async function secure(socket: Deno.TcpConn, peer: TlsPeer, signal: AbortSignal): Promise<Deno.TlsConn> {
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

/** TLS whose records go through another TLS connection. */
class NestedSocket implements Socket {
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
}

/**
 * Speaks TLS through another TLS connection, as behind an HTTPS proxy. The outer one belongs to the result from now on.
 *
 * @throws {Error} in the TLS library's own words
 */
export async function secureThroughTls(outer: Deno.TlsConn, peer: TlsPeer, signal: AbortSignal): Promise<Socket> {
  const relay = await openingStep(outer, signal, () => Relay.open(outer));
  return await openingStep(relay, signal, async () => {
    return new NestedSocket(await secure(relay.near, peer, signal), relay);
  });
}
