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
}
