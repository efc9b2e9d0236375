import type { ByteStream } from "../wire/byte_stream.ts";
import type { Input } from "./_input.ts";
import type { RequestBody } from "./_request_body.ts";

/** Content that nobody read is taken off the connection up to here, for the next request's sake. */
export const MAX_DRAIN_BYTES = 256 * 1024;

/** And for so long at most. */
export const DRAIN_MS = 5_000;

/** What a client still sends when its connection ends is taken for so long. */
export const LINGER_MS = 2_000;

const MAX_LINGER_BYTES = 8 * 1024 * 1024;

/**
 * Ends the own direction and drops what the client still sends, within a bound. A socket that is closed with bytes unread resets the
 * connection, and the client might lose the reply by that (RFC 9112 §9.6). `body` is the content that nobody reads any more.
 */
export async function linger(stream: ByteStream, input: Input, body: RequestBody | null): Promise<void> {
  await stream.closeWrite();
  // Its read may be under way.
  await body?.idle();
  for (let left = MAX_LINGER_BYTES; left > 0;) {
    input.use(input.length);
    input.prepareContent(Infinity);
    const count = input.isEnded ? null : await input.read();
    if (count === null || !input.took(count)) return;
    left -= count;
  }
}
