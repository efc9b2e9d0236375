import type { ByteStream } from "../wire/byte_stream.ts";
import type { TlsServerStream } from "../wire/tls_engine.ts";
import { showCertificate } from "./_challenge_handshake.ts";
import { type ClientHello, MAX_HELLO_BYTES, NoClientHello, parseClientHello } from "./_client_hello.ts";
import type { ConnectionContext, ServerConnection } from "./_connection_context.ts";
import { closeStream } from "./_tunnel.ts";
import type { Waiting } from "./_wheel.ts";
import { challengeCertificate } from "./acme_challenge.ts";
import type { ConnectionFacts } from "./arrival.ts";
import { UNCOUNTED } from "./connection_gate.ts";
import { parseProxyHeader, ProxyHeaderError } from "./proxy_header.ts";
import type { AgreedProtocol, TlsFront } from "./tls_identity.ts";

/** Most first messages fit. */
const FIRST_READ_BYTES = 2 * 1024;
/** Beside the message: heads of its records, and what else comes with them. */
const MAX_FIRST_BYTES = MAX_HELLO_BYTES + 4 * 1024;

const PLAIN_HTTP_REPLY = new TextEncoder().encode(
  "HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\ncontent-length: 54\r\nconnection: close\r\n\r\n" +
    "This port speaks HTTPS: begin the address with https:\n",
);

/** A connection whose handshake has ended well. */
export interface Secured {
  readonly stream: ByteStream;
  readonly protocol: AgreedProtocol;
}

/** What a handshake is made of. */
export interface HandshakeOptions {
  readonly stream: ByteStream;
  readonly facts: ConnectionFacts;
  readonly context: ConnectionContext;
  readonly hasProxyHeader: boolean;
  /** Bytes that have come in already; default: none. */
  readonly first?: Uint8Array;
  /** The certificates of this moment. */
  readonly front: () => TlsFront;
  /** The connection is the receiver's from then on. */
  readonly onSecured: (handshake: Handshake, secured: Secured) => void;
}

/**
 * The beginning of a TLS connection: its PROXY header where it has one, then the client's first message, read from the plain socket,
 * and only then the TLS library, which holds much more for a client that says nothing. All of it under one limit.
 */
export class Handshake implements ServerConnection, Waiting {
  readDueMs: number;
  writeDueMs = Infinity;
  addressKey = UNCOUNTED;
  facts: ConnectionFacts;
  readonly #options: HandshakeOptions;
  #secured: TlsServerStream | null = null;
  #memory = new Uint8Array(FIRST_READ_BYTES);
  #length = 0;
  #isOver = false;

  constructor(options: HandshakeOptions) {
    this.#options = options;
    this.facts = options.facts;
    const { context: { wheel, limits }, first } = options;
    if (first !== undefined) this.#begin(first);
    this.readDueMs = wheel.after(limits.handshakeTimeoutMs);
  }

  /** Never rejects. */
  async run(): Promise<void> {
    const { context, hasProxyHeader, front, onSecured } = this.#options;
    try {
      if (hasProxyHeader && !await this.#readProxyHeader()) return this.close();
      const hello = await this.#readHello();
      if (hello === null || this.#isOver) return this.close();
      const challenge = challengeCertificate(hello, context.challenges);
      if (challenge !== null) {
        await showCertificate(this.#options.stream, hello, challenge);
        return this.close();
      }
      const made = await this.#secure(front(), hello);
      if (this.#isOver) return;
      this.#isOver = true;
      onSecured(this, made);
    } catch (error) {
      if (error instanceof ProxyHeaderError) context.counts.refusedProxyHeader++;
      else if (!this.#isOver) context.counts.handshakeFailures++;
      if (error instanceof NoClientHello && this.#isPlainHttp) await this.#answerPlain();
      this.close();
    }
  }

  #begin(first: Uint8Array): void {
    if (first.length > this.#memory.length) this.#memory = new Uint8Array(Math.max(first.length, MAX_FIRST_BYTES));
    this.#memory.set(first);
    this.#length = first.length;
  }

  end(closesIdle: boolean): void {
    // What has not said anything yet loses nothing.
    if (closesIdle && this.#length === 0) this.close();
  }

  close(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#secured?.close();
    closeStream(this.#options.stream);
    this.#options.context.onClosed(this);
  }

  expire(): void {
    this.#options.context.counts.handshakeTimeouts++;
    this.close();
  }

  async #readMore(): Promise<boolean> {
    if (this.#length >= MAX_FIRST_BYTES) throw new NoClientHello("The handshake does not end");
    if (this.#length === this.#memory.length) {
      const larger = new Uint8Array(MAX_FIRST_BYTES);
      larger.set(this.#memory);
      this.#memory = larger;
    }
    const count = await this.#options.stream.read(this.#memory.subarray(this.#length));
    this.#length += count ?? 0;
    return count !== null;
  }

  async #readProxyHeader(): Promise<boolean> {
    for (;;) {
      if (!await this.#readMore()) return false;
      const header = parseProxyHeader(this.#memory.subarray(0, this.#length));
      if (header === null) continue;
      this.#memory.copyWithin(0, header.lengthBytes, this.#length);
      this.#length -= header.lengthBytes;
      if (header.address !== null) this.facts = { ...this.facts, peer: header.address };
      break;
    }
    const key = this.#options.context.enterAddress(this.facts.peer);
    if (key !== null) this.addressKey = key;
    return key !== null;
  }

  async #readHello(): Promise<ClientHello | null> {
    for (;;) {
      const hello = this.#length === 0 ? null : parseClientHello(this.#memory.subarray(0, this.#length));
      if (hello !== null) return hello;
      if (!await this.#readMore()) return null;
    }
  }

  async #secure(front: TlsFront, hello: ClientHello): Promise<Secured> {
    const stream = this.#secured = front.secure(this.#options.stream, hello, this.#memory.subarray(0, this.#length));
    await stream.handshake();
    return { stream, protocol: stream.protocol === "h2" ? "h2" : "http/1.1" };
  }

  get #isPlainHttp(): boolean {
    const start = String.fromCharCode(...this.#memory.subarray(0, Math.min(this.#length, 8)));
    return /^[A-Z]{3,7} /.test(start);
  }

  async #answerPlain(): Promise<void> {
    try {
      await this.#options.stream.write(PLAIN_HTTP_REPLY);
      await this.#options.stream.closeWrite();
    } catch {
      // The client has left.
    }
  }
}
