import { der, toPem } from "./der.ts";
import { type KeyPair, publicKeyInfo, signatureAlgorithm, signed } from "./key_pair.ts";

const OID = {
  commonName: "2.5.4.3",
  subjectKeyId: "2.5.29.14",
  keyUsage: "2.5.29.15",
  altName: "2.5.29.17",
  basicConstraints: "2.5.29.19",
  nameConstraints: "2.5.29.30",
  authorityKeyId: "2.5.29.35",
  extendedKeyUsage: "2.5.29.37",
  serverAuth: "1.3.6.1.5.5.7.3.1",
  clientAuth: "1.3.6.1.5.5.7.3.2",
  extensionRequest: "1.2.840.113549.1.9.14",
  acmeIdentifier: "1.3.6.1.5.5.7.1.31",
} as const;

/** Bits of the key usage (RFC 5280 §4.2.1.3), of the first nine. */
const DIGITAL_SIGNATURE = 0x80;
const SIGNS_CERTIFICATES_AND_LISTS = 0x06;

const DNS_NAME = 2;
const IP_ADDRESS = 7;

/** Backdates new certificates, for clients whose clock is a little slow. */
const BACKDATED_MS = 60 * 60 * 1000;

/** Authorities validate within minutes. */
const CHALLENGE_LIFE_MS = 24 * 60 * 60 * 1000;

/** Issuer of a certificate. */
export interface Authority {
  /** Its common name. */
  readonly name: string;
  readonly keys: KeyPair;
}

/** Options of a private authority's certificate. */
export interface AuthorityOptions extends Authority {
  /** Name constraints (RFC 5280 §4.2.1.10): clients refuse its certificates for other names. Empty for none. */
  readonly names: readonly string[];
  readonly notAfterMs: number;
  readonly nowMs: number;
}

/** Options of a server's or client's certificate. */
export interface LeafOptions {
  /** DNS names, `*.example.com`, and IP addresses. */
  readonly names: readonly string[];
  readonly keys: KeyPair;
  /** The issuer; self-signed by default. */
  readonly authority?: Authority;
  readonly use?: "server" | "client";
  readonly notAfterMs: number;
  readonly nowMs: number;
  /** Time of issue, for tests. */
  readonly notBeforeMs?: number;
}

/** Options of a challenge's certificate. */
export interface ChallengeOptions {
  readonly name: string;
  /** The challenge's token and the account key's thumbprint (RFC 8555 §8.1). */
  readonly keyAuthorization: string;
  readonly keys: KeyPair;
  readonly nowMs: number;
}

/** The certificate of a private authority, as PEM text. */
export async function issueAuthority(options: AuthorityOptions): Promise<string> {
  const { name, keys, names, nowMs, notAfterMs } = options;
  const constraints = names.length === 0 ? [] : [nameConstraints(names)];
  return await certificate({
    subject: name,
    issuer: { name, keys },
    keys,
    notBeforeMs: nowMs - BACKDATED_MS,
    notAfterMs,
    extensions: [
      extension(OID.basicConstraints, der.sequence(der.boolean(true), der.integer(new Uint8Array([0]))), true),
      extension(OID.keyUsage, der.flags(SIGNS_CERTIFICATES_AND_LISTS, 7), true),
      ...constraints,
    ],
  });
}

/** A certificate for names, as PEM text. */
export async function issueLeaf(options: LeafOptions): Promise<string> {
  const { names, keys, authority, use = "server", nowMs, notAfterMs } = options;
  const subject = names[0] ?? "";
  const purpose = use === "server" ? OID.serverAuth : OID.clientAuth;
  return await certificate({
    subject,
    issuer: authority ?? { name: subject, keys },
    keys,
    notBeforeMs: options.notBeforeMs ?? nowMs - BACKDATED_MS,
    notAfterMs,
    extensions: [
      extension(OID.basicConstraints, der.sequence(), true),
      extension(OID.keyUsage, der.flags(DIGITAL_SIGNATURE, 1), true),
      extension(OID.extendedKeyUsage, der.sequence(der.oid(purpose)), false),
      extension(OID.altName, der.sequence(...names.map(generalName)), false),
    ],
  });
}

/** The certificate that answers a challenge for one name (RFC 8737 §3), signed by its own key, as PEM text. */
export async function issueChallenge(
  { name, keyAuthorization, keys, nowMs }: ChallengeOptions,
): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(keyAuthorization));
  return await certificate({
    subject: name,
    issuer: { name, keys },
    keys,
    notBeforeMs: nowMs - BACKDATED_MS,
    notAfterMs: nowMs + CHALLENGE_LIFE_MS,
    extensions: [
      extension(OID.altName, der.sequence(generalName(name)), false),
      extension(OID.acmeIdentifier, der.octets(new Uint8Array(digest)), true),
    ],
  });
}

