import type { Fill } from "../cache/flights/fill.ts";
import { besideChanged, type FieldChange } from "../http/field_changes.ts";
import type { ByteRange } from "../http/ranges.ts";
import type { StreamingAnswer } from "../request/answer.ts";
import { asFailure } from "../request/client_error.ts";
import type { BodySource } from "../wire/body_source.ts";

/** The content of an upstream's answer on its way to the client; tells the answer once how it ended. */
export class StreamSource implements BodySource {
  readonly lengthBytes: number | null;
  readonly #answer: StreamingAnswer;
  readonly #changes: readonly FieldChange[];
  #isOver = false;

  /** `changes` are those that rules make in the response's fields. */
  constructor(answer: StreamingAnswer, changes: readonly FieldChange[]) {
    this.#answer = answer;
    this.#changes = changes;
    this.lengthBytes = answer.body.lengthBytes;
  }

  get trailers(): BodySource["trailers"] {
    const trailers = this.#answer.body.trailers ?? null;
    return trailers === null ? null : besideChanged(trailers, this.#changes);
  }

  async read(): Promise<Uint8Array | null> {
    const { body, read, onEnd } = this.#answer;
    try {
      const chunk = await (read !== undefined ? read() : body.lend !== undefined ? body.lend() : body.read());
      if (chunk === null && !this.#isOver) {
        this.#isOver = true;
        onEnd();
      }
      return chunk;
    } catch (error) {
      if (!this.#isOver) {
        this.#isOver = true;
        onEnd(asFailure(error));
      }
      throw error;
    }
  }

  cancel(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#answer.onLeave();
  }
}

/** A body that is being stored, or one range of it, as far as it has come and on. */
export class FillSource implements BodySource {
  readonly lengthBytes: number;
  readonly #fill: Fill;
  readonly #next: () => Promise<Uint8Array | null>;
  readonly #range: ByteRange | null;
  #at = 0;
  #isOver = false;

  constructor(fill: Fill, range: ByteRange | null) {
    this.#fill = fill;
    this.#range = range;
    this.#next = fill.reader();
    this.lengthBytes = range === null ? fill.lengthBytes : range.last - range.first + 1;
  }

  async read(): Promise<Uint8Array | null> {
    const range = this.#range;
    if (range === null) return await this.#next();
    while (this.#at <= range.last) {
      const chunk = await this.#next();
      if (chunk === null) return null;
      const part = chunk.subarray(Math.max(0, range.first - this.#at), range.last + 1 - this.#at);
      this.#at += chunk.byteLength;
      if (part.byteLength > 0) return part;
    }
    // It does not read to the end: those who do may leave before it comes.
    this.cancel();
    return null;
  }

  cancel(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#fill.leave();
  }
}
