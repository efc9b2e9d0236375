import { GatewayError } from "../errors.ts";
import type { Upstream } from "../pool/upstream.ts";
import { retryable, type TryEnd } from "../upstream_client/retry.ts";
import { type FailureKind, UpstreamFailure } from "../upstream_client/transport.ts";
import { type Answer, type Attempt, discard } from "./attempt.ts";
import { triesAllowed } from "./chain.ts";
import type { Exchange } from "./exchange.ts";
import { attemptHedged } from "./hedge.ts";
import { type Next, nextUpstream } from "./next_upstream.ts";
import type { Ask } from "./outgoing.ts";
import { refuseForwarding } from "./refuse_forwarding.ts";
import { takePlace } from "./take_place.ts";

export { type Answer, asFailure, discard } from "./attempt.ts";

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
export async function askUpstreams(exchange: Exchange, ask: Ask, options: AskOptions = {}): Promise<Answer> {
  refuseForwarding(exchange);
  const { retries } = exchange.tenant.pool;
  const leave = exchange.tenant.admission === null ? null : await takePlace(exchange, options.signal);
  retries.requestBegan();
  const end = () => {
    retries.requestEnded();
    leave?.();
  };
  try {
    return heldUntilRelease(await askInTurn(exchange, ask, options), end);
  } catch (error) {
    end();
    throw error;
  }
}

/** An answer whose first release also does `end`. */
function heldUntilRelease(answer: Answer, end: () => void): Answer {
  let held = true;
  return {
    ...answer,
    release(failure) {
      answer.release(failure);
      if (held) end();
      held = false;
    },
  };
}

/** Asks one upstream after the other. */
async function askInTurn(exchange: Exchange, ask: Ask, options: AskOptions): Promise<Answer> {
  const { signal, avoid } = options;
  const runtime = exchange.tenant.pool;
  const tried = new Set<Upstream>(avoid === undefined ? [] : [avoid]);
  const untilMs = performance.now() + runtime.totalMs;
  let last: Attempt | null = null;
  let takesBudget = avoid !== undefined;
  // Whoever asks once more, because an answer turned out to be of no use, is given one try at least.
  const lastTry = Math.max(triesAllowed(exchange), exchange.tries + 1);
  while (exchange.tries < lastTry) {
    if (takesBudget && !(await takeRetry(exchange, { untilMs, signal }))) break;
    const { upstream, last: before }: Next = await nextUpstream(exchange, { tried, last, untilMs, signal });
    if (upstream !== null && before?.kind === "answer") discard(before.answer);
    last = upstream === null ? before : await attemptHedged(exchange, { ask, upstream, untilMs, signal, tried });
    if (takesBudget) runtime.retries.release();
    if (last === null || upstream === null) break;
    exchange.upstream = last.upstream.id;
    if (last.kind === "answer" && last.answer.judgement === "ok") return last.answer;
    if (!mayTryAgain(exchange, ask, last) || performance.now() >= untilMs || options.isWanted?.() === false) break;
    // A connection that was refused put no load on anyone.
    takesBudget = last.kind === "answer" || last.failure.requestSent;
    if (!isCredential(last)) tried.add(last.upstream);
  }
  return settle(exchange, last);
}

/** Waits for a place in the pool's retry budget, as long as the request has time. */
async function takeRetry(
  exchange: Exchange,
  { untilMs, signal }: { untilMs: number; signal: AbortSignal | undefined },
): Promise<boolean> {
  const { retries } = exchange.tenant.pool;
  if (retries.tryTake()) return true;
  const ending = new AbortController();
  const end = () => ending.abort();
  const timer = setTimeout(end, untilMs - performance.now());
  signal?.addEventListener("abort", end, { once: true });
  try {
    return await retries.take(ending.signal);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", end);
  }
}

function isCredential(last: Attempt): boolean {
  return last.kind === "answer" && last.answer.judgement === "credential";
}

