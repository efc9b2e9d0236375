import type { BodySource } from "../wire/body_source.ts";
import type { Reply } from "./reply.ts";

/** A stream of bytes read as a {@linkcode BodySource}. */
export class StreamSource implements BodySource {
  readonly lengthBytes: number | null;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  /** Reads begun ahead of their callers, in order. */
  readonly #ahead: Promise<ReadableStreamReadResult<Uint8Array>>[] = [];

  constructor(stream: ReadableStream<Uint8Array>, lengthBytes: number | null) {
    this.#reader = stream.getReader();
    this.lengthBytes = lengthBytes;
  }

  async read(): Promise<Uint8Array | null> {
    for (;;) {
      const { done, value } = await (this.#ahead.shift() ?? this.#reader.read());
      if (done) return null;
      if (value.length > 0) return value;
    }
  }

  cancel(): void {
    this.#reader.cancel().catch(() => {});
  }

  /**
   * The content in one piece where it is available at once, as a text given to a `Response` is; otherwise the source itself.
   *
   * @throws {Error} where the stream fails before its first chunk
   */
  async settled(): Promise<Uint8Array | this> {
    const first = await this.#reader.read();
    if (first.done) return new Uint8Array(0);
    const second = this.#reader.read();
    let isEnd = false;
    second.then(({ done }) => isEnd = done, () => {});
    // One turn of the event loop: what ends later than that is a stream.
    await new Promise((resolve) => setTimeout(resolve, 0));
    if (isEnd && (this.lengthBytes === null || this.lengthBytes === first.value.length)) return first.value;
    this.#ahead.push(Promise.resolve(first), second);
    return this;
  }
}

/** Pieces in memory, in order, as a source. */
export function piecesSource(pieces: readonly Uint8Array[]): BodySource {
  let next = 0;
  return {
    lengthBytes: null,
    read: () => Promise.resolve(pieces[next++] ?? null),
    cancel: () => void (next = pieces.length),
  };
}

/** The stated length of a stream, and the callback for its end. */
type StreamEnding = Pick<Reply, "lengthBytes" | "onEnd">;

/**
 * A source as a stream that reads as it is pulled, each chunk a copy, since a source only lends them. It fails where the content is not
 * as long as stated.
 */
export function streamOf(source: BodySource, ending?: StreamEnding): ReadableStream<Uint8Array<ArrayBuffer>> {
  const stated = ending?.lengthBytes ?? null;
  let bytes = 0;
  const end = (aborted: boolean, error: unknown): void => {
    const tell = ending?.onEnd;
    ending = undefined;
    tell?.({ bytes, aborted, error });
  };
  return new ReadableStream({
    async pull(controller) {
      try {
        const chunk = await nonEmpty(source);
        const sentBytes = bytes + (chunk?.length ?? 0);
        if (stated !== null && (chunk === null ? sentBytes !== stated : sentBytes > stated)) {
          source.cancel();
          throw new Error(
            `Cannot send content: it has ${chunk === null ? "" : "at least "}${sentBytes} bytes, stated ${stated}`,
          );
        }
        bytes = sentBytes;
        if (chunk !== null) return controller.enqueue(new Uint8Array(chunk));
        controller.close();
        end(false, null);
      } catch (error) {
        controller.error(error);
        end(false, error);
      }
    },
    cancel() {
      source.cancel();
      end(true, null);
    },
  }, { highWaterMark: 0 });
}

async function nonEmpty(source: BodySource): Promise<Uint8Array | null> {
  for (;;) {
    const chunk = await source.read();
    if (chunk === null || chunk.length > 0) return chunk;
  }
}
