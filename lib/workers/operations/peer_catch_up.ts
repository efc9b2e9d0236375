import { z } from "zod";
import { pause, within } from "../../clock.ts";
import { messageOf } from "../../errors.ts";
import { purgeOrder } from "../../gateway/purge_order.ts";
import type { Logger } from "../../logging/logger.ts";
import type { StateStore } from "../../state/state_store.ts";
import { MAX_ORDERS, type OrderMark, ORDERS_AT_ONCE, type TakenOrder } from "./order_book.ts";
import type { PurgePeer } from "./peer_bus.ts";

/** How long a start waits for peers; those that answer later are taken into account then. */
const START_MS = 3_000;
const TIMEOUT_MS = 5_000;
/** How often peers are asked what did not come: a purge that one of them could not pass on is made up for in that time. */
const EVERY_MS = 30_000;
const MAX_ANSWER_BYTES = 4 * 1024 * 1024;

const CURSORS = "purge-peer";

/** How far a peer's book has been read. */
interface Cursor {
  readonly book: string;
  readonly number: number;
}

/** A part of a peer's book, as it is answered. */
const bookPart = z.object({
  gateway: z.string().max(64),
  book: z.string().max(64),
  newest: z.int().min(0),
  whole: z.boolean(),
  more: z.boolean(),
  orders: z.array(z.object({
    number: z.int().min(1),
    id: z.string().max(64),
    via: z.array(z.string().max(64)).max(16),
    order: purgeOrder,
  })).max(ORDERS_AT_ONCE),
});

/** Options of {@linkcode PeerCatchUp}. */
export interface PeerCatchUpOptions {
  /** Where it is kept how far peers were read; `null` where that ends with the process. */
  readonly state: StateStore | null;
  readonly peers: () => readonly PurgePeer[];
  readonly logger: Logger;
  /** Does what a peer has done, and passes it on. `via` has the peer at its end. */
  readonly apply: (taken: TakenOrder, peer: string) => Promise<void>;
  /** Marks all stale: more was purged than a peer can tell. */
  readonly distrust: (peer: string) => Promise<void>;
  /** @default {30000} */
  readonly everyMs?: number;
}

/** Learns from peers what they purged while this gateway was not there, or could not be reached: they keep a book of it. */
export class PeerCatchUp {
  readonly #options: PeerCatchUpOptions;
  #state: StateStore | null;
  /** By URL. */
  readonly #cursors = new Map<string, Cursor>();
  /** Peers that did not answer since; a warning is said once. */
  readonly #silent = new Set<string>();
  readonly #ending = new AbortController();
  #asking: Promise<void> = Promise.resolve();
  #isStarted = false;

  constructor(options: PeerCatchUpOptions) {
    this.#options = options;
    this.#state = options.state;
  }

  /** Asks every peer, before anything that is stored is served; returns when they have answered, or after some seconds. */
  async start(): Promise<void> {
    await this.#load();
    if (this.#options.peers().length > 0) await within(this.#askAll(), START_MS, undefined);
    this.#isStarted = true;
  }

  /** Goes on with another store, where the cursors of the process before are. */
  async attach(state: StateStore): Promise<void> {
    this.#state = state;
    await this.#load();
    await this.#askAll();
  }

  /** Asks again and again. */
  begin(): void {
    void this.#run();
  }

  /** An order of a peer has come and is done: one before it that did not come is asked for. */
  async note({ book, number }: OrderMark): Promise<void> {
    for (const [url, cursor] of this.#cursors) {
      if (cursor.book !== book || number <= cursor.number) continue;
      if (number === cursor.number + 1) await this.#move(url, { book, number });
      else void this.#askAll();
    }
  }

  /** Ends what is under way. */
  async close(): Promise<void> {
    this.#ending.abort();
    await this.#asking;
  }

  async #run(): Promise<void> {
    const { signal } = this.#ending;
    const { everyMs = EVERY_MS } = this.#options;
    while (!signal.aborted) {
      // All at once after a start of many would be no help to the one that they ask.
      await pause(everyMs * (0.75 + Math.random() / 2), signal);
      if (!signal.aborted) await this.#askAll();
    }
  }

