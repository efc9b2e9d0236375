import type { PurgeOutcome } from "./purge_desk.ts";
import type { PurgeOrder } from "../../gateway/purge_scopes.ts";

/** What another gateway answered. */
export interface PeerAnswer {
  readonly peer: string;
  readonly ok: boolean;
  /** Why it did not do as asked; `null` where it did. */
  readonly problem: string | null;
}

/** The way to the other gateways that store the same responses. Purges are all that goes over it. */
export interface Bus {
  /** Whether a purge that came through these gateways (their ids, the first one first) has been at this one before. */
  hasSeen(via: readonly string[]): boolean;
  /** Passes a purge on to every other gateway; resolves when each has applied it or failed to. Never rejects; failures are logged. */
  purge(order: PurgeOrder, via: readonly string[]): Promise<readonly PeerAnswer[]>;
}

/** The outcome of a purge here, and at the peers where there are any. */
export type LinkedPurge = PurgeOutcome & { readonly peers?: readonly PeerAnswer[] };

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
