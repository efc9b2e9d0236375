import { BoundedCopy } from "../request/gathered_body.ts";
import type { Services } from "../request/services.ts";

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
