/** Statuses for messages that break the grammar or a limit. */
export type RefusalStatus = 400 | 408 | 413 | 414 | 417 | 431 | 501 | 505;

/** A message that breaks the grammar of HTTP/1.1 or a limit of this gateway. The connection cannot be used after it. */
export class WireError extends Error {
  override readonly name = "WireError";

  constructor(
    /** The status that a server answers; to a client all of them mean an invalid response. */
    readonly status: RefusalStatus,
    /** The defect and the rule; it repeats nothing that the peer sent. */
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** A message that ended before it was complete: the sender is probably gone (RFC 9112 §8). */
export class TruncatedMessage extends WireError {
  constructor(message: string) {
    super(400, message);
  }
}
