/**
 * A body of known length that is being received for the cache. One writer fills it; any number of readers follow along from its start.
 * The bytes lie in one array from the beginning, so that readers and the stored response share them without a copy.
 */
export class Fill {
  readonly #body: Uint8Array<ArrayBuffer>;
  #writtenBytes: number;
  #error: Error | null = null;
  #wake: (() => void)[] = [];
  #readers = 0;
  /** Called when the last reader leaves before the body is complete. */
  onAbandoned: (() => void) | null = null;
  /** Says of the whole body, before anybody gets its last bytes, why it is not to be taken for one; `null` for no reason. */
  verify: ((body: Uint8Array<ArrayBuffer>) => Error | null) | null = null;

  private constructor(body: Uint8Array<ArrayBuffer>, writtenBytes: number) {
    this.#body = body;
    this.#writtenBytes = writtenBytes;
  }

  /** An empty fill of a body of `lengthBytes`. */
  static ofLength(lengthBytes: number): Fill {
    return new Fill(new Uint8Array(lengthBytes), 0);
  }

  /** A fill that is complete already. */
  static ofBody(body: Uint8Array<ArrayBuffer>): Fill {
    return new Fill(body, body.byteLength);
  }

  /** The length that the whole body has. */
  get lengthBytes(): number {
    return this.#body.byteLength;
  }

  /** Whether anybody reads along. */
  get isRead(): boolean {
    return this.#readers > 0;
  }

  /** The whole body once it is complete, else `null`. */
  get body(): Uint8Array<ArrayBuffer> | null {
    return this.#error === null && this.#writtenBytes === this.#body.byteLength ? this.#body : null;
  }

  /**
   * Appends a chunk.
   *
   * @throws {RangeError} when it goes beyond the length
   * @throws {Error} what {@linkcode verify} says of the whole
   */
  push(chunk: Uint8Array): void {
    if (this.#writtenBytes + chunk.byteLength > this.#body.byteLength) {
      throw new RangeError(`Cannot fill beyond ${this.#body.byteLength} bytes`);
    }
    this.#body.set(chunk, this.#writtenBytes);
    if (this.#writtenBytes + chunk.byteLength === this.#body.byteLength) {
      const error = this.verify?.(this.#body) ?? null;
      if (error !== null) throw error;
    }
    this.#writtenBytes += chunk.byteLength;
    this.#notify();
  }

  /** Ends the fill for all readers with an error, unless it is complete. */
  fail(error: Error): void {
    if (this.body !== null) return;
    this.#error ??= error;
    this.#notify();
  }

  /**
   * The whole body, when it is complete; rejects when the fill fails. A caller that waits for it is a reader that does not leave, unless it
   * says that it is none.
   */
  async whole(isReader = true): Promise<Uint8Array<ArrayBuffer>> {
    if (isReader) this.#readers++;
    while (this.body === null) {
      if (this.#error !== null) throw this.#error;
      await this.#progress();
    }
    return this.#body;
  }

  /** Reads from the front: each call returns what has come since the last, `null` at the complete end; throws when the fill fails. */
  reader(): () => Promise<Uint8Array<ArrayBuffer> | null> {
    this.#readers++;
    let at = 0;
    return async () => {
      while (at === this.#writtenBytes) {
        if (this.body !== null) return null;
        if (this.#error !== null) throw this.#error;
        await this.#progress();
      }
      const chunk = this.#body.subarray(at, this.#writtenBytes);
      at = this.#writtenBytes;
      return chunk;
    };
  }

  /** A reader will not read on. Those that read to the end need not say so. */
  leave(): void {
    this.#readers--;
    if (this.#readers === 0 && this.body === null && this.#error === null) this.onAbandoned?.();
  }

  #progress(): Promise<void> {
    return new Promise((resolve) => this.#wake.push(resolve));
  }

  #notify(): void {
    const wake = this.#wake;
    this.#wake = [];
    for (const resolve of wake) resolve();
  }
}

/** What one listener leaves to others, where others have had anything. */
const LEFT_TO_OTHERS = 1 / 4;

/** Bytes that all fills of a worker may hold together; what does not fit is served without being stored. */
export class FillBudget {
  readonly #limitBytes: number;
  /** By listener. */
  readonly #used = new Map<string, number>();
  #usedBytes = 0;

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
  }

  /** Bytes reserved at this moment. */
  get usedBytes(): number {
    return this.#usedBytes;
  }

  /** Takes `bytes` of the budget for a listener, or returns `false` and takes nothing. */
  reserve(bytes: number, listener: string): boolean {
    const used = this.#used.get(listener) ?? 0;
    this.#used.set(listener, used);
    const ownLimit = this.#used.size > 1 ? this.#limitBytes * (1 - LEFT_TO_OTHERS) : this.#limitBytes;
    // What is larger than its part goes alone.
    if (this.#usedBytes + bytes > this.#limitBytes || (used > 0 && used + bytes > ownLimit)) return false;
    this.#used.set(listener, used + bytes);
    this.#usedBytes += bytes;
    return true;
  }

  /** Gives back `bytes` that a listener has taken. */
  release(bytes: number, listener: string): void {
    this.#used.set(listener, (this.#used.get(listener) ?? 0) - bytes);
    this.#usedBytes -= bytes;
  }
}
