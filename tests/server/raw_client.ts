import { Buffer } from "node:buffer";
import net from "node:net";
import type { ByteStream } from "../../lib/wire/byte_stream.ts";

/** The bytes of Latin-1 text. */
export function latin1(text: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.from(text, "latin1"));
}

/** Latin-1 text of bytes. */
export function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1");
}

/** A response as it came over the wire. */
export interface RawResponse {
  readonly status: number;
  /** Status line and field lines, without the closing empty line. */
  readonly head: string;
  /** The field's value by its lower-case name, or `undefined`. */
  readonly field: (name: string) => string | undefined;
  /** Content, its framing taken off. */
  readonly body: string;
  /** Lines of the trailer section. */
  readonly trailers: readonly string[];
}

/** A client that says exactly what a test has it say. */
export class RawClient {
  readonly #socket: ByteStream;
  #buffered = "";

  private constructor(socket: ByteStream) {
    this.#socket = socket;
  }

  /** Connects to `host:port` or `unix:PATH`. */
  static async to(address: string): Promise<RawClient> {
    return new RawClient(await dial(address));
  }

  /** Speaks over what is connected already. */
  static over(stream: ByteStream): RawClient {
    return new RawClient(stream);
  }

  /** What was received and not read yet. */
  get buffered(): string {
    return this.#buffered;
  }

  /** Forgets what was received; answers how much that was. */
  drop(): number {
    const { length } = this.#buffered;
    this.#buffered = "";
    return length;
  }

  async send(message: string | Uint8Array): Promise<void> {
    const bytes = typeof message === "string" ? latin1(message) : message;
    for (let rest = bytes; rest.length > 0;) rest = rest.subarray(await this.#socket.write(rest));
  }

  /** Ends the own direction. */
  async endSending(): Promise<void> {
    await this.#socket.closeWrite();
  }

  /** Reads more; `false` at the end. */
  async receive(sizeBytes = 65_536): Promise<boolean> {
    const bytes = new Uint8Array(sizeBytes);
    const count = await this.#socket.read(bytes);
    if (count !== null) this.#buffered += textOf(bytes.subarray(0, count));
    return count !== null;
  }

  /** Takes `count` characters off what comes. */
  async take(count: number): Promise<string> {
    while (this.#buffered.length < count) {
      if (!await this.receive()) {
        throw new Error(`The connection ended after ${JSON.stringify(this.#buffered.slice(-300))}`);
      }
    }
    const taken = this.#buffered.slice(0, count);
    this.#buffered = this.#buffered.slice(count);
    return taken;
  }

  /** Takes everything up to `mark`, which is taken off too. */
  async takeUntil(mark: string): Promise<string> {
    let at: number;
    while ((at = this.#buffered.indexOf(mark)) < 0) {
      if (!await this.receive()) {
        throw new Error(`The connection ended after ${JSON.stringify(this.#buffered.slice(-300))}`);
      }
    }
    return (await this.take(at + mark.length)).slice(0, at);
  }

  /** Everything until the server ends the connection. */
  async rest(): Promise<string> {
    while (await this.receive());
    return await this.take(this.#buffered.length);
  }

  /** The next response, interim ones included; content by its framing. */
  async response(method = "GET"): Promise<RawResponse> {
    const head = await this.takeUntil("\r\n\r\n");
    const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(head)?.[1]);
    const field = (name: string) => new RegExp(`^${name}: *(.*)$`, "im").exec(head.replaceAll("\r", ""))?.[1];
    const content = { body: "", trailers: [] as string[] };
    const isBare = method === "HEAD" || status < 200 || status === 204 || status === 304;
    const length = field("content-length");
    if (!isBare && field("transfer-encoding") === "chunked") Object.assign(content, await this.#chunked());
    else if (!isBare && length !== undefined) content.body = await this.take(Number(length));
    else if (!isBare) content.body = await this.rest();
    return { status, head, field, ...content };
  }

  async #chunked(): Promise<{ body: string; trailers: string[] }> {
    let body = "";
    for (;;) {
      const size = parseInt(await this.takeUntil("\r\n"), 16);
      if (size === 0) break;
      body += await this.take(size);
      if (await this.take(2) !== "\r\n") throw new Error("A chunk without its line end");
    }
    const trailers: string[] = [];
    for (let line = await this.takeUntil("\r\n"); line !== ""; line = await this.takeUntil("\r\n")) trailers.push(line);
    return { body, trailers };
  }

  [Symbol.dispose](): void {
    try {
      this.#socket.close();
    } catch {
      // Closed before.
    }
  }
}

async function dial(address: string): Promise<Deno.Conn> {
  if (address.startsWith("unix:")) return await Deno.connect({ transport: "unix", path: address.slice(5) });
  const colon = address.lastIndexOf(":");
  return await Deno.connect({ hostname: address.slice(0, colon), port: Number(address.slice(colon + 1)) });
}

/** Connects, sends, and gives a function that resets the connection, as a client does that died. */
export async function resettingClient(address: string, message: string): Promise<() => void> {
  const socket = net.connect(Number(address.slice(address.lastIndexOf(":") + 1)), "127.0.0.1");
  socket.on("error", () => {});
  await new Promise<void>((resolve) => socket.once("connect", () => resolve()));
  await new Promise<void>((resolve) => socket.write(Buffer.from(message, "latin1"), () => resolve()));
  return () => void socket.resetAndDestroy();
}
