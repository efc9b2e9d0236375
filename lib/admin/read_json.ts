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
  for await (const chunk of request.body ?? []) {
    bytes += chunk.byteLength;
    if (bytes > MAX_BYTES) return { ok: false, status: 413, problem: `The body is larger than ${MAX_BYTES} bytes` };
    chunks.push(chunk);
  }
  try {
    return { ok: true, value: JSON.parse(await new Blob(chunks).text()) };
  } catch {
    return { ok: false, status: 400, problem: "The body is no JSON" };
  }
}
