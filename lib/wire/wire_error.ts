/** Statuses that a message which breaks the grammar, or a limit, is refused with. */
export type RefusalStatus = 400 | 408 | 413 | 414 | 417 | 431 | 501 | 505;

/** A message that breaks the grammar of HTTP/1.1 or a limit of this gateway. The connection cannot be used after it. */
export class WireError extends Error {
  override readonly name = "WireError";

  constructor(
    /** What a server answers with; a client takes each of them for a response that is not valid. */
    readonly status: RefusalStatus,
    /** What is wrong and what is allowed; it repeats nothing that the peer sent. */
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** A message that its sender ended before it was complete: most likely nobody is there any more (RFC 9112 §8). */
export class TruncatedMessage extends WireError {
  constructor(message: string) {
    super(400, message);
  }
}
