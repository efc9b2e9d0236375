import { lendChunk, type UpstreamBody, UpstreamFailure } from "../upstream_client/transport.ts";
import { ByteBlocks, concat } from "./byte_blocks.ts";
import type { Services } from "./services.ts";

/** Bounds of a body that is collected. */
export interface GatherLimits {
  readonly limitBytes: number;
  /** Reserves room for bytes before they are held; `false` where there is none. Asked only where no length is stated. */
  readonly admit: (bytes: number) => boolean;
  /** Asked after each chunk, with its size: the reason to stop; `null` to go on. */
  readonly stops?: (chunkBytes: number) => string | null;
}

/**
 * Collects a body that may be too large, or that there is a reason to stop at: then the chunks read so far are returned and the rest stays
 * in the body.
 */
export async function gather(body: UpstreamBody, { limitBytes, admit, stops }: GatherLimits): Promise<Gathered> {
  if (body.whole != null && body.whole.byteLength <= limitBytes) return { whole: body.whole };
  const isSized = body.lengthBytes !== null && body.lengthBytes <= limitBytes;
  if (isSized && stops === undefined) return { whole: await body.readAll(limitBytes) };
  if (isSized) return await gatherSized(body, body.lengthBytes!, stops!);
  const blocks = new ByteBlocks();
  const stopped = (reason: string) => ({ whole: null, chunks: blocks.parts(), reason });
  for (;;) {
    const chunk = await lendChunk(body);
    if (chunk === null) return { whole: blocks.whole() };
    blocks.add(chunk);
    if (blocks.bytes > limitBytes) return stopped("too-large");
    if (!admit(chunk.byteLength)) return stopped("fill-memory-full");
    const reason = stops?.(chunk.byteLength) ?? null;
    if (reason !== null) return stopped(reason);
  }
}

/** Reads content of a stated length into its final place, as long as there is no reason to stop. */
async function gatherSized(
  body: UpstreamBody,
  lengthBytes: number,
  stops: NonNullable<GatherLimits["stops"]>,
): Promise<Gathered> {
  const whole = new Uint8Array(lengthBytes);
  for (let bytes = 0;;) {
    const chunk = await lendChunk(body);
    if (chunk === null) return { whole };
    whole.set(chunk, bytes);
    bytes += chunk.byteLength;
    const reason = bytes < lengthBytes ? stops(chunk.byteLength) : null;
    if (reason !== null) return { whole: null, chunks: [whole.subarray(0, bytes)], reason };
  }
}

/** The whole of a body, or the beginning of one that is too large. */
export type Gathered =
  | { readonly whole: Uint8Array<ArrayBuffer> }
  | { readonly whole: null; readonly chunks: readonly Uint8Array[]; readonly reason: string };

/** A function that makes the same reads, each begun when the one before has ended. */
export function inTurn<T>(read: () => Promise<T>): () => Promise<T> {
  let last: Promise<unknown> = Promise.resolve();
  return () => {
    const next = last.then(read, read);
    last = next;
    return next;
  };
}

/** A body that was decoded, and still has the bytes that it was decoded from. */
export interface FromCoded {
  /** The gzip bytes, once all of the body has been read; `null` where they were too many, or another coding. */
  readonly gzip: Uint8Array<ArrayBuffer> | null;
}

/** The gzip bytes that a body was decoded from, once it has been read; `null` where there are none. */
export function gzipOf(body: UpstreamBody): Uint8Array<ArrayBuffer> | null {
  return "gzip" in body ? (body as UpstreamBody & FromCoded).gzip : null;
}

/** The beginning of a body. */
export interface BodyStart {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** It is all of the body. */
  readonly isWhole: boolean;
}

/** A body of which the beginning has been read: gives that again, then the rest. */
export class ResumedBody implements UpstreamBody, FromCoded {
  readonly lengthBytes: number | null;
  readonly #rest: UpstreamBody;
  readonly #isWhole: boolean;
  /** Chunks that were read ahead and are still to be given. */
  readonly #ahead: Uint8Array[];
  #isBegun = false;

  /** `isWhole` says that the chunks are all of the body. */
  constructor(ahead: readonly Uint8Array[], rest: UpstreamBody, isWhole = false) {
    this.lengthBytes = rest.lengthBytes;
    this.#ahead = [...ahead];
    this.#rest = rest;
    this.#isWhole = isWhole;
  }

  /** The beginning that was read ahead; `null` once some of it has been given. */
  get start(): BodyStart | null {
    return this.#isBegun ? null : { bytes: joined(this.#ahead), isWhole: this.#isWhole };
  }

