import type { PurgeOrder } from "../../gateway/purge_scopes.ts";
import type { Logger } from "../../logging/logger.ts";
import type { Bus, PeerAnswer } from "./bus.ts";

/** Names the gateways that an order has come through, so that it ends where it has been. */
export const PURGE_VIA_FIELD = "x-usher-purge-via";

const TIMEOUT_MS = 5_000;
/** Gateways that an order may come through. */
const MAX_HOPS = 16;
const INSTANCE_ID = /^[\w.:-]{1,64}$/;

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

/** A bus over the admin surfaces of the gateways in `admin.peers`: all at once, each with its own credential. */
export class PeerBus implements Bus {
  readonly #options: PeerBusOptions;

  constructor(options: PeerBusOptions) {
    this.#options = options;
  }

  hasSeen(via: readonly string[]): boolean {
    return via.includes(this.#options.self);
  }

  async purge(order: PurgeOrder, via: readonly string[]): Promise<readonly PeerAnswer[]> {
    const { self, peers, logger } = this.#options;
    return await Promise.all(
      peers().map(async (peer) => {
        const problem = await this.#tell(peer, order, [...via, self]);
        if (problem !== null) logger.warn("A peer did not purge", { peer: peer.url, problem });
        return { peer: peer.url, ok: problem === null, problem };
      }),
    );
  }

  /** Tells one peer; `null` where it did as asked. What it says beside its status goes nowhere. */
  async #tell(peer: PurgePeer, order: PurgeOrder, via: readonly string[]): Promise<string | null> {
    const { timeoutMs = TIMEOUT_MS } = this.#options;
    const headers = new Headers({ "content-type": "application/json", [PURGE_VIA_FIELD]: via.join(", ") });
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

/** An order as the admin surface takes it. */
export function purgeBody({ by, value, listener, hard }: PurgeOrder): Record<string, unknown> {
  const narrowed = listener === null ? {} : { listener };
  if (by === "all") return listener === null ? { all: true, hard } : { listener, hard };
  return { [by]: value, ...narrowed, hard };
}
