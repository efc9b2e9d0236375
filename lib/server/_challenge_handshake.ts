import { Buffer } from "node:buffer";
import { createHash, createHmac } from "node:crypto";
import { fromPem } from "../certificates/der.ts";
import { keyPairOf, signature } from "../certificates/key_pair.ts";
import type { ByteStream } from "../wire/byte_stream.ts";
import { type ClientHello, Reader } from "./_client_hello.ts";

const HASH_BYTES = 32;
const KEY_BYTES = 16;
const IV_BYTES = 12;
const TLS_1_3 = [3, 4];
const LEGACY_VERSION = [3, 3];
const AES_128_GCM_SHA256 = [0x13, 0x01];
const ECDSA_P256_SHA256 = [0x04, 0x03];

const RECORD = { changeCipherSpec: 20, handshake: 22, applicationData: 23 } as const;
const MESSAGE = {
  serverHello: 2,
  encryptedExtensions: 8,
  certificate: 11,
  certificateVerify: 15,
  finished: 20,
} as const;
const EXTENSION = { protocols: 16, supportedVersions: 43, keyShare: 51 } as const;

/** What a client answers the server with: a change of ciphers, and its `Finished`. */
const CLIENT_FINISH_BYTES = 6 + 5 + 4 + HASH_BYTES + 1 + 16;

/** The curves that are spoken here, by their numbers (RFC 8446 §4.2.7), with their names in WebCrypto. */
const GROUPS: ReadonlyMap<number, EcKeyAlgorithm | Algorithm> = new Map<number, EcKeyAlgorithm | Algorithm>([
  [29, { name: "X25519" }],
  [23, { name: "ECDH", namedCurve: "P-256" }],
]);

/** A certificate and its key, in PEM: a key of P-256. */
export interface ShownCertificate {
  readonly cert: string;
  readonly key: string;
}

/**
 * Goes through a handshake of TLS 1.3 (RFC 8446) as the server, only to show a certificate, and waits for the client's end of it. The
 * runtime's library refuses every certificate with a critical extension that it does not know, which that of a challenge has to have
 * (RFC 8737 §3). Nothing is ever sent or read behind this handshake, and its key has no other use.
 *
 * @throws {Error} where the client speaks none of what is spoken here, or leaves
 */
export async function showCertificate(stream: ByteStream, hello: ClientHello, shown: ShownCertificate): Promise<void> {
  const share = clientShare(hello);
  const keys = await crypto.subtle.generateKey(share.algorithm, true, ["deriveBits"]) as CryptoKeyPair;
  const ownShare = new Uint8Array(await crypto.subtle.exportKey("raw", keys.publicKey));
  const theirs = await crypto.subtle.importKey("raw", share.key, share.algorithm, false, []);
  const secret = await crypto.subtle.deriveBits(
    { name: share.algorithm.name, public: theirs },
    keys.privateKey,
    HASH_BYTES * 8,
  );
  const serverHello = helloOf(hello.sessionId, share.group, ownShare);
  const traffic = serverTrafficSecret(new Uint8Array(secret), hash(hello.message, serverHello));
  const flight = await encryptedFlight([hello.message, serverHello], hello.protocols[0] ?? "", shown, traffic);
  await writeAll(
    stream,
    Buffer.concat([
      record(RECORD.handshake, serverHello),
      record(RECORD.changeCipherSpec, new Uint8Array([1])),
      await sealed(flight, traffic),
    ]),
  );
  const memory = new Uint8Array(CLIENT_FINISH_BYTES);
  for (let left = CLIENT_FINISH_BYTES; left > 0;) {
    const count = await stream.read(memory);
    if (count === null) return;
    left -= count;
  }
}

/** The client's half of the key exchange. */
function clientShare({ extensions }: ClientHello) {
  const versions = extensions.get(EXTENSION.supportedVersions);
  const shares = extensions.get(EXTENSION.keyShare);
  if (versions === undefined || shares === undefined) throw new Error("The client does not speak TLS 1.3");
  const reader = new Reader(shares);
  const list = new Reader(reader.take(reader.number(2)));
  while (!list.isDone) {
    const group = list.number(2);
    const key = list.take(list.number(2));
    const algorithm = GROUPS.get(group);
    if (algorithm !== undefined) return { group, algorithm, key: new Uint8Array(key) };
  }
  throw new Error("The client offers no key of X25519 or P-256");
}

function helloOf(sessionId: Uint8Array, group: number, share: Uint8Array): Uint8Array {
  return message(
    MESSAGE.serverHello,
    bytes(LEGACY_VERSION),
    crypto.getRandomValues(new Uint8Array(32)),
    sized(1, sessionId),
    bytes(AES_128_GCM_SHA256),
    bytes([0]),
    sized(
      2,
      extension(EXTENSION.supportedVersions, bytes(TLS_1_3)),
      extension(EXTENSION.keyShare, number(2, group), sized(2, share)),
    ),
  );
}

