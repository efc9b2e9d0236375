/** How a trace is made. */
export interface TraceOptions {
  /** Entries that there is room for. */
  readonly room: number;
  readonly requests: number;
  /** From 0 to 1. */
  readonly random: () => number;
}

/** A kind of requests, as numbers of keys. */
export interface TraceKind {
  readonly name: string;
  readonly keys: (options: TraceOptions) => Int32Array;
  /** Whether anything is to be had over a plain LRU. */
  readonly beatsLru: boolean;
}

/** Kinds of requests that caches see. */
export const TRACES: readonly TraceKind[] = [
  { name: "Zipf 0.7", beatsLru: true, keys: (options) => drawn(options, zipf(20 * options.room, 0.7, options.random)) },
  { name: "Zipf 0.9", beatsLru: true, keys: (options) => drawn(options, zipf(20 * options.room, 0.9, options.random)) },
  { name: "Zipf 1.1", beatsLru: true, keys: (options) => drawn(options, zipf(20 * options.room, 1.1, options.random)) },
  { name: "scans between", beatsLru: true, keys: scans },
  { name: "loop", beatsLru: true, keys: ({ room, ...options }) => drawn({ room, ...options }, turns(1.25 * room)) },
  { name: "loop, twice the room", beatsLru: true, keys: (options) => drawn(options, turns(2 * options.room)) },
  { name: "loop beside Zipf 0.9", beatsLru: true, keys: loopBeside },
  { name: "asked for once, beside Zipf 0.8", beatsLru: true, keys: onceBeside },
  { name: "other keys each time", beatsLru: false, keys: drift },
  { name: "asked for again soon or never", beatsLru: false, keys: recent },
];

/** Hits of a plain LRU with room for so many entries. */
export function lruHits(trace: Int32Array, room: number): number {
  const held = new Set<number>();
  let hits = 0;
  for (const key of trace) {
    if (held.delete(key)) hits++;
    else if (held.size >= room) held.delete(held.values().next().value!);
    held.add(key);
  }
  return hits;
}

/**
 * Hits of a cache that knows what will be asked for: it evicts what is asked for last, and does not keep what is asked for later than all it
 * holds (L. A. Belady, IBM Systems Journal 1966).
 */
export function bestHits(trace: Int32Array, room: number): number {
  const next = nextUses(trace);
  const held = new Map<number, number>();
  const latest: number[][] = [];
  let hits = 0;
  for (const [at, key] of trace.entries()) {
    if (held.has(key)) hits++;
    else if (held.size >= room && !makesRoom(held, latest, next[at]!)) continue;
    held.set(key, next[at]!);
    push(latest, [next[at]!, key]);
  }
  return hits;
}

/** Evicts what is used later than `use`; answers whether there was anything. */
function makesRoom(held: Map<number, number>, latest: number[][], use: number): boolean {
  while (latest.length > 0) {
    const [at, key] = latest[0] as [number, number];
    if (held.get(key) !== at) pop(latest);
    else if (at <= use) return false;
    else {
      pop(latest);
      held.delete(key);
      return true;
    }
  }
  return false;
}

function nextUses(trace: Int32Array): Int32Array {
  const next = new Int32Array(trace.length);
  const seen = new Map<number, number>();
  for (let at = trace.length - 1; at >= 0; at--) {
    next[at] = seen.get(trace[at]!) ?? 0x7fffffff;
    seen.set(trace[at]!, at);
  }
  return next;
}

/** A heap with the largest first number on top. */
function push(heap: number[][], item: number[]): void {
  let at = heap.push(item) - 1;
  for (let up = at - 1 >> 1; at > 0 && heap[up]![0]! < item[0]!; up = at - 1 >> 1) {
    heap[at] = heap[up]!;
    at = up;
  }
  heap[at] = item;
}

function pop(heap: number[][]): void {
  const item = heap.pop()!;
  if (heap.length === 0) return;
  let at = 0;
  for (let down = 1; down < heap.length; down = 2 * at + 1) {
    if (down + 1 < heap.length && heap[down + 1]![0]! > heap[down]![0]!) down++;
    if (item[0]! >= heap[down]![0]!) break;
    heap[at] = heap[down]!;
    at = down;
  }
  heap[at] = item;
}

/** Draws ranks from 0 with the frequencies of Zipf's law. */
export function zipf(count: number, exponent: number, random: () => number): () => number {
  const upTo = new Float64Array(count);
  let sum = 0;
  for (let rank = 0; rank < count; rank++) upTo[rank] = sum += 1 / (rank + 1) ** exponent;
  return () => {
    const at = random() * sum;
    let low = 0;
    for (let high = count - 1; low < high;) {
      const middle = low + high >> 1;
      if (upTo[middle]! < at) low = middle + 1;
      else high = middle;
    }
    return low;
  };
}

function drawn({ requests }: TraceOptions, draw: (at: number) => number): Int32Array {
  return Int32Array.from({ length: requests }, (_, at) => draw(at));
}

function turns(length: number): (at: number) => number {
  return (at) => at % Math.floor(length);
}

/** Keys of nothing else. */
const APART = 10_000_000;

function scans({ room, requests, random }: TraceOptions): Int32Array {
  const draw = zipf(20 * room, 0.9, random);
  const [between, scan] = [16 * room, 6 * room];
  let scanned = APART;
  return drawn({ room, requests, random }, (at) => at % (between + scan) < between ? draw() : scanned++);
}

function loopBeside({ room, requests, random }: TraceOptions): Int32Array {
  const draw = zipf(20 * room, 0.9, random);
  let turn = 0;
  return drawn({ room, requests, random }, () => random() < 0.5 ? draw() : APART + turn++ % Math.floor(1.6 * room));
}

function onceBeside({ room, requests, random }: TraceOptions): Int32Array {
  const draw = zipf(2 * room, 0.8, random);
  let once = APART;
  return drawn({ room, requests, random }, () => random() < 0.6 ? draw() : once++);
}

/** What is asked for moves on. */
function drift({ room, requests, random }: TraceOptions): Int32Array {
  const draw = zipf(8 * room, 0.9, random);
  return drawn({ room, requests, random }, (at) => draw() + Math.floor(at / 50));
}

/** A key is asked for again a few requests later, or never. */
function recent({ room, requests, random }: TraceOptions): Int32Array {
  const last: number[] = [];
  let fresh = 0;
  return drawn({ room, requests, random }, () => {
    const distance = Math.floor(-Math.log(random()) * room / 3);
    const key = last.length < 10 || random() < 0.3
      ? fresh++
      : last.splice(Math.max(0, last.length - 1 - distance), 1)[0]!;
    last.push(key);
    if (last.length > 2.5 * room) last.shift();
    return key;
  });
}
