import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import type { Identity } from "../server/tls_identity.ts";
import { formatLocated, type Path } from "./yaml/located.ts";
import type { Problems } from "./yaml/problems.ts";
import { explainReadError } from "./yaml/read_text.ts";
import { DAY } from "./yaml/units.ts";

/** So long before its end a certificate is warned of: a renewal that works has been done by then. */
export const SOON_MS = 14 * DAY;
/** Certificates that are read at most. */
const MAX_CERTIFICATES = 1_000;
/** Files of certificate authorities that are read at most. */
const MAX_AUTHORITIES = 100;

/** A certificate and its key, as read from their files. */
export interface CertificateConfig extends Identity {
  /** As the configuration names them. */
  readonly certFile: string;
  readonly keyFile: string;
  readonly notAfterMs: number;
  /** Where the configuration names it, `file:line:column path`. */
  readonly place: string;
}

/** What the files hold that a configuration names. */
export interface NamedFiles {
  /** The text of each file of certificate authorities. */
  readonly authorities: ReadonlyMap<string, string>;
  /** By {@linkcode certificateKey}. */
  readonly certificates: ReadonlyMap<string, CertificateConfig>;
}

/** A certificate and its key as the configuration names them, and where: the place of `cert` and `key`. */
export interface NamedCertificate {
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  readonly path: Path;
}

/** The key of a certificate in {@linkcode NamedFiles}. */
export function certificateKey({ cert, key }: { readonly cert?: string; readonly key?: string }): string {
  return `${cert ?? ""}\0${key ?? ""}`;
}

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g;
const OTHERS_READ = 0o004;

/** The files of one certificate, and where they are named. */
export interface CertificateFiles {
  readonly certFile: string;
  readonly keyFile: string;
  readonly place: string;
}

/** How files of certificates are read. */
export interface CertificateReading {
  readonly readTextFile: (path: string) => Promise<string>;
  /** Permission bits of a file; `null` where the system has none. Left out, they are not looked at. */
  readonly fileMode?: (path: string) => Promise<number | null>;
  readonly now?: () => number;
}

/** What is wrong with one of the two files: what was expected of it, as a message goes on. */
export interface CertificateProblem {
  readonly file: "cert" | "key";
  readonly expected: string;
}

/** A certificate that can be used, and what is to be said of it; or what is wrong. */
export type CertificateResult =
  | { readonly ok: true; readonly certificate: CertificateConfig; readonly warnings: readonly string[] }
  | { readonly ok: false; readonly problems: readonly CertificateProblem[] };

/** Reads a certificate and its key, and holds one against the other. Never throws. */
export async function readCertificate(
  files: CertificateFiles,
  reading: CertificateReading,
): Promise<CertificateResult> {
  const [cert, key] = await Promise.all([readCert(files.certFile, reading), readKey(files.keyFile, reading)]);
  const problems: CertificateProblem[] = [];
  if (typeof cert === "string") problems.push({ file: "cert", expected: cert });
  if (typeof key === "string") problems.push({ file: "key", expected: key });
  if (typeof cert === "string" || typeof key === "string") return { ok: false, problems };
  const problem = mismatch(cert.chain, key.key, files);
  if (problem !== null) return { ok: false, problems: [problem] };
  const [leaf] = cert.chain;
  const notAfterMs = Date.parse(leaf!.validTo);
  const names = namesOf(leaf!);
  const certificate = { ...files, cert: cert.pem, key: key.pem, names, notAfterMs };
  return { ok: true, certificate, warnings: warningsOf(leaf!, certificate, reading.now?.() ?? Date.now()) };
}

/** Whether `next`, which has ended or has not begun, is to take the place of one that is good. */
export function isWorse(next: CertificateConfig, before: CertificateConfig | undefined, nowMs: number): boolean {
  return next.notAfterMs <= nowMs && before !== undefined && before.notAfterMs > nowMs;
}

/** How a certificate's time stands, as the end of a sentence about it. */
export function lifetimeText(notAfterMs: number, nowMs: number): string {
  const days = Math.floor(Math.abs(notAfterMs - nowMs) / DAY);
  const ago = days === 0 ? "today" : days === 1 ? "a day" : `${days} days`;
  const date = new Date(notAfterMs).toISOString().slice(0, 10);
  if (notAfterMs <= nowMs) return `it has expired (${date}${days === 0 ? "" : `, ${ago} ago`}): renew it`;
  return days === 0 ? `it expires today (${date}): renew it` : `it expires in ${ago} (${date}): renew it`;
}

async function readCert(
  file: string,
  { readTextFile }: CertificateReading,
): Promise<{ pem: string; chain: X509Certificate[] } | string> {
  try {
    const pem = await readTextFile(file);
    const chain = (pem.match(CERTIFICATE) ?? []).map((one) => new X509Certificate(one));
    return chain.length > 0 ? { pem, chain } : wantsPem("certificates", "it holds none");
  } catch (error) {
    return wantsPem("certificates", reasonOf(error, "it holds one that cannot be read"));
  }
}

