/** A client's connection, read in portions; it copies little, since a long run reads gigabytes. */
export class Wire {
  readonly #connection: Deno.Conn;
  readonly #memory = new Uint8Array(64 * 1024);
  #held = new Uint8Array();
  #isOver = false;

  private constructor(connection: Deno.Conn) {
    this.#connection = connection;
  }

  /** Connects to a port of 127.0.0.1. @throws {Error} where it is refused */
  static async open(port: number): Promise<Wire> {
    return new Wire(await Deno.connect({ hostname: "127.0.0.1", port }));
  }

  /** Sends all of a text as Latin-1; what the other side does not take is not told. */
  async send(text: string): Promise<void> {
    const bytes = Uint8Array.from(text, (letter) => letter.charCodeAt(0));
    try {
      for (let sent = 0; sent < bytes.length;) sent += await this.#connection.write(bytes.subarray(sent));
    } catch {
      // It may have answered before it has read everything.
    }
  }

  /** So many bytes, or what there was when the other side ended. */
  async take(lengthBytes: number): Promise<Uint8Array> {
    const parts: Uint8Array<ArrayBuffer>[] = [];
    let missing = lengthBytes;
    while (missing > 0 && (this.#held.length > 0 || await this.#more())) {
      const part = this.#held.subarray(0, missing);
      this.#held = this.#held.subarray(part.length);
      missing -= part.length;
      parts.push(part);
    }
    return joined(parts);
  }

  /** Latin-1 text up to and with `end`; empty when the other side ends before, or where nobody needs so long a text. */
  async takeThrough(end: string): Promise<string> {
    for (;;) {
      const text = latin1.decode(this.#held.subarray(0, MAX_TEXT_BYTES));
      const at = text.indexOf(end);
      if (at >= 0) {
        this.#held = this.#held.subarray(at + end.length);
        return text.slice(0, at + end.length);
      }
      if (this.#held.length >= MAX_TEXT_BYTES || !await this.#more()) return "";
    }
  }

  close(): void {
    this.#isOver = true;
    try {
      this.#connection.close();
    } catch {
      // It is closed.
    }
  }

  async #more(): Promise<boolean> {
    if (this.#isOver) return false;
    let size: number | null = null;
    try {
      size = await this.#connection.read(this.#memory);
    } catch {
      // A reset: what came before it counts.
    }
    if (size === null) {
      this.#isOver = true;
      return false;
    }
    const chunk = this.#memory.slice(0, size);
    this.#held = this.#held.length === 0 ? chunk : joined([this.#held, chunk]);
    return true;
  }
}

const MAX_TEXT_BYTES = 64 * 1024;
const latin1 = new TextDecoder("latin1");

function joined(parts: readonly Uint8Array<ArrayBuffer>[]): Uint8Array<ArrayBuffer> {
  if (parts.length === 1) return parts[0]!;
  const bytes = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
