import type { Exchange } from "../request/exchange.ts";
import type { Upstream } from "../pool/upstream.ts";
import { backoffMs } from "../upstream_client/retry.ts";
import { askedPauseMs, type Attempt, givenUp } from "./attempt.ts";
import { GatewayError } from "../errors.ts";
import type { TurnQueue } from "../request/turn_queue.ts";
import type { Held, Outgoing } from "../upstream_type/upstream_type.ts";

/** What was tried so far. */
export interface Tried {
  readonly tried: ReadonlySet<Upstream>;
  readonly last: Attempt | null;
  /** By `performance.now()`. */
  readonly untilMs: number;
  readonly signal: AbortSignal | undefined;
}

/** The next upstream to ask, or null, and what of the last try is still there to fall back on. */
export interface Next {
  /** Told so (`begin`): it has a place that nobody else is given. */
  readonly upstream: Upstream | null;
  readonly last: Attempt | null;
}

/**
 * An upstream not tried yet, at once, or as soon as one has room. When all were tried, one of them again after a pause: if it gave
 * no answer, or one that asks for a pause that is not too long. An upstream that answered badly otherwise is left alone.
 */
export function nextUpstream(exchange: Exchange, so: Tried): Next | Promise<Next> {
  const fresh = grant(exchange, so);
  return fresh !== null ? { upstream: fresh, last: so.last } : laterUpstream(exchange, so);
}

/**
 * Whether there may be an upstream for another try: asked before anything is taken for it, a place in the retry budget or a share of a
 * key's rate.
 */
export function mayHaveNext(exchange: Exchange, so: Tried): boolean {
  // It may be the key's limit: then the same upstream is worth a try once a key is back.
  if (so.last?.kind === "answer" && so.last.answer.judgement === "limited") return true;
  const { pool } = exchange.tenant.pool;
  return pool.upstreams.some((upstream) => upstream.nominalWeight > 0 && !so.tried.has(upstream)) ||
    pool.saturated(exchange.services.clock.now()) || pauseBefore(exchange, so) !== null;
}

async function laterUpstream(exchange: Exchange, so: Tried): Promise<Next> {
  const { last } = so;
  if (last === null || select(exchange, so) === null) return { upstream: await room(exchange, so), last };
  const pauseMs = pauseBefore(exchange, so);
  if (pauseMs === null) return { upstream: null, last };
  const left = last.kind === "answer" ? givenUp(last, "The upstream asked for a pause") : last;
  await pause(pauseMs, so.signal);
  const again = { ...so, last: null };
  return { upstream: grant(exchange, again) ?? await room(exchange, again), last: left };
}

/** The upstream that would be asked now; `null` where none may be. */
export function select(
  exchange: Exchange,
  { tried }: { readonly tried: ReadonlySet<Upstream> | null },
): Upstream | null {
  const { tenant: { pool: { pool } }, pinned } = exchange;
  const nowMs = exchange.services.clock.now();
  return pinned === null ? pool.select(tried, exchange.keyHash, nowMs) : pool.named(pinned, nowMs);
}

/** Chooses an upstream and takes its place; `null` where none has one, or only one that was tried just now. */
function grant(exchange: Exchange, so: Tried): Upstream | null {
  const upstream = select(exchange, so);
  if (upstream === null || (so.last !== null && so.tried.has(upstream))) return null;
  upstream.begin(exchange.services.clock.now());
  return upstream;
}

/** Waits until an upstream that is in has room for one more request; `null` where none is in. */
async function room(exchange: Exchange, so: Tried): Promise<Upstream | null> {
  if (!mayGetRoom(exchange)) return null;
  const { room, counts } = exchange.tenant.pool;
  const before = room.size;
  const turn = room.take(() => grant(exchange, { ...so, last: null }), {
    waitMs: so.untilMs - performance.now(),
    signal: so.signal,
  });
  if (room.size > before) counts.queued++;
  const upstream = await turn;
  if (upstream === null && so.signal?.aborted !== true) counts.turnedAway++;
  return upstream;
}

/**
 * Whether an upstream is in that has a limit, so that it may have room again. It may have some already: other workers give back
 * what they took at any moment.
 */
export function mayGetRoom({ tenant, services, pinned }: Exchange): boolean {
  const nowMs = services.clock.now();
  return tenant.pool.pool.upstreams.some((upstream) =>
    (pinned === null ? upstream.weight > 0 : upstream.id === pinned) && upstream.circuit(nowMs) !== "open" &&
    (upstream.gate !== null || upstream.inFlightLimit !== Infinity)
  );
}

/** How long to wait before the same upstream is asked again; `null` where it had better be left alone. */
function pauseBefore(exchange: Exchange, { last, untilMs }: Tried): number | null {
  const { backoff } = exchange.tenant.pool;
  const drawnMs = backoffMs(exchange.tries, Math.random, backoff);
  const leftMs = Math.max(0, untilMs - performance.now());
  if (last?.kind !== "answer") return Math.min(drawnMs, leftMs);
  const askedMs = askedPauseMs(last.answer.response);
  return askedMs === 0 || askedMs > Math.min(backoff.maxMs, leftMs) ? null : Math.min(askedMs + drawnMs, leftMs);
}

/** Waits, at most until the signal. */
export function pause(waitMs: number, signal: AbortSignal | undefined): Promise<void> {
  if (waitMs <= 0 || signal?.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, waitMs);
    signal?.addEventListener("abort", end, { once: true });
  });
}

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
