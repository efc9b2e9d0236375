import { GatewayError } from "../errors.ts";
import type { Upstream } from "../pool/upstream.ts";
import { gatewayError } from "../request/client_error.ts";
import type { Exchange } from "../request/exchange.ts";
import { UpstreamFailure } from "../upstream_client/transport.ts";
import { askedPauseMs, type Attempt, discard, type UpstreamAnswer } from "./attempt.ts";
import { attemptHedged } from "./hedge.ts";
import { isDrained, mayFindUpstream, mayGetRoom, nextUpstream, type RetryState, takeCredential } from "./next_try.ts";
import { type Ask, triesAllowed } from "./outgoing.ts";
import { refuseForwarding } from "./refuse.ts";
import { takeTurn } from "./take_turn.ts";
import { isClientFailure, isCredentialRefused, isGoodEnd, isRefused, mayTryAgain } from "./retry_policy.ts";

/** Bounds of the tries. */
export interface AskOptions {
  /** Ends the tries: the client has left. */
  readonly signal?: AbortSignal;
  /** Asked before each further try: whether an answer is still of use. */
  readonly isWanted?: () => boolean;
  /** An upstream that is asked again only where there is no other: its answer was of no use. */
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
  const turn = takeTurn(exchange);
  if (turn !== null) return turn.then(() => askAdmitted(exchange, ask, options));
  return askAdmitted(exchange, ask, options);
}

function askAdmitted(exchange: Exchange, ask: Ask, options: AskOptions): Promise<UpstreamAnswer> {
  if (exchange.tenant.admission === null) return askInTurn(exchange, ask, options, null);
  return takePlace(exchange, options.signal).then((leave) => askInTurn(exchange, ask, options, leave));
}

/**
 * Waits for a place among the listener's requests at upstreams; the result gives it back. `null` where the listener has no limit.
 *
 * @throws {GatewayError} `overloaded` where none is free in time
 */
async function takePlace(exchange: Exchange, signal: AbortSignal | undefined): Promise<(() => void) | null> {
  const { tenant, services } = exchange;
  const { admission, counts } = tenant;
  if (admission === null) return null;
  const before = admission.waiting;
  const entering = admission.enter(signal);
  if (admission.waiting > before) counts.queued++;
  const waiting = admission.waiting > before ? exchange.trace?.child("wait for max_in_flight", "internal") : undefined;
  const isAdmitted = await exchange.during("queue", entering);
  waiting?.end();
  if (isAdmitted) return () => admission.leave();
  if (signal?.aborted !== true) counts.turnedAway++;
  services.repeats.warn("request", "A request was turned away: too many are under way", tenant.name, {
    listener: tenant.name,
    waiting: admission.waiting,
  });
  throw new GatewayError("overloaded", "Too many requests are under way", {
    hint: "Try again in a moment; the operator's limit is max_in_flight of the listener",
    retryAfterSeconds: 1,
  });
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
    // A retry has ended well only when the body has come in, too.
    const isGood = failure === undefined ? isGoodEnd(last) : isClientFailure(failure) ? null : false;
    retries.requestEnded(retried === 0 ? null : isGood);
    leave?.();
  };
  retries.requestBegan();
  try {
    const tried = avoid === undefined ? new Set<Upstream>() : new Set([avoid]);
    const untilMs = performance.now() + runtime.totalMs;
    let takesBudget = avoid !== undefined;
    // Where an answer turned out to be of no use, there is one more try at least.
    let lastTry = Math.max(triesAllowed(exchange), exchange.tries + 1);
    while (exchange.tries < lastTry) {
      // No key is waited for, and none used up, for a try that would be refused.
      if (takesBudget && retries.refuses(retried > 0)) {
        refuseRetry(exchange, last);
        break;
      }
      const taken = takeCredential(exchange, { last, untilMs, signal });
      const { outgoing, last: answered } = taken instanceof Promise ? await exchange.during("queue", taken) : taken;
      last = answered;
      if (outgoing === null) break;
      if (takesBudget && !(await takeRetry(exchange, { last, untilMs, signal, isFurther: retried > 0 }))) break;
      const next = nextUpstream(exchange, { tried, last, untilMs, signal });
      const { upstream, last: before } = next instanceof Promise ? await exchange.during("queue", next) : next;
      if (upstream !== null && before?.kind === "answer") discard(before.answer);
      if (upstream !== null && exchange.tries > 0) runtime.counts.retries++;
      const options = { ask, upstream: upstream!, outgoing, untilMs, signal, tried };
      last = upstream === null ? before : await attemptHedged(exchange, options);
      if (takesBudget) retries.release(upstream === null ? null : isGoodEnd(last));
      if (takesBudget && upstream !== null) retried++;
      if (last === null || upstream === null) break;
      exchange.upstream = last.upstream.id;
      if (!isCredentialRefused(last)) tried.add(last.upstream);
      if (isGoodEnd(last) === true || isWanted?.() === false) break;
      if (!mayGoOn(exchange, ask, { tried, last, untilMs, signal })) break;
      // A connection that was refused put no load on its upstream.
      takesBudget = last.kind === "answer" || last.failure.requestSent;
      // Each key, and each upstream, refuses once only: no request fails because several of them do.
      if (isRefused(last)) lastTry++;
    }
    const answer = finalAnswer(exchange, last);
    answer.onRelease = end;
    return answer;
  } catch (error) {
    end();
    throw error;
  }
}

