import type { ChallengeType } from "../certificates/acme_client.ts";

/** A certificate and its key, as read from their files. */
export interface CertificateConfig {
  /** As the file names them. */
  readonly certFile: string;
  readonly keyFile: string;
  /** PEM texts; the key is a secret. */
  readonly cert: string;
  readonly key: string;
  /** The names that it is for, in lower case. */
  readonly names: readonly string[];
  readonly notAfterMs: number;
  /** Where the configuration names it, `file:line:column path`. */
  readonly place: string;
}

/** `tls:` of an address. */
export interface TlsConfig {
  readonly certificates: readonly CertificateConfig[];
  readonly minVersion: "1.2" | "1.3" | null;
  readonly http2: boolean | null;
  /** `null` where nothing is fetched. */
  readonly acme: AcmeConfig | null;
}

/** `acme:` of `tls`: a certificate that is fetched (RFC 8555). */
export interface AcmeConfig {
  /** Exact names, at least one. */
  readonly hosts: readonly string[];
  /** URL of the authority's directory. */
  readonly directory: string;
  readonly email: string | null;
  /** `null` leaves it to the ports that are listened on. */
  readonly challenge: ChallengeType | null;
  /** PEM text of authorities for the directory's own certificate; key `ca`, a path in the file. */
  readonly ca: string | null;
  /** Its key is a secret; key `eab`. */
  readonly externalAccount: { readonly kid: string; readonly key: string } | null;
}
