import { pause } from "../clock.ts";
import { GatewayError } from "../errors.ts";
import type { Upstream } from "../pool/upstream.ts";
import type { Exchange } from "../request/exchange.ts";
import type { TurnQueue } from "../request/turn_queue.ts";
import { backoffMs } from "../upstream_client/retry.ts";
import type { KeyWait, Outgoing } from "../upstream_type/upstream_type.ts";
import { askedPauseMs, type Attempt, releaseBeforeWait } from "./attempt.ts";

/** The tries of a request so far, and the time that is left for more. */
export interface RetryState {
  readonly tried: ReadonlySet<Upstream>;
  /** How the last try ended; `null` before the first. */
  readonly last: Attempt | null;
  /** By `performance.now()`. */
  readonly untilMs: number;
  readonly signal: AbortSignal | undefined;
}

/** The next upstream to try, or `null`, and the last try, as far as its answer can still be passed on. */
export interface NextUpstream {
  /** The request is counted there already (`begin`). */
  readonly upstream: Upstream | null;
  readonly last: Attempt | null;
}

/**
 * Picks the next upstream: one not tried yet, at once or as soon as one has room. When all were tried, one of them again after a
 * pause, if it gave no answer, or one that asks for a pause that is not too long; an upstream that answered badly otherwise is not
 * asked again.
 */
export function nextUpstream(exchange: Exchange, state: RetryState): NextUpstream | Promise<NextUpstream> {
  const upstream = takeUpstream(exchange, state);
  return upstream !== null ? { upstream, last: state.last } : waitForUpstream(exchange, state);
}

/**
 * Whether there may be an upstream for another try: asked before anything is taken for it, a place in the retry budget or a share of a
 * key's rate.
 */
export function mayFindUpstream(exchange: Exchange, state: RetryState): boolean {
  // It may be the key's limit: then the same upstream is worth a try once a key has room.
  if (state.last?.kind === "answer" && state.last.answer.judgement === "limited") return true;
  const { pool } = exchange.tenant.pool;
  return pool.upstreams.some((upstream) => upstream.nominalWeight > 0 && !state.tried.has(upstream)) ||
    pool.saturated(exchange.services.clock.now()) || pauseMsBefore(exchange, state) !== null;
}

async function waitForUpstream(exchange: Exchange, state: RetryState): Promise<NextUpstream> {
  const { last } = state;
  if (last === null || selectUpstream(exchange, state.tried) === null) {
    return { upstream: await waitForRoom(exchange, state), last };
  }
  const pauseMs = pauseMsBefore(exchange, state);
  if (pauseMs === null) return { upstream: null, last };
  const left = last.kind === "answer" ? releaseBeforeWait(last, "The upstream asked for a pause") : last;
  const waiting = exchange.trace?.child("pause before the same upstream", "internal");
  await pause(pauseMs, state.signal);
  waiting?.end();
  const again = { ...state, last: null };
  return { upstream: takeUpstream(exchange, again) ?? await waitForRoom(exchange, again), last: left };
}

/** The upstream that would be asked now; `null` where none may be. */
function selectUpstream({ tenant, services, pinned, keyHash }: Exchange, tried: ReadonlySet<Upstream> | null) {
  const { pool } = tenant.pool;
  const nowMs = services.clock.now();
  return pinned === null ? pool.select(tried, keyHash, nowMs) : pool.named(pinned, nowMs);
}

/** Selects an upstream and counts the request there; `null` where none has room, or only one that was tried just now. */
function takeUpstream(exchange: Exchange, state: RetryState): Upstream | null {
  const upstream = selectUpstream(exchange, state.tried);
  if (upstream === null || (state.last !== null && state.tried.has(upstream))) return null;
  upstream.begin(exchange.services.clock.now());
  return upstream;
}

/** Waits until an upstream that is in has room for one more request; `null` where none is in. */
async function waitForRoom(exchange: Exchange, state: RetryState): Promise<Upstream | null> {
  if (!mayGetRoom(exchange)) return null;
  const { room, counts } = exchange.tenant.pool;
  const before = room.size;
  const take = () => takeUpstream(exchange, { ...state, last: null });
  // There is nothing to wait for where all that it could go to is drained.
  const turn = room.take(() => take() ?? (isDrained(exchange) ? "nobody" : null), {
    waitMs: state.untilMs - performance.now(),
    signal: state.signal,
  });
  if (room.size > before) counts.queued++;
  const waiting = exchange.trace?.child("wait for an upstream with room", "internal");
  const taken = await turn;
  const upstream = taken === "nobody" ? null : taken;
  waiting?.end();
  if (upstream === null && state.signal?.aborted !== true) counts.turnedAway++;
  return upstream;
}

