/** A content coding that is made here. */
export type Coding = "br" | "gzip" | "zstd";

/** How a listener stores and serves beyond what the policy decides; compiled once from its configuration. */
export interface StoringOptions {
  /** A range of what is not stored is forwarded, or the whole is fetched and stored. */
  readonly range: "pass" | "fetch-full";
  /** Cookies whose values are part of the key, sorted. */
  readonly cookieKey: readonly string[];
  /** `Cache-Status` tells the cache key (RFC 9211 §2.7). */
  readonly statusKey: boolean;
  /** `null` where nothing is compressed. */
  readonly compress: CompressOptions | null;
}

/** Which stored responses are served compressed, and how. */
export interface CompressOptions {
  /** Smaller bodies are served as they are. */
  readonly minBytes: number;
  /** Over a media type in lower case, without parameters. */
  readonly isCompressible: (mediaType: string) => boolean;
  /** Best first. */
  readonly codings: readonly Coding[];
}
