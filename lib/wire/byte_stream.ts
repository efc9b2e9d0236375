/** Both directions of one connection over TCP, a unix socket or TLS. A `Deno.Conn` is one. */
export interface ByteStream {
  /** Reads at least one byte into `target`; `null` at the end of the stream. Rejects once the stream is closed. */
  read(target: Uint8Array): Promise<number | null>;
  /** Writes some of `bytes` and answers how many; they are read later than the call, so they must not change until it settles. */
  write(bytes: Uint8Array): Promise<number>;
  /** Ends the sending direction; the other direction can still be read. */
  closeWrite(): Promise<void>;
  /** Ends both directions at once; pending reads and writes reject. */
  close(): void;
  /** The same without telling the other side that this is the end, where the layer has a word for that, as TLS has (RFC 8446 §6.1). */
  abort?(): void;
}

/** Writes all of `bytes`. */
export async function writeAll(stream: Pick<ByteStream, "write">, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await stream.write(bytes.subarray(at));
}