async function readKey(
  file: string,
  { readTextFile, fileMode }: CertificateReading,
): Promise<{ pem: string; key: KeyObject } | string> {
  try {
    const pem = await readTextFile(file);
    const mode = await fileMode?.(file) ?? null;
    if (mode !== null && (mode & OTHERS_READ) !== 0) {
      const octal = (mode & 0o7777).toString(8).padStart(4, "0");
      return `a key that only its owner and group can read, but its mode is ${octal}: chmod 640 ${file}`;
    }
    if (/ENCRYPTED/.test(pem)) {
      return `a key without a passphrase: openssl pkey -in ${file} -out NEW, and chmod 600 NEW`;
    }
    if (!pem.includes("PRIVATE KEY")) return wantsPem("a private key", "it holds none");
    return { pem, key: createPrivateKey(pem) };
  } catch (error) {
    return wantsPem("a private key", reasonOf(error, "it holds one that cannot be read"));
  }
}

/** What is said of the file itself, or of what is in it. Nothing of a key's text is repeated. */
function reasonOf(error: unknown, content: string): string {
  const said = explainReadError(error);
  return said === "it cannot be read" ? content : said;
}

function wantsPem(what: string, but: string): string {
  return `a readable PEM file of ${what}, but ${but}`;
}

function mismatch(
  chain: readonly X509Certificate[],
  key: KeyObject,
  { certFile }: CertificateFiles,
): CertificateProblem | null {
  const at = chain.findIndex((certificate) => certificate.checkPrivateKey(key));
  if (at === 0) return null;
  return at < 0
    ? { file: "key", expected: `the key of the certificate in ${JSON.stringify(certFile)}, and it is another's` }
    : { file: "cert", expected: `its own certificate first, then those behind it: it stands in place ${at + 1}` };
}

/** The names of its extension for them (RFC 6125 §6.4.4 forgets the subject): DNS names and addresses. */
function namesOf(certificate: X509Certificate): string[] {
  const listed = certificate.subjectAltName?.split(/,\s*/) ?? [];
  return listed.flatMap((entry) => /^(?:DNS|IP Address):(.+)$/.exec(entry)?.[1]?.toLowerCase() ?? []);
}

function warningsOf(leaf: X509Certificate, { names, notAfterMs }: CertificateConfig, nowMs: number): string[] {
  const warnings: string[] = [];
  if (notAfterMs - nowMs < SOON_MS) warnings.push(lifetimeText(notAfterMs, nowMs));
  const notBeforeMs = Date.parse(leaf.validFrom);
  if (notBeforeMs > nowMs) {
    const from = new Date(notBeforeMs).toISOString();
    warnings.push(`it is not valid before ${from}: is this machine's clock right?`);
  }
  if (names.length === 0) warnings.push("it names no host (subjectAltName): clients will not take it for any");
  return warnings;
}

/** Reads every certificate that is named, and notes what is wrong with them. */
export async function readCertificates(
  named: readonly NamedCertificate[],
  problems: Problems,
  reading: CertificateReading,
): Promise<ReadonlyMap<string, CertificateConfig>> {
  const found = new Map<string, CertificateConfig>();
  for (const { cert, key, path } of named.slice(0, MAX_CERTIFICATES)) {
    if (cert === undefined || key === undefined) continue;
    const place = formatLocated({ ...problems.locate(path), message: "" }).replace(/:? *$/, "");
    const result = await readCertificate({ certFile: cert, keyFile: key, place }, reading);
    if (!result.ok) {
      for (const { file, expected } of result.problems) problems.expect([...path, file], expected);
      continue;
    }
    for (const warning of result.warnings) problems.warn([...path, "cert"], warning);
    // One that is named twice stands at its first place.
    const name = certificateKey({ cert, key });
    if (!found.has(name)) found.set(name, result.certificate);
  }
  return found;
}

/** Reads every file of certificate authorities that is named, and notes those that cannot be used. */
export async function readAuthorities(
  named: readonly { readonly file: string; readonly path: Path }[],
  problems: Problems,
  { readTextFile }: CertificateReading,
): Promise<ReadonlyMap<string, string>> {
  const authorities = new Map<string, string>();
  for (const [file, places] of [...Map.groupBy(named, (one) => one.file)].slice(0, MAX_AUTHORITIES)) {
    const result = await readAuthority(file, readTextFile);
    if ("pem" in result) authorities.set(file, result.pem);
    else {
      const expected = `a readable PEM file of certificates, but ${result.problem}`;
      for (const { path } of places) problems.expect(path, expected);
    }
  }
  return authorities;
}

/** The text of a file of authorities, or what is wrong with it. */
async function readAuthority(
  file: string,
  read: CertificateReading["readTextFile"],
): Promise<{ pem: string } | { problem: string }> {
  try {
    const pem = await read(file);
    return isCertificatePem(pem) ? { pem } : { problem: "it holds no usable certificate" };
  } catch (error) {
    return { problem: explainReadError(error) };
  }
}

/** Whether a text holds at least one certificate in PEM (RFC 7468 §5), and none that cannot be read. */
function isCertificatePem(text: string): boolean {
  const certificates = text.match(CERTIFICATE) ?? [];
  return certificates.length > 0 && certificates.every(isCertificate);
}

function isCertificate(pem: string): boolean {
  try {
    return new X509Certificate(pem).subject !== null;
  } catch {
    return false;
  }
}
