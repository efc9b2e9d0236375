import type { Fill } from "../cache/flights/fill.ts";
import type { StoredHead, StoredResponse } from "../cache/stored_response.ts";
import type { Fields } from "../http/fields.ts";
import type { ByteRange } from "../http/ranges.ts";
import type { UpstreamBody, UpstreamFailure } from "../upstream_client/transport.ts";
import type { ByteStream } from "../wire/byte_stream.ts";
import type { CacheNote } from "./cache_note.ts";

/** The answer to a request, as a value: nothing of it has been sent, and its sender need not know where it came from. */
export type Answer = StoredAnswer | FillingAnswer | StreamingAnswer | MadeAnswer;

/** A complete response from the store, or made of one. */
export interface StoredAnswer {
  readonly kind: "stored";
  readonly note: CacheNote;
  readonly response: StoredResponse;
  /** It is the requested range already: conditions, ranges and codings apply no more. */
  readonly isPartial?: boolean;
  /** Its picture format was chosen by `Accept`: it gets no content coding. */
  readonly isChosen?: boolean;
  /** It has just come from an upstream: no coding of it exists yet. */
  readonly isNew?: boolean;
  /** The gzip bytes that the upstream sent. */
  readonly gzip?: GzipForm;
}

/** A response, and the gzip bytes that its body was decoded from. */
export interface GzipForm {
  readonly of: StoredResponse;
  readonly coded: Uint8Array<ArrayBuffer>;
}

/** A response that is being stored: its body is still coming in, and other requests may read it, too. */
export interface FillingAnswer {
  readonly kind: "filling";
  readonly note: CacheNote;
  readonly head: StoredHead;
  readonly fill: Fill;
  /** The range of the body that is sent; absent for all of it. */
  readonly range?: ByteRange;
}

/** An upstream's answer that is passed on as it comes in. */
export interface StreamingAnswer {
  readonly kind: "streaming";
  readonly note: CacheNote;
  readonly status: number;
  /** For the client: end-to-end fields, with `via`. */
  readonly fields: Fields;
  readonly body: UpstreamBody;
  /** Reads the body in place of its own `read`. */
  readonly read?: () => Promise<Uint8Array | null>;
  /** To be called once, when the body has been read to its end or, with a failure, has broken off. */
  readonly onEnd: (failure?: UpstreamFailure) => void;
  /** To be called in place of `onEnd` when reading stops: the client has left, or wants the fields only. */
  readonly onLeave: () => void;
  /** Method of the request to the upstream. */
  readonly askedMethod: string;
  /** Milliseconds since the Unix epoch. */
  readonly requestTimeMs: number;
  readonly receivedAtMs: number;
  /** With status 101: the connection to the upstream, which speaks the other protocol now. */
  readonly tunnel?: ByteStream;
}

/** A response that the gateway made: an error, a range of a stored response, an answer without content. */
export interface MadeAnswer {
  readonly kind: "made";
  readonly note: CacheNote;
  readonly status: number;
  readonly fields: Fields;
  /** In one piece or several. */
  readonly body: Uint8Array | readonly Uint8Array[] | null;
  /** Fields that the listener's changes of upstreams' fields do not apply to. */
  readonly ownFields?: Fields;
  /** Code of the error. */
  readonly error?: string;
  /** Its client has left. */
  readonly isUnheard?: boolean;
}
