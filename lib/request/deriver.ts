import type { StoredResponse } from "../cache/stored_response.ts";
import type { TypedRequest } from "../upstream_type/upstream_type.ts";

/** A response that was made of another stored one. */
export interface Derived {
  /**
   * Whole, at the key of the exchange (`exchange.key`), with its own `etag` and no other validator, and with the times, the freshness
   * and the tags of what it was made of. The same object for the same source, as far as that can be: what it is compressed to and
   * its fields are remembered by it.
   */
  readonly response: StoredResponse;
  /** The tier that its source was found in. */
  readonly tier: "memory" | "disk";
  /** How it came about, for `Cache-Status`: a token. */
  readonly detail: string;
}

/**
 * Makes responses for a listener out of others that are stored: a smaller document out of a larger, a picture out of a bigger one.
 *
 * It is asked when no upstream has been asked yet and what is stored for the request, if anything, cannot serve it; for `GET` and `HEAD`
 * alike, and never for requests that are private or carry `If-Match` or `If-Unmodified-Since`. It has to see to it itself that its
 * source is valid (not invalidated, not stale, no marker) and the request's to use. Whatever it does must be bounded, in time too: the
 * client waits. What it throws is logged, and an upstream is asked as if it had answered `null`. What it is handed is the request's
 * `Exchange`, which this file must not know: a listener has a deriver, and an exchange has a listener.
 */
export interface Deriver {
  /** A response for the request, or `null`: an upstream is asked then. Answers at once where it can. */
  derive(exchange: TypedRequest): Derived | null | Promise<Derived | null>;
  /** Told of each response of the listener that was put into the store, or renewed there. It must not throw. */
  kept?(exchange: TypedRequest, stored: StoredResponse): void;
}
