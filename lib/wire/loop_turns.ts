/**
 * Work of one turn of the event loop, in bytes moved: a millisecond or two. An operation on a socket that is ready ends at once, so that
 * a fast pair of sockets would keep the loop for as long as one has bytes and the other takes them: nobody else is served meanwhile.
 */
export const TURN_BYTES = 1024 * 1024;
/** What a step costs beside its bytes. */
export const STEP_BYTES = 16 * 1024;
/** What a request at an upstream costs, as against its body: connection, fields, record. */
export const START_BYTES = 192 * 1024;

/** A start that waits longer shows that there is more to do than can be done. */
const TARGET_MS = 200;
/** And so many turns at least: a process that got no core for a while has not more to do. */
const TARGET_TURNS = 256;
/** As long as that, waits have to be too long before anything is turned away (CoDel, RFC 8289 §3). */
const INTERVAL_MS = 100;
/** No start waits for longer, by time and by turns. */
const LIMIT_MS = 1_000;
const LIMIT_TURNS = 512;
/** Too long in any case, where turns are slow: the machine is busy with something else. */
const SLOW_MS = 5_000;
const SLOW_TURNS = 64;
/** Where steps of its lane wait always, a start comes first in one turn of so many. */
const START_EVERY_TURNS = 16;
/** Starts that may wait in a lane. */
const MAX_STARTS = 4_096;

/** A start that waits. */
interface Start {
  readonly sinceMs: number;
  readonly sinceTurn: number;
  readonly resolve: (mayStart: boolean) => void;
}

/** What shares the event loop with others: a listener. */
class Lane {
  /** In this turn. */
  spentBytes = 0;
  readonly steps = new Queue<{ readonly bytes: number; readonly resolve: () => void }>();
  readonly starts = new Queue<Start>();
  /** Since when starts have waited too long; `null` where they do not. */
  slowSinceMs: number | null = null;
  isOverloaded = false;

  get isWaiting(): boolean {
    return this.steps.size > 0 || this.starts.size > 0;
  }
}

/** Turns with little in them that may follow each other without a look at all sockets. */
const LIGHT_BYTES = TURN_BYTES / 4;
const MAX_LIGHT_TURNS = 8;

/** How the end of a turn is noticed, and the time; replaced in tests. */
export interface LoopTurnsOptions {
  /** @default `setImmediate` */
  readonly soon?: (next: () => void) => void;
  /** Milliseconds of a monotonic clock. */
  readonly nowMs?: () => number;
}

/**
 * Bounds what is done in one turn of this thread's event loop, and shares it among the listeners. Steps are what is under way: they wait,
 * and are never refused. Starts are new requests at upstreams: they come after the steps of their listener, and where they wait too long
 * for too long, that listener has more to do than its share, and new ones are turned away. What moves nothing but a response from memory
 * does not come here.
 */
export class LoopTurns {
  /** Those that have spent something in this turn, or wait; the first is the next one's turn. */
  readonly #lanes = new Map<string, Lane>();
  readonly #soon: (next: () => void) => void;
  readonly #nowMs: () => number;
  #spentBytes = 0;
  #turn = 0;
  #lightTurns = 0;
  #isScheduled = false;
  #afterSockets: ((next: () => void) => void) | null = null;

  constructor({ soon = setImmediate, nowMs = () => performance.now() }: LoopTurnsOptions = {}) {
    this.#soon = soon;
    this.#nowMs = nowMs;
  }

  /**
   * Sets what calls back after the loop has looked at all sockets. `setImmediate` alone does not: more than a hundred of its turns go by
   * between two looks (Deno 2.9.6).
   */
  useLook(afterSockets: (next: () => void) => void): void {
    this.#afterSockets = afterSockets;
  }