  /** One after the other where asked while that is under way: what one has read the next does not ask for. */
  #askAll(): Promise<void> {
    return this.#asking = this.#asking.then(async () => {
      await Promise.all(this.#options.peers().map((peer) => this.#ask(peer)));
    });
  }

  async #ask(peer: PurgePeer): Promise<void> {
    const { logger } = this.#options;
    try {
      for (let turn = 0; turn <= MAX_ORDERS / ORDERS_AT_ONCE; turn++) {
        if (this.#ending.signal.aborted || !await this.#read(peer)) break;
      }
      if (this.#silent.delete(peer.url)) logger.info("A peer answers again", { peer: peer.url });
    } catch (error) {
      if (this.#ending.signal.aborted || this.#silent.has(peer.url)) return;
      this.#silent.add(peer.url);
      const problem = messageOf(error);
      logger.warn("A peer cannot be asked what it has purged: what is stored may be older", {
        peer: peer.url,
        problem,
      });
    }
  }

  /** Reads one part of a peer's book, and does what it says; `true` where there is more. */
  async #read(peer: PurgePeer): Promise<boolean> {
    const { apply, distrust, logger } = this.#options;
    const known = this.#cursors.get(peer.url);
    const part = await this.#fetch(peer, known);
    const isSame = known?.book === part.book;
    // A peer that lost its book while this gateway was there has passed on what it did.
    if (known !== undefined && !part.whole && (isSame || !this.#isStarted)) {
      logger.warn("A peer cannot tell all that it has purged: all that is stored is stale", { peer: peer.url });
      await distrust(peer.url);
    }
    for (const { number, id, via, order } of part.orders) {
      await apply({ number, id, via: [...via, part.gateway], order }, peer.url);
    }
    const last = part.orders.at(-1);
    const isMore = part.more && last !== undefined;
    const number = isMore ? last.number : part.newest;
    if (!isSame || number !== known.number) await this.#move(peer.url, { book: part.book, number });
    return isMore;
  }

  /** @throws {Error} where the peer does not answer, or not as one does */
  async #fetch(peer: PurgePeer, known: Cursor | undefined) {
    const query = known === undefined ? "" : `?book=${encodeURIComponent(known.book)}&after=${known.number}`;
    const response = await fetch(`${peer.url}/api/v1/purges${query}`, {
      headers: peer.token === null ? {} : { authorization: `Bearer ${peer.token}` },
      // A redirect is not followed: the credential is for this address.
      redirect: "manual",
      signal: AbortSignal.any([this.#ending.signal, AbortSignal.timeout(TIMEOUT_MS)]),
    });
    if (response.status !== 200) {
      await response.body?.cancel();
      throw new Error(`Cannot read the purges of a peer: status ${response.status}`);
    }
    return bookPart.parse(JSON.parse(await boundedText(response)));
  }

  async #move(url: string, cursor: Cursor): Promise<void> {
    this.#cursors.set(url, cursor);
    await this.#state?.set([{ key: [CURSORS, url], value: cursor }]).catch((error) => {
      this.#options.logger.warn("It cannot be written down what a peer has purged", { problem: String(error) });
    });
  }

  async #load(): Promise<void> {
    if (this.#state === null) return;
    try {
      for await (const { key: [, url], value } of this.#state.list([CURSORS])) {
        this.#cursors.set(String(url), value as Cursor);
      }
    } catch (error) {
      this.#options.logger.error("It cannot be read what peers have purged", { problem: String(error) });
    }
  }
}

/** @throws {Error} where it is longer than an answer may be */
async function boundedText(response: Response): Promise<string> {
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.byteLength;
    if (bytes > MAX_ANSWER_BYTES) throw new Error("Cannot read the purges of a peer: its answer is too long");
    chunks.push(chunk);
  }
  return await new Blob(chunks).text();
}
