import type { Conversion, ImageConverter, Recipe } from "./conversion.ts";
import type { Order } from "./conversion_queue.ts";

/** Message of a serving worker to the image worker. */
type ToImages =
  | { readonly type: "ask"; readonly id: number; readonly recipe: Recipe; readonly listener: string }
  /** `null` where the order was abandoned. */
  | { readonly type: "body"; readonly id: number; readonly body: Uint8Array<ArrayBuffer> | null };

/** Message of the image worker to a serving worker. */
type FromImages =
  /** Its turn has come. */
  | { readonly type: "send"; readonly id: number }
  | { readonly type: "answer"; readonly id: number; readonly conversion: Conversion };

interface Pending {
  readonly body: Uint8Array<ArrayBuffer>;
  readonly listener: string;
  readonly settle: (conversion: Conversion) => void;
  /** Its turn has come. */
  isUnderWay: boolean;
}

/** Time limit for a body between two threads. */
const FETCH_TIMEOUT_MS = 5_000;

/** Pause before a worker that cannot convert is asked again. */
const REST_MS = 30_000;
const RESTING: Conversion = { kind: "unavailable", detail: "the image worker cannot convert" };

/** Most bytes of bodies that wait here: they hold memory that the cache may no longer count. A single body may be larger. */
const MAX_PENDING_BYTES = 64 * 1024 ** 2;

/** What one listener may have of all that waits, where there are others. */
const PART = 3 / 4;

/** Most conversions of a serving worker. */
export interface ConverterBounds {
  readonly maxPending: number;
  /** Time limit for an answer, in case the image worker dies silently. */
  readonly patienceMs: number;
}

/** A serving worker's end of the port to the image worker. */
export class RemoteConverter implements ImageConverter {
  #bounds: ConverterBounds;
  readonly #pending = new Map<number, Pending>();
  #port: MessagePort | null = null;
  /** Those that have asked for anything. */
  readonly #listeners = new Set<string>();
  #pendingBytes = 0;
  #id = 0;
  #restUntilMs = 0;

  constructor(bounds: ConverterBounds) {
    this.#bounds = bounds;
  }

  /** Changes the limits of later orders. */
  reconfigure(bounds: ConverterBounds): void {
    this.#bounds = bounds;
  }

  /** Connects to a new image worker; running conversions of the old one are lost. */
  connect(port: MessagePort): void {
    this.close();
    this.#restUntilMs = 0;
    this.#port = port;
    port.onmessage = ({ data }: MessageEvent<FromImages>) => this.#receive(data);
  }

  /** Disconnects from the image worker. */
  close(): void {
    this.#port?.close();
    this.#port = null;
    for (const { settle, isUnderWay } of [...this.#pending.values()]) {
      // Orders that only waited are sent to the next worker.
      settle({ kind: isUnderWay ? "failed" : "unavailable", detail: "the image worker has gone" });
    }
  }

  convert(body: Uint8Array<ArrayBuffer>, recipe: Recipe, listener: string): Promise<Conversion> {
    const port = this.#port;
    if (port === null) return Promise.resolve({ kind: "unavailable", detail: "there is no image worker" });
    if (performance.now() < this.#restUntilMs) return Promise.resolve(RESTING);
    const { maxPending, patienceMs } = this.#bounds;
    const isFull = this.#pendingBytes > 0 && this.#pendingBytes + body.byteLength > MAX_PENDING_BYTES;
    if (isFull || this.#pending.size >= maxPending || this.#isBeyondPart(listener, body.byteLength)) {
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
      this.#listeners.add(listener);
      this.#pending.set(id, { body, listener, settle, isUnderWay: false });
      this.#pendingBytes += body.byteLength;
      port.postMessage({ type: "ask", id, recipe, listener } satisfies ToImages);
    });
  }

  /** One listener leaves a quarter to others, once others have had anything. */
  #isBeyondPart(listener: string, bytes: number): boolean {
    if (this.#listeners.size < 2 && (this.#listeners.size === 0 || this.#listeners.has(listener))) return false;
    let [count, sum] = [1, bytes];
    for (const pending of this.#pending.values()) {
      if (pending.listener !== listener) continue;
      count++;
      sum += pending.body.byteLength;
    }
    return count > 1 && (count > this.#bounds.maxPending * PART || sum > MAX_PENDING_BYTES * PART);
  }

  #receive(message: FromImages): void {
    const pending = this.#pending.get(message.id);
    if (message.type === "answer") {
      if (message.conversion.kind === "unavailable") this.#restUntilMs = performance.now() + REST_MS;
      return pending?.settle(message.conversion);
    }
    // The stored body stays here: a copy is transferred.
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
      // The death of a serving worker is not signalled here.
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
    const { id, recipe, listener } = data;
    take({ recipe, listener, fetch: () => fetch(id), answer: (conversion) => answer(id, conversion) });
  };
}
