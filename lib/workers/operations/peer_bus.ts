import { purgeBody } from "../../gateway/purge_order.ts";
import type { PurgeOrder } from "../../gateway/purge_scopes.ts";
import type { Logger } from "../../logging/logger.ts";
import type { Bus, PeerAnswer } from "./bus.ts";
import type { OrderMark } from "./order_book.ts";

/** Names the gateways that an order has come through, so that it ends where it has been. */
export const PURGE_VIA_FIELD = "x-usher-purge-via";
/** Names the order, and its place in the book of the gateway that sends it. */
export const PURGE_ORDER_FIELD = "x-usher-purge-order";

const TIMEOUT_MS = 5_000;
/** Gateways that an order may come through. */
const MAX_HOPS = 16;
const INSTANCE_ID = /^[\w.:-]{1,64}$/;
const MARK = /^([\w-]{1,64}) (\d{1,15}) ([\w-]{1,64})$/;

/** The admin surface of another gateway, and the credential that is for it alone. */
export interface PurgePeer {
  /** Without a slash at its end. */
  readonly url: string;
  /** `null` where it asks for none. */
  readonly token: string | null;
}

/** What a bus over peers is made of. */
export interface PeerBusOptions {
  /** Id of this gateway. */
  readonly self: string;
  readonly peers: () => readonly PurgePeer[];
  readonly logger: Logger;
  /** @default {5000} */
  readonly timeoutMs?: number;
}

/**
 * The gateways that an order came through, by its field; `null` where that is no list of them, or a chain too long to be meant.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { readVia } from "./peer_bus.ts";
 * assert.deepEqual(readVia("usher-1, usher-2"), ["usher-1", "usher-2"]);
 * assert.deepEqual(readVia(null), []);
 * assert.equal(readVia("a b"), null);
 * ```
 */
export function readVia(value: string | null): string[] | null {
  if (value === null) return [];
  const ids = value.split(",").map((id) => id.trim());
  return ids.length <= MAX_HOPS && ids.every((id) => INSTANCE_ID.test(id)) ? ids : null;
}

/**
 * The place of an order in a book, by its field; `null` where that is none.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { readMark } from "./peer_bus.ts";
 * assert.deepEqual(readMark("f00d 7 ab-c"), { book: "f00d", number: 7, id: "ab-c" });
 * assert.equal(readMark("f00d ab-c"), null);
 * ```
 */
export function readMark(value: string | null): OrderMark | null {
  const [, book, number, id] = MARK.exec(value ?? "") ?? [];
  return book === undefined ? null : { book, number: Number(number), id: id! };
}

/** A bus over the admin surfaces of the gateways in `admin.peers`: all at once, each with its own credential. */
export class PeerBus implements Bus {
  readonly #options: PeerBusOptions;

  constructor(options: PeerBusOptions) {
    this.#options = options;
  }

  get self(): string {
    return this.#options.self;
  }

  hasSeen(via: readonly string[]): boolean {
    return via.includes(this.#options.self);
  }

  async purge(order: PurgeOrder, via: readonly string[], mark: OrderMark): Promise<readonly PeerAnswer[]> {
    const { self, peers, logger } = this.#options;
    const passage = {
      [PURGE_VIA_FIELD]: [...via, self].join(", "),
      [PURGE_ORDER_FIELD]: `${mark.book} ${mark.number} ${mark.id}`,
    };
    return await Promise.all(
      peers().map(async (peer) => {
        const problem = await this.#tell(peer, order, passage);
        if (problem !== null) logger.warn("A peer did not purge", { peer: peer.url, problem });
        return { peer: peer.url, ok: problem === null, problem };
      }),
    );
  }

  /** Tells one peer; `null` where it did as asked. What it says beside its status goes nowhere. */
  async #tell(
    peer: PurgePeer,
    order: PurgeOrder,
    passage: Readonly<Record<string, string>>,
  ): Promise<string | null> {
    const { timeoutMs = TIMEOUT_MS } = this.#options;
    const headers = new Headers({ "content-type": "application/json", ...passage });
    if (peer.token !== null) headers.set("authorization", `Bearer ${peer.token}`);
    const signal = AbortSignal.timeout(timeoutMs);
    try {
      // A redirect is not followed: the credential is for this address.
      const response = await fetch(`${peer.url}/purge`, {
        method: "POST",
        headers,
        body: JSON.stringify(purgeBody(order)),
        redirect: "manual",
        signal,
      });
      await response.body?.cancel();
      return response.status === 200 ? null : `status ${response.status}`;
    } catch {
      return signal.aborted ? `no answer within ${timeoutMs} ms` : "cannot be reached";
    }
  }
}
