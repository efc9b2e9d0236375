import type { Exchange } from "../request/exchange.ts";
import type { Upstream } from "../pool/upstream.ts";
import { UpstreamFailure } from "../upstream_client/transport.ts";
import { type Attempt, discard, type UpstreamAnswer } from "./attempt.ts";
import { refuseForwarding, triesAllowed } from "./refuse.ts";
import { attemptHedged } from "./hedge.ts";
import { mayHaveNext, type Next, nextUpstream, takeCredential, type Tried } from "./next_try.ts";
import type { Ask } from "./outgoing.ts";
import { isCredential, isDisputed, isRefused, mayTryAgain, settle } from "./retry_policy.ts";
import { GatewayError } from "../errors.ts";

/** How upstreams are asked. */
export interface AskOptions {
  /** Ends the tries: the client has left. */
  readonly signal?: AbortSignal;
  /** Asked before each further try: whether anyone still wants an answer. */
  readonly isWanted?: () => boolean;
  /** An upstream to turn to only when there is no other: its answer was of no use. */
  readonly avoid?: Upstream;
}

/**
 * Asks upstreams of the pool, one after the other, until one gives an answer worth passing on. The request counts as under way,
 * for the listener's limit and the pool's retry budget, until the answer is released.
 *
 * @throws {GatewayError} when none does
 */
export function askUpstreams(exchange: Exchange, ask: Ask, options: AskOptions = {}): Promise<UpstreamAnswer> {
  refuseForwarding(exchange);
  if (exchange.tenant.admission === null) return askInTurn(exchange, ask, options, null);
  return takePlace(exchange, options.signal).then((leave) => askInTurn(exchange, ask, options, leave));
}

/** Asks one upstream after the other; `leave` gives back the request's place. */
async function askInTurn(
  exchange: Exchange,
  ask: Ask,
  { signal, avoid, isWanted }: AskOptions,
  leave: (() => void) | null,
): Promise<UpstreamAnswer> {
  const runtime = exchange.tenant.pool;
  const { retries } = runtime;
  let retried = 0;
  let last: Attempt | null = null;
  const end = (failure?: UpstreamFailure) => {
    // What was tried again has ended well when its body has come in, too.
    const isGood = failure === undefined ? endedWell(last) : isClients(failure) ? null : false;
    retries.requestEnded(retried === 0 ? null : isGood);
    leave?.();
  };
  retries.requestBegan();
  try {
    const tried = avoid === undefined ? new Set<Upstream>() : new Set([avoid]);
    const untilMs = performance.now() + runtime.totalMs;
    let takesBudget = avoid !== undefined;
    // Whoever asks once more, because an answer turned out to be of no use, is given one try at least.
    let lastTry = Math.max(triesAllowed(exchange), exchange.tries + 1);
    while (exchange.tries < lastTry) {
      // No key is waited for, and none used up, for a try that would be refused.
      if (takesBudget && retries.refuses(retried > 0)) {
        refuseRetry(exchange, last);
        break;
      }
      const taken = takeCredential(exchange, { last, untilMs, signal });
      const { outgoing, last: answered } = taken instanceof Promise ? await taken : taken;
      last = answered;
      if (outgoing === null) break;
      if (takesBudget && !(await takeRetry(exchange, { last, untilMs, signal, isFurther: retried > 0 }))) break;
      const next: Next | Promise<Next> = nextUpstream(exchange, { tried, last, untilMs, signal });
      const { upstream, last: before } = next instanceof Promise ? await next : next;
      if (upstream !== null && before?.kind === "answer") discard(before.answer);
      if (upstream !== null && exchange.tries > 0) runtime.counts.retries++;
      const options = { ask, upstream: upstream!, outgoing, untilMs, signal, tried };
      last = upstream === null ? before : await attemptHedged(exchange, options);
      if (takesBudget) retries.release(upstream === null ? null : endedWell(last));
      if (takesBudget && upstream !== null) retried++;
      if (last === null || upstream === null) break;
      exchange.upstream = last.upstream.id;
      if (!isCredential(last)) tried.add(last.upstream);
      if (endedWell(last) === true || isWanted?.() === false) break;
      if (!mayGoOn(exchange, ask, { tried, last, untilMs, signal })) break;
      // A connection that was refused put no load on anyone.
      takesBudget = last.kind === "answer" || last.failure.requestSent;
      // Each key, and each upstream, refuses once only: no request fails because several of them do.
      if (isRefused(last)) lastTry++;
    }
    const answer = settle(exchange, last);
    answer.onRelease = end;
    return answer;
  } catch (error) {
    end();
    throw error;
  }
}

/** Whether another try may be made, in time, and there may be an upstream for it. */
function mayGoOn(exchange: Exchange, ask: Ask, so: Tried & { readonly last: Attempt }): boolean {
  return mayTryAgain(exchange, ask, so.last) && performance.now() < so.untilMs && mayHaveNext(exchange, so);
}

/** Waits for a place in the pool's retry budget, as long as the request has time and retries help. */
async function takeRetry(
  exchange: Exchange,
  { last, untilMs, signal, isFurther }: Pick<Tried, "last" | "untilMs" | "signal"> & { readonly isFurther: boolean },
): Promise<boolean> {
  const { retries } = exchange.tenant.pool;
  if (retries.tryTake(isFurther)) return true;
  const ending = new AbortController();
  const end = () => ending.abort();
  const timer = setTimeout(end, untilMs - performance.now());
  signal?.addEventListener("abort", end, { once: true });
  try {
    const taken = await retries.take(ending.signal, isFurther);
    if (!taken && signal?.aborted !== true) refuseRetry(exchange, last);
    return taken;
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", end);
  }
}

/**
 * Counts a retry that the budget refused; the last answer, or failure, is what the client gets.
 *
 * @throws {UpstreamFailure} there is none: an answer broke off before that
 */
function refuseRetry(exchange: Exchange, last: Attempt | null): void {
  exchange.tenant.pool.counts.retriesRefused++;
  if (last === null) throw new UpstreamFailure("truncated", "The answer broke off, and no retry is left", true);
}

/** How a try ended; `null` where that says nothing of its upstream. */
function endedWell(last: Attempt | null): boolean | null {
  if (last === null || isCredential(last) || isDisputed(last)) return null;
  if (last.kind === "failure") return isClients(last.failure) ? null : false;
  return last.answer.judgement === "unsuitable" ? null : last.answer.judgement === "ok";
}

/** Whether a try failed by what the client sent or did, or by a limit of the gateway's own. */
function isClients({ kind }: UpstreamFailure): boolean {
  return kind === "aborted" || kind === "unsendable" || kind === "too_large";
}

/**
 * Takes a place among the listener's requests at upstreams; the answer gives it back. `null` where the listener has no limit.
 *
 * @throws {GatewayError} `overloaded` when it has waited in vain
 */
export async function takePlace(
  { tenant, services }: Exchange,
  signal: AbortSignal | undefined,
): Promise<(() => void) | null> {
  const { admission, counts } = tenant;
  if (admission === null) return null;
  const before = admission.waiting;
  const entering = admission.enter(signal);
  if (admission.waiting > before) counts.queued++;
  if (await entering) return () => admission.leave();
  if (signal?.aborted !== true) counts.turnedAway++;
  services.logger.warn("A request was turned away: too many are under way", {
    listener: tenant.name,
    waiting: admission.waiting,
  });
  throw new GatewayError("overloaded", "Too many requests are under way", {
    hint: "Try again in a moment; the operator's limit is max_in_flight of the listener",
    retryAfterSeconds: 1,
  });
}
