import { X509Certificate } from "node:crypto";
import type { Path } from "./yaml/located.ts";
import { explainReadError } from "./yaml/read_text.ts";
import type { CertificateConfig } from "./tls_config.ts";
import type { ValidationContext } from "./validation_context.ts";

/** What the files that a configuration names hold. */
export interface NamedFiles {
  /** The text of each file of certificate authorities. */
  readonly authorities: ReadonlyMap<string, string>;
  /** By `certificateKey`. */
  readonly certificates: ReadonlyMap<string, CertificateConfig>;
}

/** Files of certificate authorities that are read at most. */
const MAX_FILES = 100;

/** One certificate in PEM (RFC 7468 §5). */
const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g;

/** Whether `text` holds at least one certificate in PEM, and none that cannot be read. */
export function isCertificatePem(text: string): boolean {
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

/** Every `ca` of the upstreams, and of directories that certificates are fetched from, by file, with the places that name it. */
function namedFiles({ values, original }: ValidationContext): Map<string, Path[]> {
  const files = new Map<string, Path[]>();
  for (const [name, pool] of Object.entries(values.pools)) {
    for (const [index, { ca }] of (pool.upstreams ?? []).entries()) {
      if (ca !== undefined) {
        files.set(ca, [...files.get(ca) ?? [], original(["pools", name, "upstreams", index, "ca"])]);
      }
    }
  }
  for (const [index, { tls }] of values.listeners.entries()) {
    const ca = tls?.acme?.ca;
    if (ca !== undefined) {
      files.set(ca, [...files.get(ca) ?? [], original(["listeners", index, "tls", "acme", "ca"])]);
    }
  }
  return files;
}

/** The text of a file of authorities, or what is wrong with it. */
async function readAuthority(
  file: string,
  read: (path: string) => Promise<string>,
): Promise<{ pem: string } | { problem: string }> {
  try {
    const pem = await read(file);
    return isCertificatePem(pem) ? { pem } : { problem: "it holds no usable certificate" };
  } catch (error) {
    return { problem: explainReadError(error) };
  }
}

/** Reads the files of certificate authorities that are named, and notes those that cannot be used. */
export async function readAuthorities(
  context: ValidationContext,
  read: (path: string) => Promise<string>,
): Promise<ReadonlyMap<string, string>> {
  const authorities = new Map<string, string>();
  for (const [file, paths] of [...namedFiles(context)].slice(0, MAX_FILES)) {
    const result = await readAuthority(file, read);
    if ("pem" in result) authorities.set(file, result.pem);
    else {for (const path of paths) {
        context.problems.expect(path, `a readable PEM file of certificates, but ${result.problem}`);
      }}
  }
  return authorities;
}
