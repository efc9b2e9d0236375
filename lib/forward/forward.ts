import type { Exchange } from "../request/exchange.ts";
import type { Upstream } from "../pool/upstream.ts";
import type { RetryBudget } from "../upstream_client/retry_budget.ts";
import { UpstreamFailure } from "../upstream_client/transport.ts";
import { type Attempt, discard, type UpstreamAnswer } from "./attempt.ts";
import { triesAllowed } from "./chain.ts";
import { attemptHedged } from "./hedge.ts";
import { type Next, nextUpstream } from "./next_upstream.ts";
import type { Ask } from "./outgoing.ts";
import { refuseForwarding } from "./refuse_forwarding.ts";
import { isCredential, isDisputed, mayTryAgain, settle } from "./settle.ts";
import { takeCredential } from "./take_credential.ts";
import { takePlace } from "./take_place.ts";

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
  let isRetry = false;
  const end = (failure?: UpstreamFailure) => {
    retries.requestEnded();
    leave?.();
    // A retry was of use when its body has come in, too.
    if (isRetry && (failure === undefined || !isClients(failure))) retries.note(failure === undefined);
  };
  retries.requestBegan();
  try {
    const tried = avoid === undefined ? new Set<Upstream>() : new Set([avoid]);
    const untilMs = performance.now() + runtime.totalMs;
    let last: Attempt | null = null;
    let takesBudget = avoid !== undefined;
    // Whoever asks once more, because an answer turned out to be of no use, is given one try at least.
    let lastTry = Math.max(triesAllowed(exchange), exchange.tries + 1);
    while (exchange.tries < lastTry) {
      // No key is waited for, and none used up, for a try that would be refused.
      if (takesBudget && retries.isSpent) {
        refuseRetry(exchange, last);
        break;
      }
      const taken = takeCredential(exchange, { last, untilMs, signal });
      const { outgoing, last: answered } = taken instanceof Promise ? await taken : taken;
      last = answered;
      if (outgoing === null || (takesBudget && !(await takeRetry(exchange, { last, untilMs, signal })))) break;
      const next: Next | Promise<Next> = nextUpstream(exchange, { tried, last, untilMs, signal });
      const { upstream, last: before } = next instanceof Promise ? await next : next;
      if (upstream !== null && before?.kind === "answer") discard(before.answer);
      if (upstream !== null && exchange.tries > 0) runtime.counts.retries++;
      const options = { ask, upstream: upstream!, outgoing, untilMs, signal, tried };
      last = upstream === null ? before : await attemptHedged(exchange, options);
      if (takesBudget) isRetry = endRetry(retries, upstream === null ? null : last);
      if (last === null || upstream === null) break;
      exchange.upstream = last.upstream.id;
      if (last.kind === "answer" && last.answer.judgement === "ok") break;
      if (!mayTryAgain(exchange, ask, last) || performance.now() >= untilMs || isWanted?.() === false) break;
      // A connection that was refused put no load on anyone.
      takesBudget = last.kind === "answer" || last.failure.requestSent;
      // Each key is refused once only: no request fails because several of them are bad.
      if (isCredential(last) || isDisputed(last)) lastTry++;
      if (!isCredential(last)) tried.add(last.upstream);
    }
    const answer = settle(exchange, last);
    answer.onRelease = end;
    return answer;
  } catch (error) {
    end();
    throw error;
  }
}

/** Waits for a place in the pool's retry budget, as long as the request has time and retries help. */
async function takeRetry(
  exchange: Exchange,
  { last, untilMs, signal }: { last: Attempt | null; untilMs: number; signal: AbortSignal | undefined },
): Promise<boolean> {
  const { retries } = exchange.tenant.pool;
  if (retries.tryTake()) return true;
  const ending = new AbortController();
  const end = () => ending.abort();
  const timer = setTimeout(end, untilMs - performance.now());
  signal?.addEventListener("abort", end, { once: true });
  try {
    const taken = await retries.take(ending.signal);
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

/** Gives a retry's place back; whether its use is known only with its body. */
function endRetry(retries: RetryBudget, last: Attempt | null): boolean {
  const saysNothing = last === null || isCredential(last) || isDisputed(last) ||
    (last.kind === "failure" && isClients(last.failure));
  const isAnswered = last?.kind === "answer" && last.answer.judgement === "ok";
  // First: whoever waits is let in, or refused, by what all retries so far have shown.
  if (!saysNothing && !isAnswered) retries.note(false);
  retries.release();
  return isAnswered;
}

/** Whether a try failed by what the client sent or did, or by a limit of the gateway's own. */
function isClients({ kind }: UpstreamFailure): boolean {
  return kind === "aborted" || kind === "unsendable" || kind === "too_large";
}
