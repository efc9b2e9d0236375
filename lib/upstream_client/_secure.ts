import { Buffer } from "node:buffer";
import tls from "node:tls";
import type { SecureContext } from "node:tls";
import { guardStart, RecordStream, secured, TlsStream } from "../wire/tls_stream.ts";
import { isIpLiteral } from "./_address.ts";
import { Relay } from "./_relay.ts";
import { isTcp, openingStep, type Socket } from "./_socket.ts";

/** So many times as long as a handshake was waited for in vain, further ones go through a relay at least, up to the limit. */
const RELAY_FACTOR = 600;
const MAX_RELAY_MS = 10 * 60_000;

/** Handshakes without a relay that may be under way: so many sockets at most are left behind where the other side falls silent. */
const MAX_QUICK = 16;
/** The same with one that has not answered yet. */
const MAX_QUICK_UNPROVEN = 2;

/** What this side shows of itself. */
export interface ClientCertificate {
  /** In PEM, with those between it and its authority. */
  readonly cert: string;
  /** In PEM: a secret. */
  readonly key: string;
}

/** Whom a TLS handshake is to meet. */
export class TlsPeer {
  /**
   * Until then, on the clock of `performance.now()`, handshakes go through a relay. A handshake under way on the runtime's TLS cannot
   * be ended: closed, it keeps its socket until the other side leaves. Behind a filter that swallows handshakes each attempt would
   * leave one. In a relay the other side is ours; as it costs twice the work, only those go through it that follow one that hung, or
   * that are many before one has ended well.
   */
  relayUntilMs = -Infinity;
  /** One has hung, and none has ended well since, in a relay or not: who falls silent once leaves no further socket. */
  isSilent = false;
  /** Handshakes without a relay that are under way. */
  quick = 0;
  /** Some handshake has ended well, and none has hung since. */
  isProven = false;
  #context: SecureContext | null = null;

  constructor(
    /** For SNI and for the certificate. */
    readonly name: string,
    /** PEM texts, beside the built-in ones. */
    readonly caCerts: string[],
    /** What this side shows where it is asked for; `null` for nothing. */
    readonly own: ClientCertificate | null = null,
  ) {}

  /**
   * What Node's library needs, made once: it takes a while to read all authorities.
   *
   * @throws {Error} where there are none
   */
  get context(): SecureContext {
    const { cert, key } = this.own ?? {};
    return this.#context ??= tls.createSecureContext({ ca: authorities(this.caCerts), cert, key });
  }
}

/** The built-in authorities, which are to be had with a permission of their own, and those that are given. */
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

/** Shows a certificate of one's own, which the runtime's TLS does only where it opens the socket too. */
async function secureWithOwn(socket: Socket, peer: TlsPeer, signal: AbortSignal): Promise<Socket> {
  const records = new RecordStream(socket, null);
  const { name, context } = peer;
  const options = {
    socket: records,
    secureContext: context,
    // Names alone may be asked for (RFC 6066 §3); the certificate is held against either.
    ...(isIpLiteral(name) ? { host: name } : { servername: name }),
    ALPNProtocols: [Buffer.from("http/1.1")],
  };
  // The types do not know a list of protocols as bytes.
  const inner = guardStart(tls.connect(options as unknown as tls.ConnectionOptions));
  const closing = { [Symbol.dispose]: () => (inner.destroy(), void records.destroy()) };
  await openingStep(closing, signal, () => secured(inner, records, "secureConnect"));
  return new OwnSocket(new TlsStream(inner, records), socket);
}

/**
 * Speaks TLS over a socket, TCP or, as behind an HTTPS proxy, TLS. It belongs to the result from now on: it is closed where the
 * handshake fails.
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