/** All that follows the first message: the protocol, the certificate, the proof of its key, and the end. */
async function encryptedFlight(
  before: readonly Uint8Array[],
  protocol: string,
  { cert, key }: ShownCertificate,
  traffic: Uint8Array,
): Promise<Uint8Array> {
  const certificate = fromPem("CERTIFICATE", cert) ?? new Uint8Array(0);
  const { privateKey } = await keyPairOf(key);
  const said = [...before];
  said.push(
    message(
      MESSAGE.encryptedExtensions,
      sized(2, extension(EXTENSION.protocols, sized(2, sized(1, Buffer.from(protocol, "latin1"))))),
    ),
    message(MESSAGE.certificate, bytes([0]), sized(3, sized(3, certificate), bytes([0, 0]))),
  );
  const proof = Buffer.concat([
    Buffer.from(`${" ".repeat(64)}TLS 1.3, server CertificateVerify\0`, "latin1"),
    hash(...said),
  ]);
  said.push(
    message(MESSAGE.certificateVerify, bytes(ECDSA_P256_SHA256), sized(2, await signature(proof, privateKey))),
  );
  const finishedKey = expandLabel(traffic, "finished", new Uint8Array(0), HASH_BYTES);
  said.push(message(MESSAGE.finished, hmac(finishedKey, hash(...said))));
  return Buffer.concat(said.slice(before.length));
}

/** The secret of what the server sends during the handshake (RFC 8446 §7.1). */
function serverTrafficSecret(shared: Uint8Array, transcript: Uint8Array): Uint8Array {
  const early = hmac(new Uint8Array(HASH_BYTES), new Uint8Array(HASH_BYTES));
  const handshake = hmac(expandLabel(early, "derived", hash(), HASH_BYTES), shared);
  return expandLabel(handshake, "s hs traffic", transcript, HASH_BYTES);
}

/** The first encrypted record (RFC 8446 §5.2), whose number is 0. */
async function sealed(content: Uint8Array, traffic: Uint8Array): Promise<Uint8Array> {
  const none = new Uint8Array(0);
  const key = await crypto.subtle.importKey("raw", expandLabel(traffic, "key", none, KEY_BYTES), "AES-GCM", false, [
    "encrypt",
  ]);
  const inner = Buffer.concat([content, bytes([RECORD.handshake])]);
  const head = Buffer.concat([bytes([RECORD.applicationData, ...LEGACY_VERSION]), number(2, inner.length + 16)]);
  const algorithm = { name: "AES-GCM", iv: expandLabel(traffic, "iv", none, IV_BYTES), additionalData: head };
  return Buffer.concat([head, new Uint8Array(await crypto.subtle.encrypt(algorithm, key, inner))]);
}

/** HKDF-Expand-Label of up to one hash (RFC 8446 §7.1). */
function expandLabel(
  secret: Uint8Array,
  label: string,
  context: Uint8Array,
  lengthBytes: number,
): Uint8Array<ArrayBuffer> {
  const info = Buffer.concat([
    number(2, lengthBytes),
    sized(1, Buffer.from(`tls13 ${label}`, "latin1")),
    sized(1, context),
    bytes([1]),
  ]);
  return hmac(secret, info).slice(0, lengthBytes);
}

function hmac(key: Uint8Array, content: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(createHmac("sha256", key).update(content).digest());
}

function hash(...parts: readonly Uint8Array[]): Uint8Array {
  return createHash("sha256").update(Buffer.concat(parts)).digest();
}

function record(type: number, content: Uint8Array): Uint8Array {
  return Buffer.concat([bytes([type, ...LEGACY_VERSION]), sized(2, content)]);
}

function message(type: number, ...parts: readonly Uint8Array[]): Uint8Array {
  return Buffer.concat([bytes([type]), sized(3, ...parts)]);
}

function extension(type: number, ...parts: readonly Uint8Array[]): Uint8Array {
  return Buffer.concat([number(2, type), sized(2, ...parts)]);
}

/** Parts behind their length, which takes so many bytes. */
function sized(lengthBytes: number, ...parts: readonly Uint8Array[]): Uint8Array {
  const content = Buffer.concat(parts);
  return Buffer.concat([number(lengthBytes, content.length), content]);
}

function number(lengthBytes: number, value: number): Uint8Array {
  return Buffer.from(value.toString(16).padStart(lengthBytes * 2, "0"), "hex");
}

function bytes(values: readonly number[]): Uint8Array {
  return new Uint8Array(values);
}

async function writeAll(stream: ByteStream, content: Uint8Array): Promise<void> {
  for (let rest = content; rest.length > 0;) rest = rest.subarray(await stream.write(rest));
}
