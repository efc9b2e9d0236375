import type { CertificateConfig } from "./tls_config.ts";

/** How the connections of one upstream are made and kept. */
export interface ConnectionConfig {
  /** URL of the proxy to connect through, its credentials included: a secret; key `proxy`. */
  readonly proxy: string | null;
  /** What is shown to the upstream where it asks for a certificate, keys `cert` and `key`. */
  readonly clientCertificate: CertificateConfig | null;
  /** A public name may have a private address, key `allow_private`. */
  readonly allowPrivate: boolean;
  /** Speak HTTP/2 where the upstream does, key `http2`. */
  readonly http2: boolean;
  /** The upstream is another Usher, key `usher`. */
  readonly usher: boolean;
  /** Idle connections that are kept; `null` keeps as many as may be open, key `max_idle`. */
  readonly maxIdle: number | null;
  /** Key `idle_timeout`. */
  readonly idleTimeoutMs: number;
}
