import { Buffer } from "node:buffer";

/** Bytes as Latin-1 text; a `TextDecoder` of that name would read windows-1252. */
export function latin1Text(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1");
}

/** Latin-1 text as bytes. */
export function latin1(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

/** A request as it came over the wire. */
export interface RawRequest {
  /** Request line and field section, without the closing empty line. */
  readonly head: string;
  /** Read as `Content-Length` says; empty for chunked bodies, of which the handler reads what it wants. */
  readonly body: string;
}

/** The server's side of one connection. */
export class RawConnection {
  #buffered = "";
  #isClosed = false;

  constructor(readonly socket: Deno.Conn, readonly number: number) {}

  /** The next bytes as Latin-1 text; `null` once the client has closed. */
  async readSome(): Promise<string | null> {
    if (this.#buffered !== "") {
      const text = this.#buffered;
      this.#buffered = "";
      return text;
    }
    const bytes = new Uint8Array(65536);
    try {
      const count = await this.socket.read(bytes);
      return count === null ? null : latin1Text(bytes.subarray(0, count));
    } catch {
      return null;
    }
  }

  /** Reads until `isEnough`; `null` where the client closes before. */
  async readUntil(isEnough: (text: string) => boolean): Promise<string | null> {
    let text = "";
    while (!isEnough(text)) {
      const more = await this.readSome();
      if (more === null) return null;
      text += more;
    }
    return text;
  }

  async readRequest(): Promise<RawRequest | null> {
    const text = await this.readUntil((text) => text.includes("\r\n\r\n"));
    if (text === null) return null;
    const bodyStart = text.indexOf("\r\n\r\n") + 4;
    const head = text.slice(0, bodyStart - 4);
    const lengthBytes = Number(/\r\ncontent-length: (\d+)/i.exec(head)?.[1] ?? 0);
    this.#buffered = text.slice(bodyStart);
    const body = lengthBytes === 0 ? "" : await this.readUntil((text) => text.length >= lengthBytes);
    if (body === null) return null;
    this.#buffered += body.slice(lengthBytes);
    return { head, body: body.slice(0, lengthBytes) };
  }

  /** Writes text or bytes; a client that is gone is no error here. */
  async write(data: string | Uint8Array): Promise<void> {
    const bytes = typeof data === "string" ? latin1(data) : data;
    try {
      for (let at = 0; at < bytes.length;) at += await this.socket.write(bytes.subarray(at));
    } catch {
      // The client closed: the test looks at what the client says.
    }
  }

  /** Until the client closes. */
  async drain(): Promise<void> {
    while (await this.readSome() !== null);
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.socket.close();
  }
}

/** How a {@linkcode RawServer} treats a connection; the connection is closed afterwards. */
export type RawHandler = (connection: RawConnection) => Promise<void>;

/** A TCP or TLS server on loopback that says exactly what its handler says. */
export class RawServer implements AsyncDisposable {
  readonly port: number;
  /** Connections accepted so far. */
  accepted = 0;
  readonly #listener: Deno.Listener;
  readonly #handler: RawHandler;
  readonly #open = new Set<RawConnection>();
  readonly #handling = new Set<Promise<void>>();
  readonly #accepting: Promise<void>;
  #isClosed = false;

  constructor(handler: RawHandler, tls?: { cert: string; key: string }) {
    this.#handler = handler;
    const where = { hostname: "127.0.0.1", port: 0 };
    this.#listener = tls === undefined ? Deno.listen(where) : Deno.listenTls({ ...where, ...tls });
    this.port = (this.#listener.addr as Deno.NetAddr).port;
    this.#accepting = this.#accept();
  }

  get url(): URL {
    return new URL(`http://127.0.0.1:${this.port}`);
  }

  get openCount(): number {
    return this.#open.size;
  }

  /** Closes the server's side of every connection. */
  closeConnections(): void {
    for (const connection of this.#open) connection.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    this.#listener.close();
    this.closeConnections();
    await this.#accepting;
    await Promise.all(this.#handling);
  }

  async #accept(): Promise<void> {
    while (!this.#isClosed) {
      let socket: Deno.Conn;
      try {
        socket = await this.#listener.accept();
      } catch {
        continue;
      }
      const connection = new RawConnection(socket, ++this.accepted);
      this.#open.add(connection);
      const handling = this.#handler(connection).finally(() => {
        connection.close();
        this.#open.delete(connection);
        this.#handling.delete(handling);
      });
      this.#handling.add(handling);
    }
  }
}

/** A server that answers the n-th request of every connection with the same bytes and keeps the connection open. */
export function answering(response: string | Uint8Array): RawServer {
  return new RawServer(async (connection) => {
    while (await connection.readRequest() !== null) await connection.write(response);
  });
}
