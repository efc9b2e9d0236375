import type { Fill } from "../cache/flights/fill.ts";
import type { StoredHead, StoredResponse } from "../cache/stored_response.ts";
import type { Fields } from "../http/fields.ts";
import type { ByteRange } from "../http/ranges.ts";
import type { UpstreamBody, UpstreamFailure } from "../upstream_client/transport.ts";
import type { ByteStream } from "../wire/byte_stream.ts";
import type { CacheNote } from "./cache_note.ts";

/** What a request is answered with, as a value: nothing of it has been sent, and what sends it need not know where it came from. */
export type Answer = StoredAnswer | FillingAnswer | StreamingAnswer | MadeAnswer;

/** A complete response that the cache holds, or that was made of one. */
export interface StoredAnswer {
  readonly kind: "stored";
  readonly note: CacheNote;
  readonly response: StoredResponse;
  /** It is what a range request asked for: no condition, range or coding applies to it any more. */
  readonly isPartial?: boolean;
  /** Its form has been chosen by `Accept`: it is not coded as well. */
  readonly isChosen?: boolean;
  /** It has just come from an upstream: no coding of it has been made yet. */
  readonly isNew?: boolean;
  /** What the upstream sent it as. */
  readonly gzip?: GzipForm;
}

/** A response, and the gzip bytes that its body was decoded from. */
export interface GzipForm {
  readonly of: StoredResponse;
  readonly coded: Uint8Array<ArrayBuffer>;
}

/** A response that is being stored: its body is still coming in, and others may read along. */
export interface FillingAnswer {
  readonly kind: "filling";
  readonly note: CacheNote;
  readonly head: StoredHead;
  readonly fill: Fill;
  /** Of a range request: the part of the body that is sent. */
  readonly range?: ByteRange;
}

/** An upstream's answer on its way through. */
export interface StreamingAnswer {
  readonly kind: "streaming";
  readonly note: CacheNote;
  readonly status: number;
  /** As the client is to get them: end-to-end, with `via`. */
  readonly fields: Fields;
  readonly body: UpstreamBody;
  /** Reads the body in place of its own `read`. */
  readonly read?: () => Promise<Uint8Array | null>;
  /** To be called once: the body has been read to its end or, with a failure, broke off. */
  readonly onEnd: (failure?: UpstreamFailure) => void;
  /** To be called in place of `onEnd` where nobody reads on: the client has left, or wants the fields only. */
  readonly onLeave: () => void;
  /** What the upstream was asked with. */
  readonly askedMethod: string;
  /** Milliseconds since the Unix epoch. */
  readonly requestTimeMs: number;
  readonly receivedAtMs: number;
  /** With status 101: the upstream's side of the connection that has become another protocol. */
  readonly tunnel?: ByteStream;
}

/** A response that was made here: an error, a part of a stored response, an answer without content. */
export interface MadeAnswer {
  readonly kind: "made";
  readonly note: CacheNote;
  readonly status: number;
  readonly fields: Fields;
  /** In one or several pieces. */
  readonly body: Uint8Array | readonly Uint8Array[] | null;
  /** Lines that the listener's own rules for fields of upstreams leave alone. */
  readonly ownFields?: Fields;
  /** Code of the error that it tells. */
  readonly error?: string;
  /** Nobody is there to get it: it came of the client's leaving. */
  readonly isUnheard?: boolean;
}
