import type { ByteStream } from "../wire/byte_stream.ts";
import type { Input } from "./_input.ts";
import type { RequestBody } from "./_request_body.ts";

/** Most unread content that is skipped to reach the next request. */
export const MAX_DRAIN_BYTES = 256 * 1024;

/** Longest time for that. */
export const DRAIN_MS = 5_000;

/** Longest time for which a closing connection is drained. */
export const LINGER_MS = 2_000;

const MAX_LINGER_BYTES = 8 * 1024 * 1024;

/**
 * Ends the sending direction and discards what the client still sends, up to a limit. Closing a socket with unread bytes resets the
 * connection, and the client might lose the reply (RFC 9112 §9.6). `body` is the unread content of the last request.
 */
export async function linger(stream: ByteStream, input: Input, body: RequestBody | null): Promise<void> {
  await stream.closeWrite();
  // Its read may be pending.
  await body?.idle();
  for (let left = MAX_LINGER_BYTES; left > 0;) {
    input.use(input.length);
    input.prepareContent(Infinity);
    const count = input.isEnded ? null : await input.read();
    if (count === null || !input.took(count)) return;
    left -= count;
  }
}
