import { type StoredParts, type StoredResponse, storedResponse } from "../../lib/cache/stored_response.ts";

/** A stored response with a body of `bytes`, fresh for a minute, and what else is asked for. */
export function sample(key: string, bytes: number, over: Partial<StoredParts> = {}): StoredResponse {
  return storedResponse({
    key,
    status: 200,
    fields: [["content-type", "text/plain"]],
    body: patterned(bytes),
    requestTimeMs: 1_000,
    responseTimeMs: 1_010,
    freshness: {
      initialAgeMs: 0,
      lifetimeMs: 60_000,
      staleWhileRevalidateMs: 0,
      staleIfErrorMs: 0,
      mustRevalidate: false,
      alwaysValidate: false,
    },
    selectedBy: [],
    tags: [],
    tiers: { memory: true, disk: true },
    ...over,
  });
}

/** Bytes that no shifted, torn or mixed copy equals. */
export function patterned(bytes: number): Uint8Array<ArrayBuffer> {
  const body = new Uint8Array(bytes);
  for (let at = 0; at < bytes; at++) body[at] = (at * 31 + (at >>> 8) * 17 + (at >>> 16)) & 255;
  return body;
}
