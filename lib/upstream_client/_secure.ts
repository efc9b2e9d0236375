import { Buffer } from "node:buffer";
import tls from "node:tls";
import type { SecureContext } from "node:tls";
import { guardStart, RecordStream, secured, TlsStream } from "../wire/tls_stream.ts";
import { isIpLiteral } from "./_address.ts";
import { Relay } from "./_relay.ts";
import { isTcp, openingStep, type Socket } from "./_socket.ts";

/** After a handshake hung, later ones go through a relay for at least this many times the time it was waited for, up to the limit. */
const RELAY_FACTOR = 600;
const MAX_RELAY_MS = 10 * 60_000;

/** Most pending handshakes without a relay, and so most sockets that are leaked where the peer falls silent. */
const MAX_QUICK = 16;
/** The same, before the peer has completed a handshake. */
const MAX_QUICK_UNPROVEN = 2;

/** A client certificate and its key. */
export interface ClientCertificate {
  /** PEM, with its intermediate certificates. */
  readonly cert: string;
  /** PEM; a secret. */
  readonly key: string;
}

/** TLS settings and handshake history of one peer. */
export class TlsPeer {
  /**
   * Time by `performance.now()` until which handshakes go through a relay. A pending handshake of the runtime cannot be ended:
   * after a close its socket stays open until the peer closes, and a filter that swallows handshakes would leak one for each
   * attempt. The far end of a relay is ours. It costs twice the work, so only handshakes that follow a hung one use it, or many
   * before the first that succeeded.
   */
  relayUntilMs = -Infinity;
  /** A handshake hung, and none has succeeded since, in a relay or not: a silent peer costs no further socket. */
  isSilent = false;
  /** Pending handshakes without a relay. */
  quick = 0;
  /** A handshake has succeeded, and none has hung since. */
  isProven = false;
  #context: SecureContext | null = null;

  constructor(
    /** For SNI and for the certificate. */
    readonly name: string,
    /** PEM, in addition to the built-in authorities. */
    readonly caCerts: string[],
    /** Client certificate; `null` for none. */
    readonly own: ClientCertificate | null = null,
  ) {}

  /**
   * Context for Node's TLS library, made once because reading all authorities takes a while.
   *
   * @throws {Error} where there are none
   */
  get context(): SecureContext {
    const { cert, key } = this.own ?? {};
    return this.#context ??= tls.createSecureContext({ ca: authorities(this.caCerts), cert, key });
  }
}

/** The built-in authorities, which need a permission of their own, and the given ones. */
function authorities(given: readonly string[]): string[] {
  try {
    return [...tls.rootCertificates, ...given];
  } catch (error) {
    if (given.length > 0) return [...given];
    throw new Error("A certificate of one's own is shown only where `ca` names the upstream's authority", {
      cause: error,
    });
  }
}

async function shakeHands(
  socket: Deno.TcpConn,
  { name, caCerts }: TlsPeer,
  signal: AbortSignal,
): Promise<Deno.TlsConn> {
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

async function secureQuickly(socket: Deno.TcpConn, peer: TlsPeer, signal: AbortSignal): Promise<Socket> {
  const startedAtMs = performance.now();
  peer.quick++;
  try {
    const secured = await shakeHands(socket, peer, signal);
    peer.isProven = true;
    return secured;
  } catch (error) {
    const nowMs = performance.now();
    if (signal.aborted) {
      peer.isProven = false;
      peer.isSilent = true;
      peer.relayUntilMs = nowMs + Math.min(MAX_RELAY_MS, RELAY_FACTOR * (nowMs - startedAtMs));
    }
    throw error;
  } finally {
    peer.quick--;
  }
}

/** Sends a client certificate, which the runtime's TLS does only on sockets that it opened itself. */
async function secureWithOwn(socket: Socket, peer: TlsPeer, signal: AbortSignal): Promise<Socket> {
  const records = new RecordStream(socket, null);
  const { name, context } = peer;
  const options = {
    socket: records,
    secureContext: context,
    // SNI takes names only (RFC 6066 §3); the certificate is checked against name or address.
    ...(isIpLiteral(name) ? { host: name } : { servername: name }),
    ALPNProtocols: [Buffer.from("http/1.1")],
  };
  // The types lack a list of protocols as bytes.
  const inner = guardStart(tls.connect(options as unknown as tls.ConnectionOptions));
  const closing = { [Symbol.dispose]: () => (inner.destroy(), void records.destroy()) };
  await openingStep(closing, signal, () => secured(inner, records, "secureConnect"));
  return new OwnSocket(new TlsStream(inner, records), socket);
}

/**
 * Starts TLS on a socket: TCP, or TLS behind an HTTPS proxy. The result owns the socket, which is closed where the handshake
 * fails.
 *
 * @throws {Error} in the TLS library's own words
 */
export async function secure(socket: Socket, peer: TlsPeer, signal: AbortSignal): Promise<Socket> {
  if (peer.own !== null) return await openingStep(socket, signal, () => secureWithOwn(socket, peer, signal));
  const isQuick = isTcp(socket) && !peer.isSilent && performance.now() >= peer.relayUntilMs &&
    peer.quick < (peer.isProven ? MAX_QUICK : MAX_QUICK_UNPROVEN);
  if (isQuick) return await secureQuickly(socket, peer, signal);
  const relay = await openingStep(socket, signal, () => Relay.open(socket));
  return await openingStep(relay, signal, async () => {
    const inner = await shakeHands(relay.near, peer, signal);
    peer.isSilent = false;
    return new RelayedSocket(inner, relay);
  });
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

/** TLS of Node's library. */
class OwnSocket implements Socket {
  readonly #clear: TlsStream;
  readonly #socket: Socket;

  constructor(clear: TlsStream, socket: Socket) {
    this.#clear = clear;
    this.#socket = socket;
  }

  read(target: Uint8Array): Promise<number | null> {
    return this.#clear.read(target);
  }

  write(bytes: Uint8Array): Promise<number> {
    return this.#clear.write(bytes);
  }

  closeWrite(): Promise<void> {
    return this.#clear.closeWrite();
  }

  close(): void {
    this.#clear.close();
  }

  ref(): void {
    this.#socket.ref();
  }

  unref(): void {
    this.#socket.unref();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
