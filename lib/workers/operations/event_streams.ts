/** Readers at a time: each costs a little with every tick. */
const MAX_STREAMS = 16;
/** Time between ticks. */
const TICK_MS = 2_000;
/** Ticks that may wait for a reader; one that is further behind is let go. It asks again, and gets everything. */
const MAX_WAITING = 8;

/** What is told to readers: plain data, made anew for each call. */
export interface EventSource {
  /** To a reader that has come: everything, and what is meant for it alone. */
  hello(reader: Readonly<Record<string, unknown>>): unknown;
  /** To all readers, every two seconds: what is now, and what is new since the last call. */
  tick(): unknown;
}

/**
 * Streams of JSON lines (`application/x-ndjson`) for pages that show the gateway as it is. A tick is made once for all readers, and none
 * while there is no reader.
 */
export class EventStreams {
  readonly #source: EventSource;
  readonly #readers = new Set<ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>>();
  #timer: ReturnType<typeof setInterval> | undefined;
  #isClosed = false;

  constructor(source: EventSource) {
    this.#source = source;
  }

  /** A stream for one more reader, of whom its first line may say something; `null` where there are as many as may be, or the gateway stops. */
  open(about: Readonly<Record<string, unknown>>): ReadableStream<Uint8Array<ArrayBuffer>> | null {
    if (this.#isClosed || this.#readers.size >= MAX_STREAMS) return null;
    let reader: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>;
    return new ReadableStream({
      start: (controller) => {
        reader = controller;
        controller.enqueue(line(this.#source.hello(about)));
        this.#readers.add(controller);
        this.#timer ??= setInterval(() => this.#tick(), TICK_MS);
      },
      cancel: () => this.#forget(reader),
    }, { highWaterMark: MAX_WAITING });
  }

  /** Ends all streams. Readers may come again: their tokens are looked at anew. */
  restart(): void {
    for (const reader of [...this.#readers]) {
      this.#forget(reader);
      reader.close();
    }
  }

  /** Tells readers once more how it is, ends all streams and opens no other. */
  close(): void {
    this.#isClosed = true;
    if (this.#readers.size > 0) this.#tick();
    this.restart();
  }

  #tick(): void {
    const text = line(this.#source.tick());
    for (const reader of [...this.#readers]) {
      if ((reader.desiredSize ?? 0) > 0) reader.enqueue(text);
      else {
        this.#forget(reader);
        reader.error(new Error("The reader is too far behind"));
      }
    }
  }

  #forget(reader: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>): void {
    this.#readers.delete(reader);
    if (this.#readers.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}

const encoder = new TextEncoder();

function line(value: unknown): Uint8Array<ArrayBuffer> {
  return encoder.encode(`${JSON.stringify(value)}\n`);
}
