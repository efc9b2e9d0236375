import { Evictable, EvictionOrder } from "./_eviction_order.ts";

/** One key in `2 ** SAMPLE_BITS` takes part. */
const SAMPLE_BITS = 4;
/** Hits of as many requests as this times the entries held count; older ones count half and less. */
const REMEMBERED = 4;
/** By how much of the requests one order has to be better before it takes over. */
const MARGIN = 0.005;
/** Entries of a model that is large enough to tell anything. */
const MIN_ENTRIES = 16;

/**
 * Tells which order of eviction suits the requests that come: both are tried on a sixteenth of the keys, with a sixteenth of the room, without
 * bodies. Frequency is better on what most caches see; recency where what is asked for soon after is all that counts.
 */
export class OrderTrial {
  readonly #frequency: Model;
  readonly #recency: Model;
  #requests = 0;

  constructor(random: () => number) {
    this.#frequency = new Model(new EvictionOrder({ random }));
    this.#recency = new Model(new EvictionOrder({ random, isByRecency: true }));
  }

  /** Whether a key takes part. */
  static samples(hash: number): boolean {
    return hash >>> 32 - SAMPLE_BITS === 0;
  }

  /**
   * Notes a request for a key that takes part, and answers which order is to be used.
   *
   * @param heldBytes room of the order that is used
   */
  isRecencyBetter(entry: Evictable, heldBytes: number, isUsed: boolean): boolean {
    const roomBytes = heldBytes / 2 ** SAMPLE_BITS;
    this.#frequency.ask(entry, roomBytes);
    this.#recency.ask(entry, roomBytes);
    this.#requests++;
    const { entries } = this.#recency;
    if (entries < MIN_ENTRIES || this.#requests < REMEMBERED * entries) return isUsed;
    const lead = (this.#recency.hits - this.#frequency.hits) / this.#requests;
    this.#requests /= 2;
    this.#frequency.hits /= 2;
    this.#recency.hits /= 2;
    return isUsed ? lead > -MARGIN : lead > MARGIN;
  }
}

/** What one order would hold. */
class Model {
  hits = 0;
  readonly #order: EvictionOrder;
  readonly #entries = new Map<number, Evictable>();

  constructor(order: EvictionOrder) {
    this.#order = order;
  }

  get entries(): number {
    return this.#entries.size;
  }

  ask({ hash, bytes }: Evictable, roomBytes: number): void {
    const held = this.#entries.get(hash);
    if (held !== undefined) {
      this.hits++;
      this.#order.use(held);
      return;
    }
    // Before anything is evicted for it: an eighth of the tier is kept there, and would empty a model of a sixteenth.
    if (bytes > roomBytes) return;
    while (this.#order.bytes + bytes > roomBytes) this.#entries.delete(this.#order.evict()!.hash);
    const entry = new Evictable(bytes, hash);
    this.#entries.set(hash, entry);
    this.#order.add(entry);
  }
}
