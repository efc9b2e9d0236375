import { GatewayError } from "../errors.ts";
import { fieldValue } from "../http/fields.ts";
import type { Report, Upstream } from "../pool/upstream.ts";
import { type FailureKind, UpstreamFailure, type UpstreamResponse } from "../upstream_client/transport.ts";
import type { Judgement } from "../upstream_type/upstream_type.ts";
import { countTry } from "../metrics/gateway_metrics.ts";
import type { Exchange } from "./exchange.ts";
import { type Ask, outgoingRequest } from "./outgoing.ts";
import { refuseUpgrade } from "./refusal.ts";
import type { Endpoint } from "./snapshot.ts";

/** An upstream's answer, its body not read yet. Whoever takes it reads or cancels the body, and calls `release`. */
export interface Answer {
  readonly response: UpstreamResponse;
  readonly judgement: Judgement;
  /** Milliseconds since the Unix epoch at which the try began. */
  readonly requestTimeMs: number;
  /** The upstream that answered. */
  readonly upstream: Upstream;
  /** Ends the try in the upstream's books; `failure` says that the body broke off. */
  readonly release: (failure?: UpstreamFailure) => void;
}

/** How one try ended: with an answer, or with a reason why there is none. */
type Try =
  | { readonly kind: "answer"; readonly answer: Answer }
  | { readonly kind: "failure"; readonly failure: UpstreamFailure };

const SAFE_METHODS: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS"]);
/** First pause before the same upstream is tried again; doubles, and the pause is a random part of it (full jitter). */
const FIRST_PAUSE_MS = 50;

/** How upstreams are asked. */
export interface AskOptions {
  /** Ends the tries: the client has left. */
  readonly signal?: AbortSignal;
  /** An upstream to turn to only when there is no other. */
  readonly avoid?: Upstream;
}

/**
 * Asks upstreams of the pool, one after the other, until one gives an answer worth passing on.
 *
 * @throws {GatewayError} when none does
 */
export async function askUpstreams(exchange: Exchange, ask: Ask, options: AskOptions = {}): Promise<Answer> {
  refuseLoop(exchange);
  refuseUpgrade(exchange);
  const { signal } = options;
  const runtime = exchange.tenant.pool;
  const tried = new Set<Upstream>(options.avoid === undefined ? [] : [options.avoid]);
  const untilMs = performance.now() + runtime.totalMs;
  let last: Try | null = null;
  // Whoever asks once more, because an answer turned out to be of no use, is given one try at least.
  const lastTry = Math.max(runtime.attempts, exchange.tries + 1);
  while (exchange.tries < lastTry) {
    const upstream = await nextUpstream(exchange, { tried, last, untilMs });
    if (upstream === null) break;
    if (last?.kind === "answer") discard(last.answer);
    last = await tryUpstream(exchange, { ask, upstream, remainingMs: untilMs - performance.now(), signal });
    if (last.kind === "answer" && last.answer.judgement === "ok") return last.answer;
    if (!mayTryAgain(exchange, ask, last) || performance.now() >= untilMs) break;
    if (!isCredential(last)) tried.add(upstream);
  }
  return settle(exchange, last);
}

/** A request that has been here before would go round for ever (RFC 8586). */
function refuseLoop(exchange: Exchange): void {
  if (!exchange.header("cdn-loop")?.includes(exchange.services.instanceId)) return;
  throw new GatewayError("loop_detected", "The request came back to this gateway", {
    hint: "An upstream of this pool leads back to this gateway: check the pool's urls",
  });
}

/** What was tried so far. */
interface Tried {
  readonly tried: ReadonlySet<Upstream>;
  readonly last: Try | null;
  /** By `performance.now()`. */
  readonly untilMs: number;
}

/**
 * An upstream not tried yet. When all were tried, one of them again after a pause if no answer came; an upstream that did
 * answer, if badly, is left alone.
 */
async function nextUpstream(exchange: Exchange, { tried, last, untilMs }: Tried): Promise<Upstream | null> {
  const { pool } = exchange.tenant.pool;
  const { clock } = exchange.services;
  const upstream = pool.select(tried, exchange.keyHash, clock.now());
  if (upstream === null || last === null || !tried.has(upstream)) return upstream;
  if (last.kind === "answer") return null;
  const pauseMs = Math.random() * FIRST_PAUSE_MS * 2 ** exchange.tries;
  await new Promise((resolve) => setTimeout(resolve, Math.min(pauseMs, Math.max(0, untilMs - performance.now()))));
  return upstream;
}

function isCredential(last: Try): boolean {
  return last.kind === "answer" && last.answer.judgement === "credential";
}

interface TryOptions {
  readonly ask: Ask;
  readonly upstream: Upstream;
  readonly remainingMs: number;
  readonly signal: AbortSignal | undefined;
}

