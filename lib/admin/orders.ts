import { CLIENT_NAMES } from "../clients/client_requests.ts";
import { z } from "zod";
import type { PrewarmOrder } from "../workers/operations/prewarmer.ts";

/** Bytes of a request's body that are taken, at most. */
const MAX_BYTES = 1024 * 1024;

/** A body read as JSON, or why it cannot be. */
export type JsonReading =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly status: 400 | 413 | 415; readonly problem: string };

/**
 * Reads a request's body as JSON, at most 1 MiB of it. The media type must say JSON: a form on another site's page cannot send that
 * without being asked for permission first (CORS).
 */
export async function readJson(request: Request): Promise<JsonReading> {
  const type = request.headers.get("content-type") ?? "";
  if (!/^application\/json(?:\s*;|$)/i.test(type)) {
    return { ok: false, status: 415, problem: "Send the body as application/json" };
  }
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  let bytes = 0;
  try {
    for await (const chunk of request.body ?? []) {
      bytes += chunk.byteLength;
      if (bytes > MAX_BYTES) return { ok: false, status: 413, problem: `The body is larger than ${MAX_BYTES} bytes` };
      chunks.push(chunk);
    }
  } catch {
    return { ok: false, status: 400, problem: "The body breaks off, or its framing is broken" };
  }
  try {
    return { ok: true, value: JSON.parse(await new Blob(chunks).text()) };
  } catch {
    return { ok: false, status: 400, problem: "The body is no JSON" };
  }
}

const MAX_PATHS = 10_000;
const target = z.string().max(8192).regex(/^(?:\/|https?:\/\/)[^\s#\p{Cc}]*$/iu, {
  error: "must be a path that begins with / or a URL",
});

/**
 * Reads the body of a prewarm request: `listener`; `paths`, `concurrency` and `rate` in place of what is configured; `pictures` that
 * the documents name.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { prewarmOrder } from "./orders.ts";
 * const order = prewarmOrder.parse({ listener: "api", paths: ["/3/movie/550"] });
 * assert.deepEqual(order.targets, ["/3/movie/550"]);
 * assert.deepEqual([order.concurrency, order.ratePerSecond, order.pictures], [null, null, null]);
 * assert.equal(prewarmOrder.safeParse({ listener: "api", paths: ["movie"] }).success, false);
 * ```
 */
export const prewarmOrder = z.strictObject({
  listener: z.string().min(1).max(64),
  paths: z.array(target).min(1).max(MAX_PATHS).optional(),
  concurrency: z.int().min(1).max(64).optional(),
  rate: z.int().min(1).max(10_000).optional(),
  pictures: z.strictObject({
    listener: z.string().min(1).max(64),
    clients: z.array(z.enum(CLIENT_NAMES)).min(1).max(CLIENT_NAMES.length),
  }).optional(),
}).transform((
  { listener, paths = null, concurrency = null, rate = null, pictures = null },
): PrewarmOrder => ({ listener, targets: paths, concurrency, ratePerSecond: rate, pictures }));
