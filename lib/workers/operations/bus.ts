import type { OrderMark } from "./order_book.ts";
import type { PurgeOutcome } from "./purge_desk.ts";
import type { PurgeOrder } from "../../gateway/purge_scopes.ts";

/** What another gateway answered. */
export interface PeerAnswer {
  readonly peer: string;
  readonly ok: boolean;
  /** Why it did not do as asked; `null` where it did. */
  readonly problem: string | null;
}

/** How an order came to a gateway. */
export interface PurgePassage {
  /** Ids of the gateways that it came through, the first one first. */
  readonly via: readonly string[];
  /** Its place in the book of the last of them; `null` where it comes from an operator, or a gateway that keeps none. */
  readonly mark: OrderMark | null;
}

/** The way to the other gateways that store the same responses. Purges are all that goes over it. */
export interface Bus {
  /** Id of this gateway. */
  readonly self: string;
  /** Whether a purge that came through these gateways has been at this one before. */
  hasSeen(via: readonly string[]): boolean;
  /**
   * Passes a purge on to every other gateway; `mark` is its place in the book of this one. Resolves when each has applied it or failed to.
   * Never rejects; failures are logged.
   */
  purge(order: PurgeOrder, via: readonly string[], mark: OrderMark): Promise<readonly PeerAnswer[]>;
}

/** The outcome of a purge here, and at the peers where there are any. */
export type LinkedPurge = PurgeOutcome & { readonly peers?: readonly PeerAnswer[] };

/** Of an order that an operator gives. */
export const FIRST_PASSAGE: PurgePassage = { via: [], mark: null };

/** The answer to an order that has been here before. */
export const NOTHING_TO_PURGE: LinkedPurge = {
  ok: true,
  soft: true,
  listeners: [],
  workers: 0,
  named: 0,
  persisted: false,
  durationMs: 0,
};
