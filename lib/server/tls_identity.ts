import { Buffer } from "node:buffer";
import tls from "node:tls";
import type { SecureContext, TLSSocket } from "node:tls";
import type { ClientHello } from "./_client_hello.ts";
import { serveHttp2 } from "./_http2_engine.ts";
import { guardStart, type RecordStream } from "../wire/tls_stream.ts";

/** A certificate and what proves it. */
export interface Identity {
  /** The certificate and those between it and its authority, in PEM, its own first. */
  readonly cert: string;
  /** Its private key in PEM. */
  readonly key: string;
  /** The names that it is for, in lower case: exact ones and `*.example.com`. */
  readonly names: readonly string[];
}

/** How TLS is spoken at an address. */
export interface TlsOptions {
  /** The first is for clients that name none of their names, or nothing; without any nobody can be served. */
  readonly identities: readonly Identity[];
  /** Older versions are refused. */
  readonly minVersion: "1.2" | "1.3";
  /** Whether HTTP/2 is agreed on with clients that offer it. */
  readonly http2: boolean;
}

/** The protocols of a connection behind its handshake. */
export type AgreedProtocol = "h2" | "http/1.1";

/** The certificates of an address, ready to be used. Immutable: another set is another object, which the next handshake takes. */
export class TlsFront {
  readonly http2: boolean;
  readonly #contexts: readonly SecureContext[];
  readonly #byName = new Map<string, SecureContext>();

  /** @throws {Error} where a certificate or a key cannot be read */
  constructor({ identities, minVersion, http2 }: TlsOptions) {
    // Where the runtime lacks its part, it is not offered.
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

  /** Begins the handshake of a client whose first message has come. */
  secure(records: RecordStream, hello: ClientHello): TLSSocket {
    const secureContext = this.#contextFor(hello.serverName);
    if (secureContext === undefined) throw new Error("There is no certificate yet");
    const isHttp2 = this.http2 && hello.protocols.includes("h2");
    const options = {
      isServer: true,
      allowHalfOpen: true,
      secureContext,
      // A client that offers none of ours is refused (RFC 7301 §3.2).
      ALPNProtocols: isHttp2 ? HTTP2_OR_1 : HTTP1,
    };
    // The types do not know all of them (Deno 2.9.6).
    return guardStart(new tls.TLSSocket(records as never, options as never));
  }

  /** Exact names go before those with a wildcard, which stands for one label (RFC 6125 §6.4.3). */
  #contextFor(name: string | null): SecureContext | undefined {
    const exact = name === null ? undefined : this.#byName.get(name);
    const dot = name?.indexOf(".") ?? -1;
    const wild = exact !== undefined || dot < 0 ? undefined : this.#byName.get(`*${name!.slice(dot)}`);
    return exact ?? wild ?? this.#contexts[0];
  }
}

const HTTP2_OR_1 = protocolList(["h2", "http/1.1"]);
const HTTP1 = protocolList(["http/1.1", "http/1.0"]);

/** A list of protocols as it is on the wire (RFC 7301 §3.1). */
function protocolList(names: readonly string[]): Buffer {
  return Buffer.concat(names.map((name) => Buffer.from(`${String.fromCharCode(name.length)}${name}`, "latin1")));
}
