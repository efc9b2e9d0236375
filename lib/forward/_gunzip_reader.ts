import { createGunzip } from "node:zlib";

/** What is read chunk by chunk, and may be given up. */
export interface ChunkReader {
  /** The next chunk; `null` after the end. Not to be called while another call is under way. */
  read(): Promise<Uint8Array<ArrayBuffer> | null>;
  cancel(): void;
}

/**
 * Gzip that is decoded as it comes in. Unlike the runtime's own stream it takes several members, one behind the other, and padding
 * (RFC 1952 §2.2), and a short body costs a third.
 */
export class GunzipReader implements ChunkReader {
  readonly #coded: () => Promise<Uint8Array | null>;
  readonly #gunzip = createGunzip();
  readonly #decoded: Uint8Array<ArrayBuffer>[] = [];
  #bytes = 0;
  #error: Error | null = null;
  #isEnded = false;
  #wake: () => void = () => {};

  /**
   * @param coded reads what is to be decoded
   * @param limitBytes no more than that, and one piece, is ever decoded
   */
  constructor(coded: () => Promise<Uint8Array | null>, limitBytes: number) {
    this.#coded = coded;
    this.#gunzip.on("data", (chunk: Uint8Array<ArrayBuffer>) => {
      this.#decoded.push(new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength));
      this.#bytes += chunk.byteLength;
      // One chunk may hold a thousand times its size.
      if (this.#bytes > limitBytes) this.#end();
    });
    this.#gunzip.on("end", () => this.#end());
    this.#gunzip.on("error", (error: Error) => {
      this.#error = error;
      this.#wake();
    });
  }

  /** @throws {Error} what zlib says of content that is no gzip, or is cut short; what reading it throws */
  async read(): Promise<Uint8Array<ArrayBuffer> | null> {
    while (this.#decoded.length === 0) {
      if (this.#error !== null) throw this.#error;
      if (this.#isEnded) return null;
      const chunk = await this.#coded();
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        if (chunk === null) this.#gunzip.end();
        else this.#gunzip.write(chunk, () => resolve());
      });
    }
    return this.#decoded.shift()!;
  }

  cancel(): void {
    this.#end();
  }

  #end(): void {
    this.#isEnded = true;
    this.#gunzip.destroy();
    this.#wake();
  }
}
