import type { Upstream } from "./upstream.ts";

/** An upstream's place in the order of turns. */
export class Turn {
  readonly upstream: Upstream;
  /** Virtual time of its next turn. */
  dueAt: number;
  /** Its place in the heap. */
  place = 0;

  constructor(upstream: Upstream, dueAt: number) {
    this.upstream = upstream;
    this.dueAt = dueAt;
  }
}

/** A binary heap of turns: the first is the next. A turn that has changed is put in its place in O(log n). */
export class TurnHeap {
  readonly #before: (a: Turn, b: Turn) => boolean;
  #turns: Turn[] = [];

  constructor(before: (a: Turn, b: Turn) => boolean) {
    this.#before = before;
  }

  get turns(): readonly Turn[] {
    return this.#turns;
  }

  get first(): Turn | undefined {
    return this.#turns[0];
  }

  /** Begins anew with these. */
  fill(turns: Turn[]): void {
    turns.sort((a, b) => this.#before(a, b) ? -1 : this.#before(b, a) ? 1 : 0);
    turns.forEach((turn, place) => turn.place = place);
    this.#turns = turns;
  }

  /** Puts a turn that has changed where it belongs. */
  moved(turn: Turn): void {
    if (this.#turns[turn.place] !== turn) return;
    if (!this.#rise(turn)) this.#sink(turn);
  }

  #rise(turn: Turn): boolean {
    const from = turn.place;
    let place = from;
    while (place > 0) {
      const parent = this.#turns[(place - 1) >> 1]!;
      if (!this.#before(turn, parent)) break;
      this.#put(parent, place);
      place = (place - 1) >> 1;
    }
    this.#put(turn, place);
    return place !== from;
  }

  #sink(turn: Turn): void {
    let place = turn.place;
    for (let child = 2 * place + 1; child < this.#turns.length; child = 2 * place + 1) {
      const right = this.#turns[child + 1];
      if (right !== undefined && this.#before(right, this.#turns[child]!)) child++;
      if (!this.#before(this.#turns[child]!, turn)) break;
      this.#put(this.#turns[child]!, place);
      place = child;
    }
    this.#put(turn, place);
  }

  #put(turn: Turn, place: number): void {
    this.#turns[place] = turn;
    turn.place = place;
  }
}
