import type { PurgeOrder } from "../../gateway/purge_scopes.ts";
import type { Logger } from "../../logging/logger.ts";
import type { StateStore } from "../../state/state_store.ts";

/** An order to purge as it goes from gateway to gateway. */
export interface OrderMark {
  /** The book of the gateway that it comes from; a gateway keeps its book for as long as its KV file. */
  readonly book: string;
  /** Its place there: each is one more than the one before. */
  readonly number: number;
  /** The same at every gateway. */
  readonly id: string;
}

/** An order that was taken. */
export interface TakenOrder {
  readonly number: number;
  readonly id: string;
  /** The gateways that it came through before. */
  readonly via: readonly string[];
  readonly order: PurgeOrder;
}

/** A part of a book, in the order of its numbers. */
export interface BookPart {
  readonly book: string;
  readonly orders: readonly TakenOrder[];
  /** Of all orders, those behind this part included. */
  readonly newest: number;
  /** Whether it begins with the first that was asked for: none before it is left out. */
  readonly isWhole: boolean;
  /** Whether there are more behind it. */
  readonly isMore: boolean;
}

/** Orders that are kept for peers that were not there. */
export const MAX_ORDERS = 1_000;
/** Orders that are answered at a time. */
export const ORDERS_AT_ONCE = 100;

const BOOK_KEY = ["purge-book"];
const ORDERS = "purge-order";
const DONE = "purge-done";

/** The last orders to purge that this gateway has taken, by which a peer that was not there learns what it has missed. */
export class OrderBook {
  #state: StateStore | null = null;
  readonly #logger: Logger;
  #book: string = crypto.randomUUID();
  #orders: TakenOrder[] = [];
  #newest = 0;
  /** Ids of orders that hold here. */
  readonly #done = new Set<string>();

  private constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** Reads what was written before. Without a state store a book ends with the process. */
  static async open(state: StateStore | null, logger: Logger): Promise<OrderBook> {
    const book = new OrderBook(logger);
    if (state !== null) await book.attach(state);
    return book;
  }

  /** Goes on with the book that is in a store. */
  async attach(state: StateStore): Promise<void> {
    const own = this.#orders;
    try {
      const name = await state.get(BOOK_KEY);
      if (typeof name === "string") this.#book = name;
      else await state.set([{ key: BOOK_KEY, value: this.#book }]);
      this.#orders = [];
      for await (const { value } of state.list([ORDERS])) this.#orders.push(value as TakenOrder);
      for await (const { key: [, id] } of state.list([DONE])) this.#done.add(String(id));
      this.#orders.sort((a, b) => a.number - b.number);
      this.#newest = this.#orders.at(-1)?.number ?? 0;
      this.#state = state;
    } catch (error) {
      this.#logger.error("What was purged before cannot be read: peers are not told of it", { problem: String(error) });
    }
    for (const { order, id, via } of own) {
      await this.take(order, id, via);
      if (this.#done.has(id)) await this.done(id);
    }
  }

  /** Whether an order of this id holds here already. */
  has(id: string): boolean {
    return this.#done.has(id);
  }

  /** Writes an order down, before it is done. */
  async take(order: PurgeOrder, id: string, via: readonly string[]): Promise<OrderMark> {
    const taken: TakenOrder = { number: ++this.#newest, id, via, order };
    this.#orders.push(taken);
    const old = this.#orders.splice(0, Math.max(0, this.#orders.length - MAX_ORDERS));
    for (const { id } of old) this.#done.delete(id);
    await this.#write(async (state) => {
      await state.set([{ key: [ORDERS, taken.number], value: taken }]);
      for (const { number, id } of old) {
        await state.delete([DONE, id]);
        await state.delete([ORDERS, number]);
      }
    });
    return { book: this.#book, number: taken.number, id };
  }

  /** From now on what the order purges is not served here. One that was taken and is not done by the end of the process is to come again. */
  async done(id: string): Promise<void> {
    this.#done.add(id);
    await this.#write((state) => state.set([{ key: [DONE, id], value: true }]));
  }

  async #write(change: (state: StateStore) => Promise<void>): Promise<void> {
    try {
      if (this.#state !== null) await change(this.#state);
    } catch (error) {
      this.#logger.warn("A purge cannot be written down for peers that are not there", { problem: String(error) });
    }
  }

  /** The orders behind a number, {@linkcode ORDERS_AT_ONCE} at most; all that are kept where `book` is not this one. */
  since(book: string | null, number: number): BookPart {
    const after = book === this.#book ? number : 0;
    const oldest = this.#orders[0]?.number ?? this.#newest + 1;
    const found = this.#orders.filter((taken) => taken.number > after);
    return {
      book: this.#book,
      orders: found.slice(0, ORDERS_AT_ONCE),
      newest: this.#newest,
      isWhole: book === this.#book && oldest <= after + 1 && after <= this.#newest,
      isMore: found.length > ORDERS_AT_ONCE,
    };
  }
}
