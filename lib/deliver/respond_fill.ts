import type { Fill } from "../cache/fill.ts";
import type { StoredHead } from "../cache/flight.ts";
import { bodyStream, type StreamEnd } from "../request/body_stream.ts";
import type { CacheNote } from "../request/cache_note.ts";
import { clientError } from "../request/client_error.ts";
import type { Exchange } from "../request/exchange.ts";
import { rangeApplies } from "../http/conditional.ts";
import type { Fields } from "../http/fields.ts";
import { type ByteRange, parseRange } from "../http/ranges.ts";
import { pictureFields } from "./image_form.ts";
import { isDocument } from "./json_document.ts";
import { respondStreaming } from "./respond.ts";
import { codableFields, respondForm } from "./respond_form.ts";

/** A response whose body is in a fill. */
export interface Filled {
  readonly head: StoredHead;
  readonly fill: Fill;
}

/** Answers from a fill, as far as it has come and on. */
export function respondFill(
  exchange: Exchange,
  { head, fill }: Filled,
  note: CacheNote,
): Response | Promise<Response> {
  if (fill.body !== null) return respondForm(exchange, { ...head, body: fill.body }, note);
  if (exchange.rewrite !== null && isDocument(head, fill.lengthBytes)) {
    return respondWhole(exchange, { head, fill }, note);
  }
  const range = rangeOf(exchange, head, fill.lengthBytes);
  const read = range === null ? fill.reader() : within(fill.reader(), range);
  const stream = (onEnd: (end: StreamEnd) => void) =>
    bodyStream(read, (end) => {
      onEnd(end);
      if (end.aborted) fill.leave();
    });
  const body = { stream, cancel: () => fill.leave() };
  const sent = range === null
    ? { status: head.status, fields: fieldsAhead(exchange, head, fill.lengthBytes) }
    : { status: 206, fields: partialFields(head.fields, range, fill.lengthBytes) };
  return respondStreaming(exchange, sent, { body, note });
}

/**
 * The fields of a response that is passed on while it is being stored: with the `Vary` of its stored form, so that a cache behind does
 * not take the first client's form for everyone's. `null` is a length that is not known yet.
 */
export function fieldsAhead(exchange: Exchange, head: StoredHead, lengthBytes: number | null): Fields {
  return pictureFields(codableFields(exchange, head, lengthBytes), exchange.tenant.images);
}

/** Waits for a document that is to be changed. */
async function respondWhole(exchange: Exchange, { head, fill }: Filled, note: CacheNote): Promise<Response> {
  const body = await fill.whole().catch((error) => {
    throw clientError(error);
  });
  return await respondForm(exchange, { ...head, body }, note);
}

/** The one range that a client wants of a body that is still coming in; `null` sends the whole (RFC 9110 §14.2). */
function rangeOf(exchange: Exchange, head: StoredHead, lengthBytes: number): ByteRange | null {
  const asked = exchange.header("range");
  if (asked === null || exchange.method !== "GET" || head.status !== 200) return null;
  if (!rangeApplies(exchange.header("if-range"), head)) return null;
  const parsed = parseRange(asked, lengthBytes);
  return parsed.kind === "ranges" && parsed.ranges.length === 1 ? parsed.ranges[0]! : null;
}

function partialFields(fields: Readonly<Fields>, { first, last }: ByteRange, lengthBytes: number): Fields {
  const kept = fields.filter(([name]) => name !== "content-length");
  kept.push(["content-range", `bytes ${first}-${last}/${lengthBytes}`], ["content-length", String(last - first + 1)]);
  return kept;
}

/** What of a body lies within a range, as it comes. */
function within(read: () => Promise<Uint8Array | null>, { first, last }: ByteRange): () => Promise<Uint8Array | null> {
  let at = 0;
  return async () => {
    while (at <= last) {
      const chunk = await read();
      if (chunk === null) return null;
      const from = Math.max(0, first - at);
      const part = chunk.subarray(from, last + 1 - at);
      at += chunk.byteLength;
      if (part.byteLength > 0) return part;
    }
    return null;
  };
}
