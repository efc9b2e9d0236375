import type { Fields } from "../http/fields.ts";

/** The content of a message, read once from front to end, its framing taken off (RFC 9112 §6). */
export interface BodySource {
  /** From `Content-Length`; `null` where the length is not stated. */
  readonly lengthBytes: number | null;
  /**
   * The next content, or `null` after a complete end. The chunk is lent: it is valid until the next call only.
   *
   * @throws {Error} where the content breaks off, is malformed or does not come in time
   */
  read(): Promise<Uint8Array | null>;
  /** Gives up the rest. Safe to call twice and after the end. */
  cancel(): void;
  /** The trailer section, once `read` has answered `null`; absent or `null` where there was none (RFC 9110 §6.5). */
  readonly trailers?: Readonly<Fields> | null;
}

/** Content that is there as a whole. */
export function bytesBody(bytes: Uint8Array): BodySource {
  let rest: Uint8Array | null = bytes.byteLength === 0 ? null : bytes;
  return {
    lengthBytes: bytes.byteLength,
    read() {
      const chunk = rest;
      rest = null;
      return Promise.resolve(chunk);
    },
    cancel() {
      rest = null;
    },
  };
}
