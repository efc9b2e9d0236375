import type { ShownCertificate } from "./_challenge_handshake.ts";
import type { ClientHello } from "./_client_hello.ts";
import type { Arrival } from "./arrival.ts";
import type { Reply } from "./reply.ts";

/** The answers to pending challenges of certificate authorities. Plain data. */
export interface Challenges {
  /** Texts for `http-01`, by token (RFC 8555 §8.3). */
  readonly texts: ReadonlyMap<string, string>;
  /** Certificates for `tls-alpn-01`, by name (RFC 8737). */
  readonly certificates: ReadonlyMap<string, ShownCertificate>;
}

/** No challenge is pending. */
export const NO_CHALLENGES: Challenges = { texts: new Map(), certificates: new Map() };

/** The only protocol that an authority offers in a validation handshake (RFC 8737 §3). */
const PROTOCOL = "acme-tls/1";

const PATH = "/.well-known/acme-challenge/";

const encoder = new TextEncoder();

/** The reply to an authority's request (RFC 8555 §8.3); `null` for all others, including unknown tokens. */
export function challengeReply({ target, method }: Arrival, { texts }: Challenges): Reply | null {
  // Usually none is pending.
  if (texts.size === 0 || !target.startsWith(PATH) || (method !== "GET" && method !== "HEAD")) return null;
  const text = texts.get(target.slice(PATH.length));
  if (text === undefined) return null;
  const body = encoder.encode(text);
  return {
    status: 200,
    fixed: null,
    lines: "Content-Type: application/octet-stream\r\nCache-Control: no-store\r\n",
    hasDate: false,
    lengthBytes: body.length,
    body,
    onEnd: null,
  };
}

/** The certificate for an authority's validation handshake (RFC 8737); `null` for all other clients. */
export function challengeCertificate(
  { protocols, serverName }: ClientHello,
  { certificates }: Challenges,
): ShownCertificate | null {
  if (certificates.size === 0 || protocols.length !== 1 || protocols[0] !== PROTOCOL) return null;
  return certificates.get(serverName ?? "") ?? null;
}
