import { selectingFields } from "../http/vary.ts";
import { variantKey } from "./key.ts";
import type { StoredHead, StoredResponse } from "./stored_response.ts";

/**
 * Stands at a primary key whose responses have a `Vary`: it holds no response, but the names of the request fields that select
 * one (RFC 9111 §4.1). The responses stand at their variant keys. Those asked for before `sinceMs`, or before this variant, do not count:
 * when a marker is deleted (RFC 9111 §4.4) the next one must not lead to what was there before.
 */
export function varyMarker(
  primaryKey: string,
  variant: StoredResponse,
  sinceMs: number | null = null,
): StoredResponse {
  return variant.with({
    key: primaryKey,
    kind: "marker",
    requestTimeMs: sinceMs ?? variant.requestTimeMs,
    status: 0,
    fields: [],
    body: new Uint8Array(0),
    selectedBy: variant.selectedBy.map(([name]) => [name, null]),
    originTag: null,
  });
}

/** Whether what a primary key holds is a {@linkcode varyMarker}. */
export function isVaryMarker(stored: Pick<StoredHead, "kind">): boolean {
  return stored.kind === "marker";
}

/** Whether a marker leads to a variant, or to one of the same key from before an earlier marker was deleted. */
export function leadsTo(
  marker: Pick<StoredHead, "requestTimeMs">,
  variant: Pick<StoredHead, "requestTimeMs">,
): boolean {
  return variant.requestTimeMs >= marker.requestTimeMs;
}

/** The primary key of a response, whether or not it is one of several variants. */
export function primaryKeyOf({ key, selectedBy }: Pick<StoredResponse, "key" | "selectedBy">): string {
  const behind = variantKey("", selectedBy);
  return key.endsWith(behind) ? key.slice(0, key.length - behind.length) : key;
}

/** Whether both are markers that name the same fields: the earlier one leads to more variants. */
export function areSameMarkers(a: StoredResponse, b: StoredResponse): boolean {
  return isVaryMarker(a) && isVaryMarker(b) && variantKey("", a.selectedBy) === variantKey("", b.selectedBy);
}

/** The variants that the marker of a primary key leads to. */
export interface KnownVariants {
  /** The key of the one that it selects. */
  readonly key: string;
  /** Since when they count; see {@linkcode varyMarker}. */
  readonly sinceMs: number;
  /** They are told apart by `Accept-Encoding`, among others. */
  readonly isNegotiated: boolean;
}

/** From where a request knows that. */
export interface VariantSource {
  /** Of a marker, or of any of the variants. */
  readonly selectedBy: StoredResponse["selectedBy"];
  readonly sinceMs: number;
  /** The request's fields. */
  readonly header: (name: string) => string | null;
}

/** The variants known for a primary key (RFC 9111 §4.1). */
export function knownVariants(primaryKey: string, { selectedBy, sinceMs, header }: VariantSource): KnownVariants {
  const names = selectedBy.map(([name]) => name);
  const key = variantKey(primaryKey, selectingFields(names, header));
  return { key, sinceMs, isNegotiated: names.includes("accept-encoding") };
}
