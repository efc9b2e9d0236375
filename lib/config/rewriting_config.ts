/** Keys of a listener that say what is changed in the documents that it serves; what is stored stays as the upstream gave it. */
export interface RewritingConfig {
  /** How clients reach the listener's address, without a slash at its end; `null` goes by the request, key `public_url`. */
  readonly publicUrl: string | null;
  /**
   * Whether addresses of images in documents lead to a listener of this gateway, or where else they lead (without a slash at its end),
   * key `rewrite_image_base`.
   */
  readonly rewriteImageBase: boolean | string;
  /** Applied in this order. */
  readonly overrides: readonly OverrideConfig[];
}

/** One entry of `overrides:`. */
export interface OverrideConfig {
  /** Glob over the path as the upstream sees it: `*` within a segment, `**` across. */
  readonly path: string;
  /** Parameters that the query must have, decoded. */
  readonly query: Readonly<Record<string, string>>;
  /** JSON merge patch (RFC 7396). */
  readonly merge: JsonConfig;
}

/** A value of JSON. */
export type JsonConfig =
  | null
  | boolean
  | number
  | string
  | readonly JsonConfig[]
  | { readonly [name: string]: JsonConfig };