/** Safe requests that are no user's own may be sent again; others only if not one byte of them was written (RFC 9110 §9.2.2). */
function mayTryAgain(exchange: Exchange, ask: Ask, last: Attempt): boolean {
  const bodyTaken = ask.body !== null && (last.kind === "answer" || last.failure.requestSent);
  if (isCredential(last)) return !bodyTaken && exchange.private === null && ask.body === null;
  const end = endOf(last);
  if (exchange.private !== null && !("failure" in end && !end.requestSent)) return false;
  return retryable({ method: ask.method, bodyTaken }, end);
}

function endOf(last: Attempt): TryEnd {
  if (last.kind === "failure") return { failure: last.failure.kind, requestSent: last.failure.requestSent };
  if (last.answer.judgement === "wrong_content") return { wrongContent: true };
  return { status: last.answer.judgement === "limited" ? 429 : last.answer.response.status };
}

/** What is passed on when nothing better came: the last answer as it is, unless it is not what the pool carries. */
function settle(exchange: Exchange, last: Attempt | null): Answer {
  if (last === null && exchange.tenant.pool.pool.saturated(exchange.services.clock.now())) {
    throw new GatewayError(
      "overloaded",
      `Every upstream of pool "${exchange.tenant.pool.name}" has as much as it may`,
      {
        hint: "Try again in a moment; the operator's limits are max_in_flight and max_rps of the upstreams",
        retryAfterSeconds: 1,
      },
    );
  }
  if (last === null) {
    throw new GatewayError("no_healthy_upstream", `No upstream of pool "${exchange.tenant.pool.name}" is available`, {
      hint: "All upstreams are out; see /status on the admin address",
      retryAfterSeconds: 5,
    });
  }
  if (last.kind === "failure") throw gatewayError(last.failure);
  if (last.answer.judgement === "wrong_content") {
    discard(last.answer);
    throw new GatewayError(
      "upstream_wrong_content",
      "The upstream answered with content that this pool does not carry",
      {
        hint: "A block page or a proxy's error page, most likely; see content_types of the pool",
      },
    );
  }
  return last.answer;
}

/** What a client is told of whatever went wrong on the way to an upstream and back. */
export function clientError(error: unknown): unknown {
  return error instanceof UpstreamFailure ? gatewayError(error) : error;
}

const TIMEOUTS: ReadonlySet<FailureKind> = new Set(["connect_timeout", "first_byte_timeout", "idle_timeout"]);

/** What can be done where it is the way to the upstream that fails; docs/networking.md says how. */
const UNREACHABLE_HINTS: Readonly<Partial<Record<FailureKind, string>>> = {
  resolve: "The upstream's name has no address here: pin one with resolve, or use a proxy",
  refused_address:
    "The upstream's public name was answered with a private address, as blocked names are: pin one with " +
    "resolve, use a proxy, or set allow_private if the answer is right",
  tls: "The handshake with the upstream failed; the log says why",
  proxy: "The upstream's proxy cannot be used; the log says why",
};

/** The error that a client gets for a failed try. */
export function gatewayError(failure: UpstreamFailure): GatewayError {
  // The client's body was refused on its way: that is no failure of the upstream.
  if (failure.cause instanceof GatewayError) return failure.cause;
  const options = { cause: failure };
  if (TIMEOUTS.has(failure.kind)) {
    return new GatewayError("upstream_timeout", "The upstream did not answer in time", options);
  }
  if (failure.kind === "protocol") {
    return new GatewayError("upstream_invalid_response", "The upstream's answer is not valid HTTP", options);
  }
  if (failure.kind === "truncated") {
    return new GatewayError("upstream_invalid_response", "The upstream's answer broke off", options);
  }
  if (failure.kind === "too_large") {
    return new GatewayError("upstream_invalid_response", "The upstream's answer is larger than the gateway takes", {
      ...options,
      hint: "Its content decodes to more than cache.max_entry",
    });
  }
  return new GatewayError("upstream_unreachable", "The upstream cannot be reached", {
    ...options,
    hint: UNREACHABLE_HINTS[failure.kind],
  });
}
