import { der, fromPem, toPem } from "./der.ts";

const CURVE = { name: "ECDSA", namedCurve: "P-256" } as const;
const SIGNATURE = { name: "ECDSA", hash: "SHA-256" } as const;

/** `ecdsa-with-SHA256` (RFC 5758 §3.2). */
const ALGORITHM = "1.2.840.10045.4.3.2";

/** An ECDSA key of the curve P-256: all clients of the last fifteen years support it, and its handshakes are cheap. */
export interface KeyPair {
  readonly privateKey: CryptoKey;
  readonly publicKey: CryptoKey;
}

/** Generates a key. */
export async function newKeyPair(): Promise<KeyPair> {
  return await crypto.subtle.generateKey(CURVE, true, ["sign", "verify"]) as CryptoKeyPair;
}

/** The private key as PEM text: a secret. */
export async function keyPem({ privateKey }: KeyPair): Promise<string> {
  return toPem("PRIVATE KEY", new Uint8Array(await crypto.subtle.exportKey("pkcs8", privateKey)));
}

/**
 * A key pair of its private key's PEM text.
 *
 * @throws {Error} where the text holds no key of this curve
 */
export async function keyPairOf(pem: string): Promise<KeyPair> {
  const bytes = fromPem("PRIVATE KEY", pem);
  if (bytes === null) throw new Error("There is no private key in it");
  const privateKey = await crypto.subtle.importKey("pkcs8", bytes, CURVE, true, ["sign"]);
  const { kty, crv, x, y } = await crypto.subtle.exportKey("jwk", privateKey) as JsonWebKey;
  const publicKey = await crypto.subtle.importKey("jwk", { kty, crv, x, y }, CURVE, true, ["verify"]);
  return { privateKey, publicKey };
}

/** The public key as certificates hold it (RFC 5280 §4.1.2.7). */
export async function publicKeyInfo({ publicKey }: KeyPair): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.exportKey("spki", publicKey));
}

/** Content with its algorithm and signature: the outer form of certificates and of requests for them. */
export async function signed(content: Uint8Array, { privateKey }: KeyPair): Promise<Uint8Array> {
  return der.sequence(content, signatureAlgorithm(), der.bits(await signature(content, privateKey)));
}

/** The signature of a key over content, in the form of certificates and of TLS (RFC 3279 §2.2.3). */
export async function signature(content: Uint8Array, privateKey: CryptoKey): Promise<Uint8Array> {
  const raw = new Uint8Array(await crypto.subtle.sign(SIGNATURE, privateKey, content as Uint8Array<ArrayBuffer>));
  const half = raw.length / 2;
  return der.sequence(der.integer(raw.subarray(0, half)), der.integer(raw.subarray(half)));
}

/** The algorithm of {@linkcode signed}. */
export function signatureAlgorithm(): Uint8Array {
  return der.sequence(der.oid(ALGORITHM));
}
