import type { ReceivedMessage } from "./bus_message.ts";

/** What a member of a bus does with what it hears. */
export interface BusListener {
  /** Messages in their order; when it returns, they hold in every worker. Never rejects. */
  readonly apply: (messages: readonly ReceivedMessage[]) => Promise<void>;
  /** Messages up to this position cannot be read any more: nothing that was asked for before may be trusted. Never rejects. */
  readonly missed: (position: number) => Promise<void>;
  /** The engine has lost messages. Those of the last hour that are left have been applied again: what they lack is to be sent again. */
  readonly lost: (left: readonly ReceivedMessage[]) => Promise<void>;
  /** The lease was renewed, up to this time of the wall clock, or is over: 0. */
  readonly onLease: (untilMs: number) => void;
}

/** A member, as the engine knows it. */
export interface BusMember {
  readonly name: string;
  /** Milliseconds that its lease lasts still; below 0 where it is over. */
  readonly leaseMs: number;
  /** Up to which it has applied all. */
  readonly position: number;
}

/** How a bus stands. */
export interface BusState {
  /** Whether the lease holds: this gateway knows of every purge. */
  readonly isLive: boolean;
  readonly position: number;
  /** Of the last message, as far as is known. */
  readonly head: number;
  readonly members: number;
}

/** What is shown of a bus. */
export interface BusSight extends BusState {
  /** Purges that wait until the engine can be told. */
  readonly waiting: number;
  /** All members as they were last known; they are asked for again when somebody looks. */
  readonly known: readonly BusMember[];
}
