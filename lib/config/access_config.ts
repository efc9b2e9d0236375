/** Who may use a listener: key `auth`. No token is kept, only hashes. */
export interface AuthConfig {
  readonly tokens: readonly TokenConfig[];
  /** Field that carries a token, lower case. */
  readonly header: string;
  /** A token may come as `Authorization: Bearer`. */
  readonly bearer: boolean;
  /** Query parameters that may carry a token. */
  readonly query: readonly string[];
  /** A token may stand before the path, as `/~TOKEN/3/…`. */
  readonly path: boolean;
  /** Different wrong tokens that one client may try in a minute, key `max_failures`. */
  readonly maxFailures: number;
  /** Responses may be kept by shared caches in front, key `shared_caches`. */
  readonly sharedCaches: boolean;
}

/** One token of a client; a client may have several. */
export interface TokenConfig {
  /** Name in the log and the metrics. */
  readonly client: string;
  /** SHA-256 of the token, in hexadecimal. */
  readonly sha256: string;
}

/** Which pages may read responses in browsers: key `cors`. */
export type CorsConfig =
  /** What the upstream says is passed on. */
  | { readonly mode: "pass" }
  | CorsPolicyConfig;

/** A policy of the listener's own. */
export interface CorsPolicyConfig {
  readonly mode: "own";
  /** `*`, origins, and origins with `*.` before the host or `*` for the port; empty lets no page read. */
  readonly origins: readonly string[];
  readonly methods: readonly string[];
  /** Request fields that a page may set, key `request_fields`; `null` is any. */
  readonly requestFields: readonly string[] | null;
  /** Response fields that a page may read, beside the gateway's own. */
  readonly expose: readonly string[];
  readonly credentials: boolean;
  /** How long a browser may keep a preflight's answer, key `max_age`. */
  readonly maxAgeSeconds: number;
  /** Key `private_network`. */
  readonly privateNetwork: boolean;
}
