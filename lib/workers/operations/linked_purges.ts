import type { Config } from "../../config/config.ts";
import { type PurgeOrder, purgeScopes } from "../../gateway/purge_scopes.ts";
import type { Logger } from "../../logging/logger.ts";
import type { StateStore } from "../../state/state_store.ts";
import { type Bus, FIRST_PASSAGE, type LinkedPurge, NOTHING_TO_PURGE, type PurgePassage } from "./bus.ts";
import { type BookPart, OrderBook, type TakenOrder } from "./order_book.ts";
import type { PurgePeer } from "./peer_bus.ts";
import { PeerCatchUp } from "./peer_catch_up.ts";
import type { PurgeDesk } from "./purge_desk.ts";

/** What purges at several gateways are made with. */
export interface LinkedPurgesOptions {
  readonly bus: Bus;
  readonly peers: () => readonly PurgePeer[];
  readonly desk: PurgeDesk;
  readonly config: () => Config;
  /** Where purges are written down; `null` where they end with the process. */
  readonly state: StateStore | null;
  readonly logger: Logger;
}

/** Purges at this gateway and its peers, in the order that leaves nothing stale at either, and made up for where one was not there. */
export class LinkedPurges {
  readonly #options: LinkedPurgesOptions;
  readonly #book: OrderBook;
  readonly #catchUp: PeerCatchUp;

  private constructor(options: LinkedPurgesOptions, book: OrderBook) {
    const { state, peers, logger, desk } = options;
    this.#options = options;
    this.#book = book;
    this.#catchUp = new PeerCatchUp({
      ...{ state, peers, logger },
      apply: (taken, peer) => this.#makeUp(taken, `peer ${peer}`),
      distrust: (peer) => desk.takeAll(`peer ${peer}`),
    });
  }

  /** Reads what was written down. */
  static async open(options: LinkedPurgesOptions): Promise<LinkedPurges> {
    return new LinkedPurges(options, await OrderBook.open(options.state, options.logger));
  }

  /** Does what peers did meanwhile: before anything that is stored is served. */
  start(): Promise<void> {
    return this.#catchUp.start();
  }

  /** Asks peers now and then, from now on. */
  begin(): void {
    this.#catchUp.begin();
  }

  /** Goes on with what the process before has written down. */
  async attach(state: StateStore): Promise<void> {
    await this.#book.attach(state);
    await this.#catchUp.attach(state);
  }

  /** Ends what is under way. */
  close(): Promise<void> {
    return this.#catchUp.close();
  }

  /** A part of what was purged here, for a peer; see {@linkcode OrderBook.since}. */
  since(book: string | null, number: number): BookPart & { readonly gateway: string } {
    return { gateway: this.#options.bus.self, ...this.#book.since(book, number) };
  }

  /** Purges here and at the peers, for `actor`. An order that came through here before ends. */
  async purge(order: PurgeOrder, actor: string, passage = FIRST_PASSAGE): Promise<LinkedPurge> {
    const outcome = await this.#purge(order, actor, passage);
    if (passage.mark !== null) await this.#catchUp.note(passage.mark);
    return outcome;
  }

  /** Peers come first: what is fetched from them again would be what they still hold. */
  async #purge(order: PurgeOrder, actor: string, { via, mark }: PurgePassage): Promise<LinkedPurge> {
    const { bus, desk, config } = this.#options;
    const id = mark?.id ?? crypto.randomUUID();
    if (bus.hasSeen(via) || this.#book.has(id)) return NOTHING_TO_PURGE;
    if (!purgeScopes(config(), order).ok) return await desk.take(order, config(), actor);
    const peers = await bus.purge(order, via, await this.#book.take(order, id, via));
    const outcome = await desk.take(order, config(), actor);
    await this.#book.done(id);
    return outcome.ok && peers.length > 0 ? { ...outcome, peers } : outcome;
  }

  /** Here first, since this gateway may be about to serve; and again after the peers, since what was fetched from them meanwhile is old. */
  async #makeUp({ order, id, via }: TakenOrder, actor: string): Promise<void> {
    const { bus, desk, config } = this.#options;
    if (bus.hasSeen(via) || this.#book.has(id)) return;
    const { ok } = await desk.take(order, config(), actor);
    if (!ok) return;
    const mark = await this.#book.take(order, id, via);
    await this.#book.done(id);
    void bus.purge(order, via, mark).then(async (told) => {
      if (told.some((peer) => peer.ok)) await desk.take(order, config(), actor);
    });
  }
}
