import type { ByteStream } from "../wire/byte_stream.ts";
import type { Connection } from "./_connection.ts";
import type { UpstreamBody } from "./transport.ts";

/** A connection that has gone on as another protocol, from the first byte behind the 101 response on (RFC 9110 §15.2.2). */
export class Tunnel implements ByteStream {
  readonly #connection: Connection;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  read(target: Uint8Array): Promise<number | null> {
    const { bytes, start, end, socket, isClosed } = this.#connection;
    if (start === end || isClosed) return socket.read(target);
    const count = Math.min(target.length, end - start);
    target.set(bytes.subarray(start, start + count));
    this.#connection.start += count;
    return Promise.resolve(count);
  }

  write(bytes: Uint8Array): Promise<number> {
    return this.#connection.socket.write(bytes);
  }

  closeWrite(): Promise<void> {
    return this.#connection.socket.closeWrite();
  }

  close(): void {
    this.#connection.close();
  }

  /** A 101 response has no content; whoever gives it up gives up the tunnel. */
  get body(): UpstreamBody {
    return {
      lengthBytes: 0,
      read: () => Promise.resolve(null),
      readAll: () => Promise.resolve(new Uint8Array(0)),
      cancel: () => this.close(),
    };
  }
}
