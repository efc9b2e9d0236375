import { type UpstreamBody, UpstreamFailure } from "./transport.ts";

/** The exchange that a body belongs to. */
export interface FetchBodyOwner {
  /** Sets the deadline of the next chunk. */
  arm(): void;
  disarm(): void;
  /** The exchange is over, well or not. */
  finish(): void;
  /** Ends the exchange and returns the failure that `error` stands for. */
  fail(error: unknown): UpstreamFailure;
}

function failure(kind: "truncated" | "too_large" | "aborted", message: string): UpstreamFailure {
  return new UpstreamFailure(kind, `Cannot read the response body: ${message}`, true);
}

/** The body of a response by `fetch`, counted against its announced length. */
export class FetchBody implements UpstreamBody {
  readonly #owner: FetchBodyOwner;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>>;
  #receivedBytes = 0;
  #isEnded = false;
  #failure: UpstreamFailure | null = null;

  constructor(
    owner: FetchBodyOwner,
    stream: ReadableStream<Uint8Array<ArrayBuffer>>,
    readonly lengthBytes: number | null,
  ) {
    this.#owner = owner;
    this.#reader = stream.getReader();
  }

  async read(): Promise<Uint8Array<ArrayBuffer> | null> {
    if (this.#failure !== null) throw this.#failure;
    if (this.#isEnded) return null;
    this.#owner.arm();
    try {
      const { done, value } = await this.#reader.read();
      this.#owner.disarm();
      return done ? this.#end() : this.#count(value);
    } catch (error) {
      throw this.#fail(error);
    }
  }

  async readAll(limitBytes: number): Promise<Uint8Array<ArrayBuffer>> {
    const chunks: Uint8Array<ArrayBuffer>[] = [];
    for (let chunk = await this.read(); chunk !== null; chunk = await this.read()) {
      if (this.#receivedBytes > limitBytes) throw this.#fail(failure("too_large", `over ${limitBytes} bytes`));
      chunks.push(chunk);
    }
    return new Uint8Array(await new Blob(chunks).arrayBuffer());
  }

  cancel(): void {
    if (!this.#isEnded && this.#failure === null) this.#fail(failure("aborted", "given up by its reader"));
  }

  #count(chunk: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
    this.#receivedBytes += chunk.length;
    // Also how a body would show that was decoded on its way and still has its old length.
    if (this.lengthBytes !== null && this.#receivedBytes > this.lengthBytes) {
      throw failure("truncated", `more than its ${this.lengthBytes} bytes`);
    }
    return chunk;
  }

  #end(): null {
    const { lengthBytes } = this;
    if (lengthBytes !== null && this.#receivedBytes < lengthBytes) {
      throw failure("truncated", `${lengthBytes - this.#receivedBytes} of ${lengthBytes} bytes missing`);
    }
    this.#isEnded = true;
    this.#owner.finish();
    return null;
  }

  #fail(error: unknown): UpstreamFailure {
    this.#failure ??= this.#owner.fail(error);
    // An unread body would hold the window of its connection for good.
    this.#reader.cancel().catch(() => {});
    return this.#failure;
  }
}