/**
 * Whether an upstream is in that has a limit, so that it may have room again. It may have some already: other workers free places at
 * any moment.
 */
export function mayGetRoom({ tenant, services, pinned }: Exchange): boolean {
  const nowMs = services.clock.now();
  return tenant.pool.pool.upstreams.some((upstream) =>
    (pinned === null ? upstream.weight > 0 : upstream.id === pinned) && upstream.isIn(nowMs) &&
    (upstream.gate !== null || upstream.inFlightLimit !== Infinity)
  );
}

/** Whether all that the request could be sent to is drained by an operator. */
export function isDrained({ tenant: { pool: { pool } }, pinned }: Exchange): boolean {
  return pinned === null
    ? pool.isDrained
    : pool.upstreams.some((upstream) => upstream.id === pinned && upstream.isDrained);
}

/** How long to wait before the same upstream is asked again; `null` where it is not to be asked again. */
function pauseMsBefore(exchange: Exchange, { last, untilMs }: RetryState): number | null {
  const { backoff } = exchange.tenant.pool;
  const drawnMs = backoffMs(exchange.tries, Math.random, backoff);
  const leftMs = Math.max(0, untilMs - performance.now());
  if (last?.kind !== "answer") return Math.min(drawnMs, leftMs);
  const askedMs = askedPauseMs(last.answer.response);
  return askedMs === 0 || askedMs > Math.min(backoff.maxMs, leftMs) ? null : Math.min(askedMs + drawnMs, leftMs);
}

/** The next try's request, or `null`, and the last try, as far as its answer can still be passed on. */
export interface TakenCredential {
  /** The request as the type changes it, its credential included; `null` where no credential has room in time. */
  readonly outgoing: Outgoing | null;
  readonly last: Attempt | null;
}

/**
 * Takes a credential for the next try, at once or as soon as one has room.
 *
 * @throws {GatewayError} `rate_limited` where none has room in time, and there is no answer to pass on
 */
export function takeCredential(
  exchange: Exchange,
  state: Omit<RetryState, "tried">,
): TakenCredential | Promise<TakenCredential> {
  const { type } = exchange.tenant;
  const queue = credentialQueue(exchange);
  // Requests that wait already come first; one that brings its own credential does not wait.
  if (queue.size > 0) queue.advance();
  const taken = type.outgoing(exchange);
  return "waitMs" in taken ? waitForCredential(exchange, taken, state) : { outgoing: taken, last: state.last };
}

async function waitForCredential(
  exchange: Exchange,
  { waitMs }: KeyWait,
  { last, untilMs, signal }: Omit<RetryState, "tried">,
): Promise<TakenCredential> {
  const { pool, type } = exchange.tenant;
  const leftMs = untilMs - performance.now();
  // While no upstream is in, a credential would be of no use.
  if (waitMs > leftMs || !isAnyUpstreamIn(exchange)) return noCredential(exchange, { last, waitMs });
  const left = last?.kind === "answer" ? releaseBeforeWait(last, "Every key was at its limit") : last;
  const queue = credentialQueue(exchange);
  const before = queue.size;
  const turn = queue.take(() => {
    const taken = type.outgoing(exchange);
    return "waitMs" in taken ? null : taken;
  }, { waitMs: leftMs, signal });
  if (queue.size > before) pool.counts.credentialQueued++;
  const waiting = exchange.trace?.child("wait for a key with room", "internal");
  const outgoing = await turn;
  waiting?.end();
  return outgoing === null ? noCredential(exchange, { last: null, waitMs, signal }) : { outgoing, last: left };
}

function credentialQueue({ private: reason, tenant: { pool } }: Exchange): TurnQueue {
  return reason === null ? pool.keyRoom : pool.userKeyRoom;
}

function isAnyUpstreamIn(exchange: Exchange): boolean {
  return selectUpstream(exchange, null) !== null || mayGetRoom(exchange);
}

function noCredential(
  exchange: Exchange,
  { last, waitMs, signal }: { last: Attempt | null; waitMs: number; signal?: AbortSignal },
): TakenCredential {
  const { pool } = exchange.tenant;
  if (last !== null || !isAnyUpstreamIn(exchange)) return { outgoing: null, last };
  if (signal?.aborted !== true) pool.counts.credentialTurnedAway++;
  throw new GatewayError("rate_limited", `Every key of pool "${pool.name}" is at its limit`, {
    hint: "Try again in a moment; a higher key_limits of the pool allows more",
    retryAfterSeconds: Math.max(1, Math.ceil(waitMs / 1000)),
  });
}