  /** Steps and starts that wait for their turn. */
  get waiting(): number {
    let sum = 0;
    for (const { steps, starts } of this.#lanes.values()) sum += steps.size + starts.size;
    return sum;
  }

  /** The lanes that have more starts than their share. */
  get overloaded(): readonly string[] {
    return [...this.#lanes].filter(([, lane]) => lane.isOverloaded).map(([name]) => name);
  }

  /** Takes note of bytes that were moved in a lane. `null` to go on; else a promise of the turn in which to go on. */
  step(name: string, bytes: number): Promise<void> | null {
    const lane = this.#laneOf(name);
    const cost = bytes + STEP_BYTES;
    if (lane.steps.size === 0 && this.#hasRoom(lane)) return this.#spend(lane, cost);
    return new Promise((resolve) => lane.steps.push({ bytes: cost, resolve }));
  }

  /** Asks whether a request may go to an upstream: `null` for at once; else a promise, of `false` where it is turned away. */
  start(name: string): Promise<boolean> | null {
    const lane = this.#laneOf(name);
    if (!lane.isWaiting && this.#hasRoom(lane)) return this.#spend(lane, START_BYTES);
    const sinceMs = this.#nowMs();
    if (lane.starts.size >= MAX_STARTS || (lane.isOverloaded && this.#isSlow(lane, sinceMs))) {
      return Promise.resolve(false);
    }
    return new Promise((resolve) => lane.starts.push({ sinceMs, sinceTurn: this.#turn, resolve }));
  }

  #laneOf(name: string): Lane {
    let lane = this.#lanes.get(name);
    if (lane === undefined) this.#lanes.set(name, lane = new Lane());
    this.#schedule();
    return lane;
  }

  /** A lane that has had less than its share goes on at once, even where others wait. */
  #hasRoom(lane: Lane): boolean {
    return this.#spentBytes < TURN_BYTES || lane.spentBytes < TURN_BYTES / (1 + this.#lanes.size);
  }

  #spend(lane: Lane, bytes: number): null {
    lane.spentBytes += bytes;
    this.#spentBytes += bytes;
    return null;
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    this.#soon(this.#ended);
  }

  /** What runs without waiting has come to its end. A look at the sockets costs more than a small turn. */
  readonly #ended = () => {
    const isLight = this.#spentBytes < LIGHT_BYTES && this.waiting === 0 && this.#lightTurns++ < MAX_LIGHT_TURNS;
    if (isLight || this.#afterSockets === null) return this.#next();
    this.#lightTurns = 0;
    this.#afterSockets(() => this.#next());
  };

  #next(): void {
    this.#isScheduled = false;
    this.#turn++;
    this.#spentBytes = 0;
    const nowMs = this.#nowMs();
    for (const [name, lane] of this.#lanes) {
      lane.spentBytes = 0;
      this.#judge(lane, nowMs);
      if (!lane.isWaiting) this.#lanes.delete(name);
    }
    if (this.#lanes.size === 0) return;
    this.#serve();
    this.#schedule();
  }

  /** One of each lane after the other, until the turn is spent. */
  #serve(): void {
    for (let idle = 0; idle < this.#lanes.size && this.#spentBytes < TURN_BYTES;) {
      const [name, lane] = this.#lanes.entries().next().value!;
      this.#lanes.delete(name);
      this.#lanes.set(name, lane);
      idle = this.#serveOne(lane) ? 0 : idle + 1;
    }
  }

  /** What is under way goes first, so that it ends; now and then a start, should it never end. */
  #serveOne(lane: Lane): boolean {
    const isStartDue = this.#turn % START_EVERY_TURNS === 0 && lane.spentBytes === 0 && lane.starts.size > 0;
    const step = isStartDue ? undefined : lane.steps.shift();
    if (step !== undefined) {
      this.#spend(lane, step.bytes);
      step.resolve();
      return true;
    }
    const start = lane.starts.shift();
    if (start === undefined) return false;
    this.#spend(lane, START_BYTES);
    start.resolve(true);
    return true;
  }

  /** Whether the lane is overloaded from now on; turns away what has waited for too long. */
  #judge(lane: Lane, nowMs: number): void {
    for (let first = lane.starts.first; first !== undefined && this.#waited(first, nowMs, LIMIT_MS, LIMIT_TURNS);) {
      lane.starts.shift()!.resolve(false);
      first = lane.starts.first;
    }
    if (!this.#isSlow(lane, nowMs)) {
      lane.slowSinceMs = null;
      lane.isOverloaded = false;
      return;
    }
    lane.slowSinceMs ??= nowMs;
    lane.isOverloaded ||= nowMs - lane.slowSinceMs >= INTERVAL_MS;
  }

  #isSlow({ starts: { first } }: Lane, nowMs: number): boolean {
    return first !== undefined && this.#waited(first, nowMs, TARGET_MS, TARGET_TURNS);
  }

  #waited({ sinceMs, sinceTurn }: Start, nowMs: number, ms: number, turns: number): boolean {
    const [waitedMs, waitedTurns] = [nowMs - sinceMs, this.#turn - sinceTurn];
    return (waitedMs >= ms && waitedTurns >= turns) || (waitedMs >= SLOW_MS && waitedTurns >= SLOW_TURNS);
  }
}

/** First in, first out; both ends at a constant cost. */
class Queue<T> {
  #items: (T | undefined)[] = [];
  #at = 0;

  get size(): number {
    return this.#items.length - this.#at;
  }

  get first(): T | undefined {
    return this.#items[this.#at];
  }

  push(item: T): void {
    this.#items.push(item);
  }

  shift(): T | undefined {
    if (this.size === 0) return undefined;
    const item = this.#items[this.#at];
    this.#items[this.#at++] = undefined;
    if (this.#at === this.#items.length) {
      this.#items.length = this.#at = 0;
    } else if (this.#at >= 1_024 && this.#at * 2 >= this.#items.length) {
      this.#items = this.#items.slice(this.#at);
      this.#at = 0;
    }
    return item;
  }
}

/** Of this thread: it has one event loop. */
export const loopTurns = new LoopTurns();
