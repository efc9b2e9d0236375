import { GatewayError } from "../errors.ts";
import type { Exchange } from "../request/exchange.ts";
import type { TurnQueue } from "../request/turn_queue.ts";
import type { Held, Outgoing } from "../upstream_type/upstream_type.ts";
import { type Attempt, givenUp } from "./attempt.ts";
import { mayGetRoom, select } from "./next_try.ts";

/** What was tried so far, and how long there is time for more. */
export interface CredentialWait {
  readonly last: Attempt | null;
  /** By `performance.now()`. */
  readonly untilMs: number;
  readonly signal: AbortSignal | undefined;
}

/** What the next try sends, and what of the last one is still there to fall back on. */
export interface TakenCredential {
  /** `null` where no credential may be used in time, and the last answer is to be passed on. */
  readonly outgoing: Outgoing | null;
  readonly last: Attempt | null;
}

/**
 * The next try's credential, at once or as soon as one has room.
 *
 * @throws {GatewayError} `rate_limited` where none has in time, and there is no answer to pass on
 */
export function takeCredential(
  exchange: Exchange,
  wait: CredentialWait,
): TakenCredential | Promise<TakenCredential> {
  const { type } = exchange.tenant;
  const room = roomFor(exchange);
  // Those that wait already come first; one that brings its own credential waits for nobody.
  if (room.size > 0) room.advance();
  const taken = type.outgoing(exchange);
  return "heldMs" in taken ? waitForRoom(exchange, taken, wait) : { outgoing: taken, last: wait.last };
}

async function waitForRoom(exchange: Exchange, { heldMs }: Held, wait: CredentialWait): Promise<TakenCredential> {
  const { last, untilMs, signal } = wait;
  const { pool, type } = exchange.tenant;
  const leftMs = untilMs - performance.now();
  // Where no upstream is in there is nothing to wait for.
  if (heldMs > leftMs || !isAnyUpstreamIn(exchange)) return inVain(exchange, { last, heldMs });
  const left = last?.kind === "answer" ? givenUp(last, "Every key was at its limit") : last;
  const room = roomFor(exchange);
  const before = room.size;
  const turn = room.take(() => unheld(type.outgoing(exchange)), { waitMs: leftMs, signal });
  if (room.size > before) pool.counts.credentialQueued++;
  const outgoing = await turn;
  return outgoing === null ? inVain(exchange, { last: null, heldMs, signal }) : { outgoing, last: left };
}

function roomFor({ private: reason, tenant: { pool } }: Exchange): TurnQueue {
  return reason === null ? pool.keyRoom : pool.userKeyRoom;
}

function unheld(taken: Outgoing | Held): Outgoing | null {
  return "heldMs" in taken ? null : taken;
}

function isAnyUpstreamIn(exchange: Exchange): boolean {
  return select(exchange, { tried: null }) !== null || mayGetRoom(exchange);
}

function inVain(
  exchange: Exchange,
  { last, heldMs, signal }: { last: Attempt | null; heldMs: number; signal?: AbortSignal },
): TakenCredential {
  const { pool } = exchange.tenant;
  if (last !== null || !isAnyUpstreamIn(exchange)) return { outgoing: null, last };
  if (signal?.aborted !== true) pool.counts.credentialTurnedAway++;
  throw new GatewayError("rate_limited", `Every key of pool "${pool.name}" is at its limit`, {
    hint: "Try again in a moment; a higher key_limits of the pool allows more",
    retryAfterSeconds: Math.max(1, Math.ceil(heldMs / 1000)),
  });
}
