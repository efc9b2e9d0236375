import type { BodySource } from "../wire/body_source.ts";
import { piecesSource } from "./_body_stream.ts";
import { isSource } from "./_reply_head.ts";
import { PaceWheel } from "./pace_wheel.ts";
import type { Reply } from "./reply.ts";

/** So many bytes of a response are sent without a pause; smaller ones are never slowed. */
export const UNPACED_BYTES = 256 * 1024;

/** Pieces of a second's bytes: finer ones would cost more writes. */
const PIECES_A_SECOND = 20;
const MIN_PIECE_BYTES = 4 * 1024;

/** Of this worker. */
const wheel = new PaceWheel();

/**
 * A reply whose content is sent at so many bytes per second at most, where there is more of it than a moment's worth. Only its own client
 * waits: the content is read in pieces, each when it is due, and what fills a cache goes on at its own speed.
 */
export function pacedReply(reply: Reply, bytesPerSecond: number, by: PaceWheel = wheel): Reply {
  const { body, lengthBytes } = reply;
  if (body === null || (lengthBytes !== null && lengthBytes <= UNPACED_BYTES)) return reply;
  const source = isSource(body) ? body : piecesSource(body instanceof Uint8Array ? [body] : body);
  return { ...reply, body: new PacedSource(source, bytesPerSecond, by) };
}

/** Content that is read at a pace. */
class PacedSource implements BodySource {
  readonly #source: BodySource;
  readonly #wheel: PaceWheel;
  readonly #bytesPerMs: number;
  readonly #pieceBytes: number;
  /** Of the last chunk that was read, what is not due yet. */
  #rest: Uint8Array | null = null;
  /** Until when what was sent so far is paid for. */
  #paidUntilMs: number;
  #waiting: ReturnType<PaceWheel["wait"]> | null = null;
  #isCancelled = false;

  constructor(source: BodySource, bytesPerSecond: number, wheel: PaceWheel) {
    this.#source = source;
    this.#wheel = wheel;
    this.#bytesPerMs = bytesPerSecond / 1000;
    this.#pieceBytes = Math.max(MIN_PIECE_BYTES, Math.ceil(bytesPerSecond / PIECES_A_SECOND));
    this.#paidUntilMs = -Infinity;
  }

  get lengthBytes(): number | null {
    return this.#source.lengthBytes;
  }

  get trailers(): BodySource["trailers"] {
    return this.#source.trailers;
  }

  async read(): Promise<Uint8Array | null> {
    const chunk = this.#rest ?? await this.#source.read();
    if (chunk === null) return null;
    await this.#due();
    if (this.#isCancelled) return null;
    const piece = chunk.subarray(0, this.#pieceBytes);
    this.#rest = piece.byteLength < chunk.byteLength ? chunk.subarray(piece.byteLength) : null;
    this.#pay(piece.byteLength);
    return piece;
  }

  cancel(): void {
    this.#isCancelled = true;
    this.#rest = null;
    this.#waiting?.end();
    this.#source.cancel();
  }

  async #due(): Promise<void> {
    if (this.#paidUntilMs <= this.#wheel.nowMs) return;
    this.#waiting = this.#wheel.wait(this.#paidUntilMs);
    await this.#waiting.over;
    this.#waiting = null;
  }

  /** Time that a slow client let pass buys no more than a beginning does. */
  #pay(bytes: number): void {
    const earliestMs = this.#wheel.nowMs - UNPACED_BYTES / this.#bytesPerMs;
    this.#paidUntilMs = Math.max(this.#paidUntilMs, earliestMs) + bytes / this.#bytesPerMs;
  }
}
