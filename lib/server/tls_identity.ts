import tls from "node:tls";
import type { SecureContext } from "node:tls";
import type { ByteStream } from "../wire/byte_stream.ts";
import { EngineStream, hasTlsEngine, type TlsServerStream } from "../wire/tls_engine.ts";
import { NodeServerStream } from "../wire/tls_stream.ts";
import type { ClientHello } from "./_client_hello.ts";
import { serveHttp2 } from "./_http2_engine.ts";

/** A certificate chain with its private key. */
export interface Identity {
  /** The certificate and its intermediates in PEM, its own first. */
  readonly cert: string;
  /** Its private key in PEM. */
  readonly key: string;
  /** The names that it is for, in lower case: exact ones and `*.example.com`. */
  readonly names: readonly string[];
}

/** TLS settings of an address. */
export interface TlsOptions {
  /** The first is the default, for clients that ask for another name or none; without any, handshakes fail. */
  readonly identities: readonly Identity[];
  /** Older versions are refused. */
  readonly minVersion: "1.2" | "1.3";
  /** Whether HTTP/2 is agreed on with clients that offer it. */
  readonly http2: boolean;
}

/** The protocols of a connection after its handshake. */
export type AgreedProtocol = "h2" | "http/1.1";

/** The certificates of an address, ready to be used. Immutable: another set is another object, which the next handshake takes. */
export class TlsFront {
  readonly http2: boolean;
  readonly #contexts: readonly SecureContext[];
  readonly #byName = new Map<string, SecureContext>();

  readonly #hasEngine: boolean;

  /**
   * `hasEngine` says whether the runtime's TLS engine is used, or Node's streams.
   *
   * @throws {Error} where a certificate or a key cannot be read
   */
  constructor({ identities, minVersion, http2 }: TlsOptions, hasEngine = hasTlsEngine()) {
    this.#hasEngine = hasEngine;
    // Not offered where the runtime lacks its part.
    this.http2 = http2 && serveHttp2 !== null;
    this.#contexts = identities.map(({ cert, key }) =>
      tls.createSecureContext({ cert, key, minVersion: `TLSv${minVersion}` })
    );
    for (const [index, { names }] of identities.entries()) {
      for (const name of names) {
        if (!this.#byName.has(name)) this.#byName.set(name, this.#contexts[index]!);
      }
    }
  }

  /**
   * Begins TLS with a client whose first message is in `first`.
   *
   * @throws {Error} where there is no certificate
   */
  secure(stream: ByteStream, hello: ClientHello, first: Uint8Array): TlsServerStream {
    const context = this.#contextFor(hello.serverName);
    if (context === undefined) throw new Error("There is no certificate yet");
    const isHttp2 = this.http2 && hello.protocols.includes("h2");
    const handshake = { context, protocols: isHttp2 ? HTTP2_OR_1 : HTTP1, first };
    return this.#hasEngine ? new EngineStream(stream, handshake) : new NodeServerStream(stream, handshake);
  }

  /** Exact names come before wildcards, which match one label (RFC 6125 §6.4.3). */
  #contextFor(name: string | null): SecureContext | undefined {
    const exact = name === null ? undefined : this.#byName.get(name);
    const dot = name?.indexOf(".") ?? -1;
    const wild = exact !== undefined || dot < 0 ? undefined : this.#byName.get(`*${name!.slice(dot)}`);
    return exact ?? wild ?? this.#contexts[0];
  }
}

const HTTP2_OR_1 = ["h2", "http/1.1"];
const HTTP1 = ["http/1.1", "http/1.0"];
