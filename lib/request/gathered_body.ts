import type { UpstreamBody } from "../upstream_client/transport.ts";
import { bytesBody } from "../wire/body_source.ts";
import type { Services } from "./services.ts";

/** How much of a body may be collected. */
export interface GatherLimits {
  readonly limitBytes: number;
  /** Takes note of bytes before they are held; `false` where there is no room for them. Asked only where no length is stated. */
  readonly admit: (bytes: number) => boolean;
  /** Asked with each chunk: why to read no further; `null` to go on. */
  readonly stops?: () => string | null;
}

/** Collects a body that may turn out too large: then what was read is given back and the rest stays in the body. */
export async function gather(body: UpstreamBody, { limitBytes, admit, stops }: GatherLimits): Promise<Gathered> {
  if (body.whole != null && body.whole.byteLength <= limitBytes) return { whole: body.whole };
  if (body.lengthBytes !== null && body.lengthBytes <= limitBytes) return { whole: await body.readAll(limitBytes) };
  const chunks: Uint8Array[] = [];
  for (let bytes = 0;;) {
    const chunk = await body.read();
    if (chunk === null) return { whole: concat(chunks, bytes) };
    chunks.push(chunk);
    bytes += chunk.byteLength;
    if (bytes > limitBytes) return { whole: null, chunks, reason: "too-large" };
    if (!admit(chunk.byteLength)) return { whole: null, chunks, reason: "fill-memory-full" };
    const reason = stops?.() ?? null;
    if (reason !== null) return { whole: null, chunks, reason };
  }
}

/** The whole of a body, or the beginning of one that is too large. */
export type Gathered =
  | { readonly whole: Uint8Array<ArrayBuffer> }
  | { readonly whole: null; readonly chunks: readonly Uint8Array[]; readonly reason: string };

/** The same reads, each begun when the one before has ended. */
export function inTurn<T>(read: () => Promise<T>): () => Promise<T> {
  let last: Promise<unknown> = Promise.resolve();
  return () => {
    const next = last.then(read, read);
    last = next;
    return next;
  };
}

/** One array of all chunks. */
export function concat(chunks: readonly Uint8Array[], bytes: number): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(bytes);
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.byteLength;
  }
  return whole;
}

/** A body of which the beginning has been read: gives that again, then the rest. */
export function resumed(chunks: readonly Uint8Array[], body: UpstreamBody): UpstreamBody {
  const ahead = [...chunks];
  return {
    lengthBytes: body.lengthBytes,
    read: () => ahead.length > 0 ? Promise.resolve(ahead.shift()!) : body.read(),
    async readAll(limitBytes) {
      const gathered = await gather({ ...this, lengthBytes: null }, { limitBytes, admit: () => true });
      if (gathered.whole === null) throw new RangeError(`Cannot read more than ${limitBytes} bytes of a resumed body`);
      return gathered.whole;
    },
    cancel: () => body.cancel(),
  };
}

/** A body that is there as a whole. */
export function wholeBody(bytes: Uint8Array<ArrayBuffer>): UpstreamBody {
  return { ...bytesBody(bytes), whole: bytes, readAll: () => Promise.resolve(bytes) };
}

/** A copy of a stream that is dropped when it grows beyond a limit. */
export class BoundedCopy {
  readonly #limitBytes: number;
  #chunks: Uint8Array[] | null = [];
  #bytes = 0;
  #complete = false;

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
  }

  /** Bytes that are held. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Takes the next chunk, or `null` for the end; `false` once the limit is passed. */
  add(chunk: Uint8Array | null): boolean {
    if (this.#chunks === null) return false;
    if (chunk === null) return this.#complete = true;
    this.#bytes += chunk.byteLength;
    this.#chunks.push(chunk);
    if (this.#bytes > this.#limitBytes) this.drop();
    return this.#chunks !== null;
  }

  /** Lets go of what is held; nothing more is taken. */
  drop(): void {
    this.#chunks = null;
    this.#bytes = 0;
  }

  /** Everything, or `null` where the end or the limit says no. */
  whole(): Uint8Array<ArrayBuffer> | null {
    return this.#complete && this.#chunks !== null ? concat(this.#chunks, this.#bytes) : null;
  }
}

/**
 * A copy of a body of unknown length, taken while the body is on its way to a client. It reserves of the fill memory what has come, not
 * what might come, and is dropped when there is no room for more, or when the body is longer, or goes on for longer, than what is
 * stored.
 */
export class ReservedCopy {
  readonly #services: Services;
  readonly #copy: BoundedCopy;
  readonly #untilMs: number;
  readonly #onDropped: (isLasting: boolean) => void;
  #reservedBytes = 0;
  #isHeld = true;

  /** @param onDropped told once where a limit says no, and whether it would again */
  constructor(services: Services, onDropped: (isLasting: boolean) => void) {
    const { maxEntryBytes, fillTimeoutMs } = services.settings;
    this.#services = services;
    this.#copy = new BoundedCopy(maxEntryBytes);
    this.#untilMs = services.clock.now() + fillTimeoutMs;
    this.#onDropped = onDropped;
  }

  /** Whether it may still become a whole. */
  get isHeld(): boolean {
    return this.#isHeld;
  }

  /** Takes the next chunk, or `null` for the end. */
  add(chunk: Uint8Array | null): void {
    if (!this.#isHeld) return;
    const bytes = chunk?.byteLength ?? 0;
    const isOver = this.#services.clock.now() > this.#untilMs;
    const isAdmitted = !isOver && this.#services.budget.reserve(bytes);
    if (isAdmitted) this.#reservedBytes += bytes;
    if (isAdmitted && this.#copy.add(chunk)) return;
    this.drop();
    this.#onDropped(isOver || isAdmitted);
  }

  /** Everything, or `null` where the end or a limit says no. */
  whole(): Uint8Array<ArrayBuffer> | null {
    return this.#copy.whole();
  }

  /** Lets go of what is held, and gives its room back. */
  drop(): void {
    this.#isHeld = false;
    this.#copy.drop();
    this.#services.budget.release(this.#reservedBytes);
    this.#reservedBytes = 0;
  }
}
