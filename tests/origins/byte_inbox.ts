import { Buffer } from "node:buffer";
import type { Socket } from "node:net";

/** Bytes that arrive on a socket, taken in the portions that a test's origin reads them in. */
export class ByteInbox {
  /** Resolves when the other side has ended or the socket has closed, however. */
  readonly ended: Promise<void>;
  #held = new Uint8Array(0);
  #isOver = false;
  #wake: () => void = () => {};

  constructor(socket: Socket) {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.ended = promise;
    const over = () => {
      this.#isOver = true;
      this.#wake();
      resolve();
    };
    socket.on("data", (chunk: Uint8Array) => this.#add(chunk));
    for (const event of ["end", "close", "error"]) socket.on(event, over);
  }

  /** Exactly `lengthBytes`, or what there was when the other side ended. */
  async take(lengthBytes: number): Promise<Uint8Array> {
    while (this.#held.length < lengthBytes && !this.#isOver) await this.#more();
    return this.#remove(Math.min(lengthBytes, this.#held.length));
  }

  /** Latin-1 text up to and with `end`; empty when the other side ends before. */
  async takeThrough(end: string): Promise<string> {
    for (;;) {
      const text = Buffer.from(this.#held).toString("latin1");
      const at = text.indexOf(end);
      if (at !== -1) return Buffer.from(this.#remove(at + end.length)).toString("latin1");
      if (this.#isOver) return "";
      await this.#more();
    }
  }

  #add(chunk: Uint8Array): void {
    const grown = new Uint8Array(this.#held.length + chunk.length);
    grown.set(this.#held);
    grown.set(chunk, this.#held.length);
    this.#held = grown;
    this.#wake();
  }

  #remove(lengthBytes: number): Uint8Array {
    const taken = this.#held.slice(0, lengthBytes);
    this.#held = this.#held.slice(lengthBytes);
    return taken;
  }

  #more(): Promise<void> {
    return new Promise((resolve) => this.#wake = resolve);
  }
}