/** A request for a certificate for names (PKCS #10, RFC 2986). */
export async function certificateRequest(names: readonly string[], keys: KeyPair): Promise<Uint8Array> {
  const wanted = extension(OID.altName, der.sequence(...names.map(generalName)), false);
  const attribute = der.sequence(der.oid(OID.extensionRequest), der.set(der.sequence(wanted)));
  const version = der.integer(new Uint8Array([0]));
  const content = der.sequence(version, der.sequence(), await publicKeyInfo(keys), der.explicit(0, attribute));
  return await signed(content, keys);
}

interface CertificateParts {
  readonly subject: string;
  readonly issuer: Authority;
  readonly keys: KeyPair;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  readonly extensions: readonly Uint8Array[];
}

async function certificate(parts: CertificateParts): Promise<string> {
  const { subject, issuer, keys, notBeforeMs, notAfterMs, extensions } = parts;
  const info = await publicKeyInfo(keys);
  const ids = [
    extension(OID.subjectKeyId, der.octets(await keyId(info)), false),
    extension(
      OID.authorityKeyId,
      der.sequence(der.implicit(0, await keyId(await publicKeyInfo(issuer.keys)))),
      false,
    ),
  ];
  const serial = crypto.getRandomValues(new Uint8Array(16));
  serial[0] = serial[0]! & 0x7f | 0x40;
  const content = der.sequence(
    der.explicit(0, der.integer(new Uint8Array([2]))),
    der.integer(serial),
    signatureAlgorithm(),
    distinguishedName(issuer.name),
    der.sequence(der.time(notBeforeMs), der.time(notAfterMs)),
    distinguishedName(subject),
    info,
    der.explicit(3, der.sequence(...extensions, ...ids)),
  );
  return toPem("CERTIFICATE", await signed(content, issuer.keys));
}

/** The identifier of a key (RFC 7093 §2, first method). */
async function keyId(info: Uint8Array): Promise<Uint8Array> {
  const digest = await crypto.subtle.digest("SHA-256", info as Uint8Array<ArrayBuffer>);
  return new Uint8Array(digest, 0, 20);
}

function distinguishedName(commonName: string): Uint8Array {
  return der.sequence(der.set(der.sequence(der.oid(OID.commonName), der.utf8(commonName.slice(0, 64)))));
}

function extension(oid: string, value: Uint8Array, isCritical: boolean): Uint8Array {
  const critical = isCritical ? [der.boolean(true)] : [];
  return der.sequence(der.oid(oid), ...critical, der.octets(value));
}

function generalName(name: string): Uint8Array {
  const address = addressBytes(name);
  return address === null ? der.implicit(DNS_NAME, new TextEncoder().encode(name)) : der.implicit(IP_ADDRESS, address);
}

/** Name constraints: limits an authority to these names and their subdomains. */
function nameConstraints(names: readonly string[]): Uint8Array {
  const subtrees = names.map((name) => {
    const address = addressBytes(name);
    const base = address === null
      ? der.implicit(DNS_NAME, new TextEncoder().encode(name.replace(/^\*\./, "")))
      : der.implicit(IP_ADDRESS, new Uint8Array([...address, ...address.map(() => 0xff)]));
    return der.sequence(base);
  });
  const content = subtrees.reduce((all, part) => new Uint8Array([...all, ...part]), new Uint8Array(0));
  const permitted = der.implicit(0x20, content);
  return extension(OID.nameConstraints, der.sequence(permitted), true);
}

/** The bytes of an IP address; `null` where a name is none. */
function addressBytes(name: string): Uint8Array | null {
  if (/^(?:\d{1,3}\.){3}\d{1,3}$/.test(name)) return new Uint8Array(name.split(".").map(Number));
  if (!name.includes(":")) return null;
  const [head = "", tail] = new URL(`http://[${name}]/`).hostname.slice(1, -1).split("::");
  const groups = (text: string) => text === "" ? [] : text.split(":").map((group) => parseInt(group, 16));
  const before = groups(head);
  const after = groups(tail ?? "");
  const zeros = Array<number>(8 - before.length - after.length).fill(0);
  return new Uint8Array([...before, ...zeros, ...after].flatMap((group) => [group >> 8, group & 0xff]));
}
