import { X509Certificate } from "node:crypto";
import net from "node:net";
import tls from "node:tls";
import { systemClock } from "../clock.ts";
import { reachableUrl, type TcpAddress } from "../config/addresses.ts";
import type { Config } from "../config/config.ts";
import { type Fields, fieldValue } from "../http/fields.ts";
import { createHttp1Transport } from "../upstream_client/http1_transport.ts";
import type { Transport } from "../upstream_client/transport.ts";
import { nameOf } from "./tls_findings.ts";
import type { OpenWay } from "./open_ways.ts";

/** An answer as a client gets it. */
export interface ClientAnswer {
  readonly status: number;
  /** The value of a field, in lower case; empty where there is none. */
  readonly field: (name: string) => string;
  readonly body: Uint8Array;
}

/** A certificate as it is shown to clients. */
export interface ShownCertificate {
  /** Whether it names the host that was asked for. */
  readonly namesHost: boolean;
  readonly names: string;
  readonly notAfterMs: number;
  /** The name of who has signed the last one of those that were shown. */
  readonly authority: string;
}

/** How a client's way is gone. */
export interface DoorOptions {
  readonly config: Config;
  readonly way: OpenWay;
  /** For each step. */
  readonly timeoutMs: number;
  /** The name that the client is told; `null` to go to the listener's own address. */
  readonly host: string | null;
  /** What opens a listener or a forward proxy that is closed. */
  readonly token: string | null;
  /** PEM, beside the authorities of the configuration's own certificates. */
  readonly authority: string | null;
}

/** A request of a client. */
export interface ClientRequest {
  readonly method?: "GET" | "HEAD" | "OPTIONS";
  readonly fields?: Fields;
}

/** Of a document or a picture. */
const MAX_BODY_BYTES = 64 * 1024 * 1024;

/** Asks the gateway as a client does: by its own connection, through the forward proxy or to the listener, with TLS where that has it. */
export class ClientDoor {
  readonly #options: DoorOptions;
  readonly #caCerts: readonly string[];
  /** By origin: one connection each, so that one worker answers all that comes after the other. */
  readonly #transports = new Map<string, Transport>();

  constructor(options: DoorOptions) {
    this.#options = options;
    this.#caCerts = [...ownAuthorities(options.config), ...options.authority === null ? [] : [options.authority]];
  }

  /** The host that TLS is spoken with; `null` for plain HTTP. */
  get tlsHost(): string | null {
    const { protocol, hostname } = new URL(originOf(this.#options.way.api));
    return protocol === "https:" ? hostname.replace(/^\[|\]$/g, "") : null;
  }

  /**
   * Asks for a path, of the API or of pictures.
   *
   * @throws {UpstreamFailure} where no answer comes
   */
  async ask(base: string, path: string, { method = "GET", fields = [] }: ClientRequest = {}): Promise<ClientAnswer> {
    const { timeoutMs, token, way } = this.#options;
    const origin = originOf(base);
    const closed = token !== null && way.proxy === null ? `/~${token}` : "";
    const deadlines = { connectMs: timeoutMs, firstByteMs: timeoutMs, idleMs: timeoutMs };
    const response = await this.#transport(origin).send({
      method,
      target: closed + base.slice(origin.length) + path,
      fields: [["host", new URL(origin).host], ["accept", "*/*"], ["user-agent", "usher-doctor"], ...fields],
      body: null,
    }, { deadlines });
    const body = await response.body.readAll(MAX_BODY_BYTES);
    return { status: response.status, field: (name) => fieldValue(response.fields, name) ?? "", body };
  }

  close(): void {
    for (const transport of this.#transports.values()) transport.close();
  }

  #transport(origin: string): Transport {
    const known = this.#transports.get(origin);
    if (known !== undefined) return known;
    const made = createHttp1Transport({ ...this.#place(origin), caCerts: this.#caCerts, ...ONE_CONNECTION });
    this.#transports.set(origin, made);
    return made;
  }

  /** The certificate that is shown; `null` where no handshake ends. */
  async certificate(): Promise<ShownCertificate | null> {
    const host = this.tlsHost;
    const { timeoutMs, way } = this.#options;
    if (host === null) return null;
    // Behind a forward proxy of this gateway stands the listener that is looked at.
    const inner = way.proxy === null ? null : way.address;
    const { url, address } = this.#place(originOf(way.api));
    const hostname = inner === null ? address ?? url.hostname.replace(/^\[|\]$/g, "") : reachedHost(inner);
    const port = inner?.port ?? Number(url.port || 443);
    const socket = net.connect({ host: hostname, port });
    const secured = tls.connect({ socket, ...(net.isIP(host) ? {} : { servername: host }), rejectUnauthorized: false });
    const timer = setTimeout(() => secured.destroy(new Error("late")), timeoutMs);
    try {
      return await new Promise((resolve) => {
        const over = () => resolve(null);
        socket.on("error", over);
        secured.on("error", over);
        secured.on("close", over);
        secured.on("secureConnect", () => resolve(shown(secured.getPeerCertificate(true), host)));
      });
    } finally {
      clearTimeout(timer);
      secured.destroy();
      socket.destroy();
    }
  }

  /** Where a connection goes: to the name, or to where the listener or the forward proxy is reached from here. */
  #place(origin: string) {
    const { way, host, token } = this.#options;
    const url = new URL(origin);
    if (way.proxy !== null) {
      const proxy = new URL(reachableUrl(host === null ? way.proxy : { ...way.proxy, hostname: host }));
      if (token !== null) [proxy.username, proxy.password] = ["usher", token];
      return { url, proxy, address: null };
    }
    if (way.address === null || (host !== null && way.way !== "dns")) return { url, address: null };
    url.port = String(way.address.port);
    return { url, address: host ?? reachedHost(way.address) };
  }
}

function reachedHost(address: TcpAddress): string {
  return new URL(reachableUrl(address)).hostname.replace(/^\[|\]$/g, "");
}

const ONE_CONNECTION = { allowPrivate: true, maxConnections: 1, clock: systemClock } as const;

/** Scheme, host and port of a URL whose path may hold another one. */
function originOf(base: string): string {
  return /^https?:\/\/[^/]+/.exec(base)![0];
}

const PEM = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g;

/** The authorities of one's own at the end of the configuration's certificates. */
function ownAuthorities({ listeners }: Config): string[] {
  const files = listeners.flatMap(({ tls: own }) => own?.certificates ?? []).map(({ cert }) => cert);
  return [...new Set(files.flatMap((text) => text.match(PEM) ?? []))].filter((pem) => {
    const certificate = new X509Certificate(pem);
    return certificate.ca && certificate.checkIssued(certificate);
  });
}

function shown(peer: tls.DetailedPeerCertificate, host: string): ShownCertificate | null {
  if (peer?.raw === undefined) return null;
  const leaf = new X509Certificate(peer.raw);
  let last = peer;
  for (let n = 0; n < 8 && last.issuerCertificate !== undefined && last.issuerCertificate !== last; n++) {
    last = last.issuerCertificate;
  }
  return {
    namesHost: (net.isIP(host) ? leaf.checkIP(host) : leaf.checkHost(host)) !== undefined,
    names: (leaf.subjectAltName ?? "no name").replaceAll(/(?:DNS|IP Address):/g, ""),
    notAfterMs: Date.parse(leaf.validTo),
    authority: nameOf(new X509Certificate(last.raw).issuer),
  };
}