async function tryUpstream(exchange: Exchange, options: TryOptions): Promise<Try> {
  const { upstream, ask, signal } = options;
  const { tenant, services } = exchange;
  const endpoint = tenant.pool.endpoints.get(upstream.id)!;
  const outgoing = tenant.type.outgoing(exchange);
  const requestTimeMs = services.clock.now();
  const startedAtMs = performance.now();
  exchange.tries++;
  exchange.upstream = upstream.id;
  upstream.begin(requestTimeMs);
  const end = bookkeeper(exchange, endpoint, upstream);
  try {
    const request = outgoingRequest(exchange, { endpoint, ask, outgoing });
    const response = await endpoint.transport.send(request, {
      deadlines: deadlines(exchange, options.remainingMs),
      signal,
    });
    const judgement = tenant.type.judge(response, outgoing.credential);
    const ended = answerReport(response, judgement, performance.now() - startedAtMs);
    const release = (failure?: UpstreamFailure) => end(failure ? failureReport(failure, ended.latencyMs) : ended);
    logTry(exchange, upstream, judgement === "ok" ? null : `${response.status} (${judgement})`);
    return { kind: "answer", answer: { response, judgement, requestTimeMs, upstream, release } };
  } catch (error) {
    const failure = asFailure(error);
    end(failureReport(failure, performance.now() - startedAtMs));
    logTry(exchange, upstream, `${failure.kind}: ${failure.message}`);
    return { kind: "failure", failure };
  }
}

/** Ends a try in the books, exactly once: its latency is that of the field section, its outcome also counts the body. */
function bookkeeper({ services }: Exchange, endpoint: Endpoint, upstream: Upstream): (ended: Report) => void {
  let open = true;
  return (ended) => {
    if (!open) return;
    open = false;
    upstream.end(ended, services.clock.now());
    countTry(endpoint.counts, ended.outcome, ended.latencyMs);
  };
}

function answerReport(response: UpstreamResponse, judgement: Judgement, latencyMs: number): Report {
  const retryAfterMs = retryAfter(fieldValue(response.fields, "retry-after"), response.receivedAtMs);
  // A refused credential says nothing bad of the host.
  if (judgement === "ok" || judgement === "credential") return { outcome: "ok", latencyMs, retryAfterMs: 0 };
  if (judgement === "limited" || (response.status === 503 && retryAfterMs > 0)) {
    return { outcome: "limited", latencyMs, retryAfterMs };
  }
  return { outcome: "failed", latencyMs, retryAfterMs };
}

function failureReport(failure: UpstreamFailure, latencyMs: number): Report {
  const outcome = failure.kind === "aborted" ? "cancelled" : failure.kind === "too_large" ? "ok" : "unreachable";
  return { outcome, latencyMs, retryAfterMs: 0 };
}

function deadlines(exchange: Exchange, remainingMs: number) {
  const { connectMs, firstByteMs, idleMs } = exchange.tenant.pool;
  const left = Math.max(1, remainingMs);
  return { connectMs: Math.min(connectMs, left), firstByteMs: Math.min(firstByteMs, left), idleMs };
}

/** Safe and shareable requests may be sent again; others only if not one byte of them was written (RFC 9110 §9.2.2). */
function mayTryAgain(exchange: Exchange, ask: Ask, last: Try): boolean {
  if (last.kind === "failure" && last.failure.kind === "aborted") return false;
  if (last.kind === "failure" && !last.failure.requestSent) return true;
  return ask.body === null && SAFE_METHODS.has(ask.method) && exchange.private === null;
}

/** What is passed on when nothing better came: the last answer as it is, unless it is not what the pool carries. */
function settle(exchange: Exchange, last: Try | null): Answer {
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

/** Gives an answer up: its body is not read. */
export function discard(answer: Answer): void {
  answer.response.body.cancel();
  answer.release();
}

const TIMEOUTS: ReadonlySet<FailureKind> = new Set(["connect_timeout", "first_byte_timeout", "idle_timeout"]);

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
  return new GatewayError("upstream_unreachable", "The upstream cannot be reached", options);
}

/** Errors that are not the transport's are bugs or hostile input below; they count as a failed try all the same. */
export function asFailure(error: unknown): UpstreamFailure {
  if (error instanceof UpstreamFailure) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new UpstreamFailure("protocol", message, true, { cause: error });
}

const MAX_RETRY_AFTER_MS = 300_000;

function retryAfter(value: string | null, nowMs: number): number {
  if (value === null) return 0;
  const ms = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - nowMs;
  return Number.isFinite(ms) ? Math.min(Math.max(ms, 0), MAX_RETRY_AFTER_MS) : 0;
}

function logTry(exchange: Exchange, upstream: Upstream, problem: string | null): void {
  if (problem === null) return;
  exchange.services.logger.warn("Try at an upstream failed", {
    id: exchange.requestId,
    listener: exchange.tenant.name,
    pool: exchange.tenant.pool.name,
    upstream: upstream.id,
    attempt: exchange.tries,
    problem,
  });
}
