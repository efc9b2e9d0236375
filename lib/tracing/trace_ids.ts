/** Random numbers that are drawn from the system at a time. */
const DRAWN = 1_024;

/** 2 to the 32nd. */
const TWO_32 = 0x1_0000_0000;

/** Random numbers of 32 bits, drawn many at a time: ids cost no call of the system each. */
export class RandomWords {
  readonly #words = new Uint32Array(DRAWN);
  #next = DRAWN;

  /** The next one. */
  next(): number {
    if (this.#next === DRAWN) {
      crypto.getRandomValues(this.#words);
      this.#next = 0;
    }
    return this.#words[this.#next++]!;
  }

  /** A random span id that is not all 0. */
  spanId(): string {
    const id = hex(this.next()) + hex(this.next());
    return id === "0000000000000000" ? this.spanId() : id;
  }
}

/**
 * Where a trace's id stands among all, from 0 to just below 1, by its last 56 bits: random ones, by which every system with the same
 * ratio chooses the same traces (W3C Trace Context, level 2; OpenTelemetry's consistent probability sampling).
 */
export function standing(third: number, fourth: number): number {
  return ((third & 0xff_ffff) * TWO_32 + fourth) / 2 ** 56;
}

/** {@linkcode standing} of an id as text. */
export function standingOf(traceId: string): number {
  return standing(parseInt(traceId.slice(16, 24), 16), parseInt(traceId.slice(24), 16));
}

/** 32 bits as eight hexadecimal digits. */
export function hex(word: number): string {
  return (word + TWO_32).toString(16).slice(1);
}
