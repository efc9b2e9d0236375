import type { Fields } from "../http/fields.ts";

/** How long a stored response may be used, fixed when it was stored (RFC 9111 §4.2, RFC 5861). */
export interface Freshness {
  /** Corrected initial age at `responseTimeMs`, in milliseconds (RFC 9111 §4.2.3). */
  readonly initialAgeMs: number;
  /** Freshness lifetime in milliseconds; 0 asks for validation on each use. */
  readonly lifetimeMs: number;
  /** After the lifetime: how long it may be served while being revalidated. */
  readonly staleWhileRevalidateMs: number;
  /** After the lifetime: how long it may be served when the upstream fails. */
  readonly staleIfErrorMs: number;
  /** Never to be served stale (`must-revalidate`, `proxy-revalidate`, `no-cache`, `s-maxage`). */
  readonly mustRevalidate: boolean;
  /** Validate on every use, however fresh (`no-cache`). */
  readonly alwaysValidate: boolean;
}

/**
 * One response as it is kept: complete, immutable, ready to serve. The body is bounded by `cache.max_entry`, so it is one array.
 */
export interface StoredResponse {
  readonly key: string;
  readonly status: number;
  /** End-to-end fields as they are served: without `age`, `date` included, `content-length` of `body` included. */
  readonly fields: Readonly<Fields>;
  readonly body: Uint8Array<ArrayBuffer>;
  /** Local clock when the request was sent and when its response came (RFC 9111 §4.2.3). */
  readonly requestTimeMs: number;
  readonly responseTimeMs: number;
  readonly freshness: Freshness;
  /**
   * Names (lower case) and normalised values of the request fields that selected it, by its `Vary`; empty where it has none.
   * A value of `null` says that the request had no such field (RFC 9111 §4.1).
   */
  readonly selectedBy: ReadonlyArray<readonly [name: string, value: string | null]>;
  /** Purge tags, sorted. */
  readonly tags: readonly string[];
  /** Tiers it may stay in. */
  readonly tiers: Tiers;
}

/** What a stored response is put together from, once its whole body is there. */
export interface StoredParts extends Omit<StoredResponse, "fields"> {
  /** Without `content-length`. */
  readonly fields: Readonly<Fields>;
}

/** A stored response of its parts: the length of its body becomes its `content-length`, where the status allows content. */
export function storedResponse(parts: StoredParts): StoredResponse {
  const fields = parts.fields.filter(([name]) => name !== "content-length");
  if (parts.status !== 204) fields.push(["content-length", String(parts.body.byteLength)]);
  return { ...parts, fields };
}

/** Which tiers a response may be kept in. */
export interface Tiers {
  readonly memory: boolean;
  readonly disk: boolean;
}

/** The part of a stored response that a purge or an accounting needs; kept beside the body in every tier. */
export type Tier = "memory" | "disk";

/** Bytes that a stored response is counted with in memory: body, fields, key and a flat share for the objects around them. */
export function heldBytes(response: StoredResponse): number {
  let bytes = 512 + response.body.byteLength + response.key.length * 2;
  for (const [name, value] of response.fields) bytes += 32 + (name.length + value.length) * 2;
  return bytes;
}