  get gzip(): Uint8Array<ArrayBuffer> | null {
    return gzipOf(this.#rest);
  }

  get whole(): Uint8Array<ArrayBuffer> | null {
    return this.#isWhole && !this.#isBegun ? joined(this.#ahead) : null;
  }

  get trailers(): UpstreamBody["trailers"] {
    return this.#rest.trailers ?? null;
  }

  read(): Promise<Uint8Array | null> {
    return this.#next((rest) => rest.read());
  }

  lend(): Promise<Uint8Array | null> {
    return this.#next(lendChunk);
  }

  async readAll(limitBytes: number): Promise<Uint8Array<ArrayBuffer>> {
    this.#isBegun = true;
    const ahead = joined(this.#ahead.splice(0));
    if (ahead.byteLength > limitBytes) {
      this.cancel();
      throw new UpstreamFailure("too_large", `The body holds more than ${limitBytes} bytes`, true);
    }
    if (this.#isWhole) return ahead;
    const rest = await this.#rest.readAll(limitBytes - ahead.byteLength);
    return rest.byteLength === 0 ? ahead : concat([ahead, rest], ahead.byteLength + rest.byteLength);
  }

  cancel(): void {
    this.#rest.cancel();
  }

  #next(read: (rest: UpstreamBody) => Promise<Uint8Array | null>): Promise<Uint8Array | null> {
    this.#isBegun = true;
    for (let chunk = this.#ahead.shift(); chunk !== undefined; chunk = this.#ahead.shift()) {
      if (chunk.byteLength > 0) return Promise.resolve(chunk);
    }
    return this.#isWhole ? Promise.resolve(null) : read(this.#rest);
  }
}

/** One array of all chunks: the only one itself. */
function joined(chunks: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  if (chunks.length === 1) return chunks[0] as Uint8Array<ArrayBuffer>;
  return concat(chunks, chunks.reduce((sum, { byteLength }) => sum + byteLength, 0));
}

/** A copy of a stream that is dropped when it grows beyond a limit. */
export class BoundedCopy {
  readonly #limitBytes: number;
  #blocks: ByteBlocks | null = new ByteBlocks();
  #complete = false;

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
  }

  /** Bytes that are held. */
  get bytes(): number {
    return this.#blocks?.bytes ?? 0;
  }

  /** Copies the next chunk, or takes `null` for the end; `false` once the limit is passed. */
  add(chunk: Uint8Array | null): boolean {
    if (this.#blocks === null) return false;
    if (chunk === null) return this.#complete = true;
    if (this.#blocks.bytes + chunk.byteLength > this.#limitBytes) this.drop();
    this.#blocks?.add(chunk);
    return this.#blocks !== null;
  }

  /** Drops the copy; nothing more is taken. */
  drop(): void {
    this.#blocks = null;
  }

  /** The whole body; `null` before its end, and once the limit is passed. */
  whole(): Uint8Array<ArrayBuffer> | null {
    return this.#complete ? this.#blocks?.whole() ?? null : null;
  }
}

/** The request whose response is copied. */
export interface CopyOwner {
  readonly services: Services;
  /** The listener. */
  readonly tenant: { readonly name: string };
}

/**
 * A copy of a body of unknown length, taken while the body is sent to a client. It reserves fill memory for the bytes that have come,
 * not for those that might, and is dropped when there is no room for more, or when the body exceeds the size or the time of a stored one.
 */
export class ReservedCopy {
  readonly #services: Services;
  readonly #listener: string;
  readonly #copy: BoundedCopy;
  readonly #untilMs: number;
  readonly #onDropped: (isLasting: boolean) => void;
  #reservedBytes = 0;
  #isHeld = true;

  /** @param onDropped called once when a limit is passed; `isLasting` says that the next response would pass it too */
  constructor({ services, tenant }: CopyOwner, onDropped: (isLasting: boolean) => void) {
    const { maxEntryBytes, fillTimeoutMs } = services.settings;
    this.#services = services;
    this.#listener = tenant.name;
    this.#copy = new BoundedCopy(maxEntryBytes);
    this.#untilMs = services.clock.now() + fillTimeoutMs;
    this.#onDropped = onDropped;
  }

  /** Whether it has not been dropped. */
  get isHeld(): boolean {
    return this.#isHeld;
  }

  /** Takes the next chunk, or `null` for the end. */
  add(chunk: Uint8Array | null): void {
    if (!this.#isHeld) return;
    const bytes = chunk?.byteLength ?? 0;
    const isOver = this.#services.clock.now() > this.#untilMs;
    const isAdmitted = !isOver && this.#services.budget.reserve(bytes, this.#listener);
    if (isAdmitted) this.#reservedBytes += bytes;
    if (isAdmitted && this.#copy.add(chunk)) return;
    this.drop();
    this.#onDropped(isOver || isAdmitted);
  }

  /** The whole body; `null` before its end, and once a limit is passed. */
  whole(): Uint8Array<ArrayBuffer> | null {
    return this.#copy.whole();
  }

  /** Drops the copy, and gives its room back. */
  drop(): void {
    this.#isHeld = false;
    this.#copy.drop();
    this.#services.budget.release(this.#reservedBytes, this.#listener);
    this.#reservedBytes = 0;
  }
}
