import type { Fill } from "../cache/fill.ts";
import type { StoredHead } from "../cache/flight.ts";
import { bodyStream, type StreamEnd } from "./body_stream.ts";
import type { CacheNote } from "./cache_note.ts";
import type { Exchange } from "./exchange.ts";
import { respondStored, respondStreaming } from "./respond.ts";

/** A response whose body is in a fill. */
export interface Filled {
  readonly head: StoredHead;
  readonly fill: Fill;
}

/** Answers from a fill, as far as it has come and on. */
export function respondFill(exchange: Exchange, { head, fill }: Filled, note: CacheNote): Response {
  if (fill.body !== null) return respondStored(exchange, { ...head, body: fill.body }, note);
  const read = fill.reader();
  const stream = (onEnd: (end: StreamEnd) => void) =>
    bodyStream(read, (end) => {
      onEnd(end);
      if (end.aborted) fill.leave();
    });
  const body = { stream, cancel: () => fill.leave() };
  return respondStreaming(exchange, { status: head.status, fields: head.fields.slice() }, { body, note });
}
