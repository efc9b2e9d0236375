import type { Conversion, ImageConverter, Recipe } from "./conversion.ts";
import type { Order } from "./conversion_queue.ts";

/** What a serving worker says to the image worker. */
type ToImages =
  | { readonly type: "ask"; readonly id: number; readonly recipe: Recipe }
  /** `null`: nobody waits for it any more. */
  | { readonly type: "body"; readonly id: number; readonly body: Uint8Array<ArrayBuffer> | null };

/** What the image worker says to a serving worker. */
type FromImages =
  /** Its turn has come. */
  | { readonly type: "send"; readonly id: number }
  | { readonly type: "answer"; readonly id: number; readonly conversion: Conversion };

interface Pending {
  readonly body: Uint8Array<ArrayBuffer>;
  readonly settle: (conversion: Conversion) => void;
  /** Its turn has come. */
  isUnderWay: boolean;
}

/** How long a body may be on its way between two threads. */
const FETCH_TIMEOUT_MS = 5_000;

/** How long a worker that cannot convert at all is not asked again. */
const REST_MS = 30_000;
const RESTING: Conversion = { kind: "unavailable", detail: "the image worker cannot convert" };

/** Bodies that wait here for their turn hold memory, whether the cache still counts them or not; one alone may be larger. */
const MAX_PENDING_BYTES = 64 * 1024 ** 2;

/** What a serving worker has under way at most. */
export interface ConverterBounds {
  readonly maxPending: number;
  /** How long an answer is waited for, in case its worker dies unheard. */
  readonly patienceMs: number;
}

/** The image worker, as a serving worker sees it. */
export class RemoteConverter implements ImageConverter {
  #bounds: ConverterBounds;
  readonly #pending = new Map<number, Pending>();
  #port: MessagePort | null = null;
  #pendingBytes = 0;
  #id = 0;
  #restUntilMs = 0;

  constructor(bounds: ConverterBounds) {
    this.#bounds = bounds;
  }

  /** Changes the bounds for what is asked from now on. */
  reconfigure(bounds: ConverterBounds): void {
    this.#bounds = bounds;
  }

  /** Takes the port to a new image worker: what the one before was at is lost. */
  connect(port: MessagePort): void {
    this.close();
    this.#restUntilMs = 0;
    this.#port = port;
    port.onmessage = ({ data }: MessageEvent<FromImages>) => this.#receive(data);
  }

  /** Lets go of the image worker. */
  close(): void {
    this.#port?.close();
    this.#port = null;
    for (const { settle, isUnderWay } of [...this.#pending.values()]) {
      // What only waited has no part in that, and is as good as before.
      settle({ kind: isUnderWay ? "failed" : "unavailable", detail: "the image worker has gone" });
    }
  }

  convert(body: Uint8Array<ArrayBuffer>, recipe: Recipe): Promise<Conversion> {
    const port = this.#port;
    if (port === null) return Promise.resolve({ kind: "unavailable", detail: "there is no image worker" });
    if (performance.now() < this.#restUntilMs) return Promise.resolve(RESTING);
    const { maxPending, patienceMs } = this.#bounds;
    const isFull = this.#pendingBytes > 0 && this.#pendingBytes + body.byteLength > MAX_PENDING_BYTES;
    if (isFull || this.#pending.size >= maxPending) {
      return Promise.resolve({ kind: "refused", detail: "too many are under way" });
    }
    const id = ++this.#id;
    return new Promise((resolve) => {
      const settle = (conversion: Conversion) => {
        clearTimeout(timer);
        if (this.#pending.delete(id)) this.#pendingBytes -= body.byteLength;
        resolve(conversion);
      };
      const timer = setTimeout(() => settle({ kind: "failed", detail: "no answer came" }), patienceMs);
      this.#pending.set(id, { body, settle, isUnderWay: false });
      this.#pendingBytes += body.byteLength;
      port.postMessage({ type: "ask", id, recipe } satisfies ToImages);
    });
  }

  #receive(message: FromImages): void {
    const pending = this.#pending.get(message.id);
    if (message.type === "answer") {
      if (message.conversion.kind === "unavailable") this.#restUntilMs = performance.now() + REST_MS;
      return pending?.settle(message.conversion);
    }
    // The stored body stays here: what goes over is a copy, which is moved and not copied again.
    const body = pending?.body.slice() ?? null;
    if (pending !== undefined) pending.isUnderWay = true;
    const answer: ToImages = { type: "body", id: message.id, body };
    this.#port?.postMessage(answer, body === null ? [] : [body.buffer]);
  }
}

/** Serves one serving worker's port: hands its orders to `take`. */
export function serveImages(port: MessagePort, take: (order: Order) => void): void {
  const fetching = new Map<number, (body: Uint8Array<ArrayBuffer> | null) => void>();
  const fetch = (id: number) =>
    new Promise<Uint8Array<ArrayBuffer> | null>((resolve) => {
      const settle = (body: Uint8Array<ArrayBuffer> | null) => {
        clearTimeout(timer);
        fetching.delete(id);
        resolve(body);
      };
      // A serving worker that has died is not heard of here.
      const timer = setTimeout(() => settle(null), FETCH_TIMEOUT_MS);
      fetching.set(id, settle);
      port.postMessage({ type: "send", id } satisfies FromImages);
    });
  const answer = (id: number, conversion: Conversion) => {
    const message: FromImages = { type: "answer", id, conversion };
    port.postMessage(message, conversion.kind === "done" ? [conversion.body.buffer] : []);
  };
  port.onmessage = ({ data }: MessageEvent<ToImages>) => {
    if (data.type === "body") return fetching.get(data.id)?.(data.body);
    const { id, recipe } = data;
    take({ recipe, fetch: () => fetch(id), answer: (conversion) => answer(id, conversion) });
  };
}