/** Whether another try may be made, in time, and there may be an upstream for it. */
function mayGoOn(exchange: Exchange, ask: Ask, state: RetryState & { readonly last: Attempt }): boolean {
  return mayTryAgain(exchange, ask, state.last) && performance.now() < state.untilMs &&
    mayFindUpstream(exchange, state);
}

/** Waits for a place in the pool's retry budget, as long as the request has time and retries help. */
async function takeRetry(
  exchange: Exchange,
  { last, untilMs, signal, isFurther }: Omit<RetryState, "tried"> & { readonly isFurther: boolean },
): Promise<boolean> {
  const { retries } = exchange.tenant.pool;
  if (retries.tryTake(isFurther)) return true;
  const waiting = exchange.trace?.child("wait for the retry budget", "internal");
  const ending = new AbortController();
  const end = () => ending.abort();
  const timer = setTimeout(end, untilMs - performance.now());
  signal?.addEventListener("abort", end, { once: true });
  try {
    const taken = await exchange.during("queue", retries.take(ending.signal, isFurther));
    if (!taken && signal?.aborted !== true) refuseRetry(exchange, last);
    return taken;
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", end);
    waiting?.end();
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

/**
 * The answer that is passed on after the last try: that try's, unless it is not what the pool carries.
 *
 * @throws {GatewayError} where there is no answer, or none to pass on
 */
function finalAnswer(exchange: Exchange, last: Attempt | null): UpstreamAnswer {
  const { pool: { name }, type } = exchange.tenant;
  if (last === null) throw noUpstream(exchange);
  if (last.kind === "failure") throw gatewayError(last.failure);
  const { answer } = last;
  switch (answer.judgement) {
    case "limited":
      if (!type.isReadable(answer.response)) throw rateLimited(answer);
      break;
    case "wrong_content":
    case "unsuitable":
      discard(answer);
      throw wrongContent(answer.judgement === "unsuitable");
    case "refusing":
      discard(answer);
      throw new GatewayError(
        "no_healthy_upstream",
        `The upstream refuses API keys that others of pool "${name}" take`,
        {
          hint: "The upstreams that take them are out; see /status on the admin address",
        },
      );
  }
  return type.mendsRetryAfter ? withRetryAfter(answer) : answer;
}

function noUpstream(exchange: Exchange): GatewayError {
  const { name } = exchange.tenant.pool;
  if (mayGetRoom(exchange)) {
    return new GatewayError("overloaded", `Every upstream of pool "${name}" has as much as it may`, {
      hint: "Try again in a moment; the operator's limits are max_in_flight and max_rps of the upstreams",
      retryAfterSeconds: 1,
    });
  }
  if (isDrained(exchange)) {
    return new GatewayError("no_healthy_upstream", `An operator has drained the upstreams of pool "${name}"`, {
      hint: "Try again later; `usher undrain` gives an upstream requests again, `usher status` shows which are drained",
      retryAfterSeconds: 5,
    });
  }
  return new GatewayError("no_healthy_upstream", `No upstream of pool "${name}" is available`, {
    hint: "All upstreams are out; see /status on the admin address",
    retryAfterSeconds: 5,
  });
}

function wrongContent(isAskedFor: boolean): GatewayError {
  return new GatewayError(
    "upstream_wrong_content",
    "The upstream answered with content that this pool does not carry",
    {
      hint: isAskedFor
        ? "The request's Accept asked for it; content_types of the pool says what is carried"
        : "A block page or a proxy's error page, most likely; see content_types of the pool",
    },
  );
}

/** In place of a 429 that a proxy or an edge gave, which the type's clients could not read. */
function rateLimited(answer: UpstreamAnswer): GatewayError {
  discard(answer);
  return new GatewayError("rate_limited", "The upstream is over its limit", {
    hint: "Wait as long as Retry-After says",
    retryAfterSeconds: pauseSeconds(answer),
  });
}

/** A 429 with the whole seconds that this gateway itself would wait: many clients read nothing else, and some wait not at all. */
function withRetryAfter(answer: UpstreamAnswer): UpstreamAnswer {
  const { response, judgement } = answer;
  if (response.status !== 429 && judgement !== "limited") return answer;
  const fields = response.fields.filter(([name]) => name !== "retry-after");
  fields.push(["retry-after", String(pauseSeconds(answer))]);
  return answer.with({ ...response, fields });
}

/** At least a second, at most five minutes. */
function pauseSeconds({ response }: UpstreamAnswer): number {
  return Math.max(1, Math.ceil(askedPauseMs(response) / 1000));
}
