/** Keys of a listener's `cache:` that say what is stored and in what form it is served. `null` is the type's default. */
export interface StoringConfig {
  /** What a `Set-Cookie` does to a response: it is not stored, stored without the field, or stored with it, key `set_cookie`. */
  readonly setCookie: "bypass" | "strip" | "store" | null;
  readonly cookies: CookiesConfig | null;
  /** A range of what is not stored is forwarded, or the whole is fetched and stored. */
  readonly range: "pass" | "fetch-full" | null;
  /** `s-maxage` does not forbid what `stale-while-revalidate` allows, key `shared_stale`. */
  readonly sharedStale: boolean;
  /** Fields that speak to this cache before `Cache-Control` does, in lower case, key `targeted_fields` (RFC 9213). */
  readonly targetedFields: readonly string[];
  /** `Cache-Status` tells the cache key, key `status_key`. */
  readonly statusKey: boolean;
  readonly compress: CompressConfig;
  /** Serve a document from a stored one with more `append_to_response` parts, key `reuse_appends`. */
  readonly reuseAppends: boolean;
  /** Bytes that the listener may hold on disk; `null` where only the limit of all counts, key `disk_quota`. */
  readonly diskQuotaBytes: number | null;
}

/** `cookies:`: the cache has no part in requests with cookies, pays no heed to them, or keeps a response for each value of some. */
export type CookiesConfig = "bypass" | "ignore" | { readonly key: readonly string[] };

/** `compress:` */
export interface CompressConfig {
  /** `null` is the type's default. */
  readonly enabled: boolean | null;
  /** Smaller bodies are served as they are, key `min_size`. */
  readonly minBytes: number;
  /** Media ranges that are compressed. */
  readonly types: readonly string[];
  /** Best first. */
  readonly codings: readonly Coding[];
}

/** A content coding that the gateway can make. */
export type Coding = "br" | "gzip" | "zstd";
