import type { Conversion, ImageConverter, Recipe } from "../../lib/image/conversion.ts";
import { ConversionQueue, type QueueOptions } from "../../lib/image/conversion_queue.ts";
import { loadSharpCodec } from "../../lib/image/sharp_codec.ts";

/** Converts in this thread what a gateway in this process asks for. */
export class LocalConverter implements ImageConverter {
  /** Recipes that were asked for. */
  readonly asked: Recipe[] = [];
  /** Answers in the place of the queue, where the test sets it. */
  instead: ((recipe: Recipe) => Promise<Conversion>) | null = null;
  readonly #queue: ConversionQueue;

  private constructor(queue: ConversionQueue) {
    this.#queue = queue;
  }

  /** A converter over `sharp`. */
  static async open(options: Partial<QueueOptions> = {}): Promise<LocalConverter> {
    const bounds = { concurrency: 2, queue: 8, timeoutMs: 60_000, maxBytes: 16 << 20, maxPixels: 40_000_000 };
    return new LocalConverter(new ConversionQueue(await loadSharpCodec(), { ...bounds, ...options }));
  }

  convert(body: Uint8Array<ArrayBuffer>, recipe: Recipe, listener: string): Promise<Conversion> {
    this.asked.push(recipe);
    if (this.instead !== null) return this.instead(recipe);
    return new Promise((answer) =>
      this.#queue.add({ recipe, listener, fetch: () => Promise.resolve(body.slice()), answer })
    );
  }
}
