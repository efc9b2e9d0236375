import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import type { CertificateConfig } from "./tls_config.ts";
import { explainReadError } from "./yaml/read_text.ts";

const DAY_MS = 24 * 60 * 60 * 1000;
/** So long before its end a certificate is warned of: a renewal that works has been done by then. */
const SOON_MS = 14 * DAY_MS;

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
  const days = Math.floor(Math.abs(notAfterMs - nowMs) / DAY_MS);
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
