import { heldBytes, type StoredResponse } from "../stored_response.ts";

/** One change that waits to be written. */
export type WriteOp =
  | { readonly kind: "put"; readonly key: string; readonly bytes: number; readonly response: StoredResponse }
  /** `suspect` says that what the key holds was found damaged; what was asked for after `untilMs` stays. */
  | {
    readonly kind: "delete";
    readonly key: string;
    readonly bytes: number;
    readonly suspect: boolean;
    readonly untilMs?: number;
  }
  | { readonly kind: "touch"; readonly key: string; readonly bytes: number };

/** How much may wait. */
export interface WriteQueueOptions {
  readonly maxBytes: number;
  readonly maxOps: number;
}

/** Bytes that an op without a response is counted with, beside its key. */
const OP_BYTES = 128;

/**
 * What one worker has still to write, newest op of a key only, in the order the keys came. Bounded by bytes and by count: a put
 * that finds no room becomes the removal of what its key holds, so that an old response is not taken for the new one.
 */
export class WriteQueue {
  readonly #options: WriteQueueOptions;
  readonly #waiting = new Map<string, WriteOp>();
  /** Uses go before all else: who waits behind a long queue to be noted as in use is evicted meanwhile. */
  readonly #touches = new Map<string, WriteOp>();
  #writing: ReadonlyMap<string, WriteOp> = new Map();
  #bytes = 0;
  #dropped = 0;

  constructor(options: WriteQueueOptions) {
    this.#options = options;
  }

  /** Ops that wait or are being written. */
  get size(): number {
    return this.#waiting.size + this.#touches.size + this.#writing.size;
  }

  /** Bytes that wait. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Puts that found no room. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Adds a put; answers whether there was room for it. */
  put(response: StoredResponse): boolean {
    const bytes = heldBytes(response);
    this.#remove(response.key);
    if (this.#hasRoom(bytes)) {
      this.#add({ kind: "put", key: response.key, bytes, response });
      return true;
    }
    this.#dropped++;
    this.delete(response.key);
    return false;
  }

  /** Adds a removal. Where even that has no room, the oldest op that waits is dropped for it. */
  delete(key: string, suspect = false, untilMs = Infinity): void {
    this.#remove(key);
    const op: WriteOp = { kind: "delete", key, bytes: OP_BYTES + key.length * 2, suspect, untilMs };
    while (!this.#hasRoom(op.bytes) && this.#waiting.size > 0) this.#dropOldest();
    this.#add(op);
  }

  /** Notes a use, unless something else waits for the key or too many uses do: a use may be lost. */
  touch(key: string): void {
    if (this.find(key) !== undefined || this.#touches.size >= this.#options.maxOps) return;
    this.#touches.set(key, { kind: "touch", key, bytes: OP_BYTES + key.length * 2 });
  }

  /** What waits or is being written for a key. */
  find(key: string): WriteOp | undefined {
    return this.#waiting.get(key) ?? this.#touches.get(key) ?? this.#writing.get(key);
  }

  /**
   * Takes ops, at least one where any waits, `maxBytes` and `maxOps` at most: uses in a half of them, then the oldest others. They are
   * found until `done`.
   */
  take(maxBytes: number, maxOps: number): WriteOp[] {
    const taken = new Map<string, WriteOp>();
    let bytes = 0;
    const uses = this.#waiting.size === 0 ? maxOps : Math.ceil(maxOps / 2);
    for (const op of this.#touches.values()) {
      if (taken.size >= uses) break;
      taken.set(op.key, op);
      bytes += op.bytes;
    }
    for (const op of this.#waiting.values()) {
      if (taken.size > 0 && (taken.size >= maxOps || bytes + op.bytes > maxBytes)) break;
      taken.set(op.key, op);
      bytes += op.bytes;
    }
    for (const key of taken.keys()) this.#remove(key);
    this.#writing = taken;
    return [...taken.values()];
  }

  /** Says that the ops taken are written, or given up. */
  done(): void {
    this.#writing = new Map();
  }

  #hasRoom(bytes: number): boolean {
    return this.#waiting.size < this.#options.maxOps && this.#bytes + bytes <= this.#options.maxBytes;
  }

  #add(op: WriteOp): void {
    this.#waiting.set(op.key, op);
    this.#bytes += op.bytes;
  }

  #remove(key: string): void {
    this.#touches.delete(key);
    const op = this.#waiting.get(key);
    if (op === undefined) return;
    this.#waiting.delete(key);
    this.#bytes -= op.bytes;
  }

  #dropOldest(): void {
    for (const op of this.#waiting.values()) {
      this.#remove(op.key);
      if (op.kind === "put") this.#dropped++;
      return;
    }
  }
}
