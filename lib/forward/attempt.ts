import type { ResponseTimes } from "../cache/policy/policy_options.ts";
import { GatewayError } from "../errors.ts";
import { fieldValue } from "../http/fields.ts";
import { parseWeighted, splitList } from "../http/list.ts";
import { type CountedTry, countTry } from "../metrics/gateway_metrics.ts";
import type { Outcome, Report } from "../pool/outcome.ts";
import type { Upstream } from "../pool/upstream.ts";
import { asFailure } from "../request/client_error.ts";
import type { Exchange } from "../request/exchange.ts";
import { retryPauseMs } from "../upstream_client/retry.ts";
import type { Span } from "../tracing/span.ts";
import { type SendOptions, UpstreamFailure, type UpstreamResponse } from "../upstream_client/transport.ts";
import type { AnswerSource, Judgement, Outgoing } from "../upstream_type/upstream_type.ts";
import { decodedLimitBytes, inAskedCoding } from "./decode.ts";
import { type Ask, outgoingRequest } from "./outgoing.ts";
import { fieldsWithoutSecret, withoutSecret } from "./secret_echo.ts";
import { TryTiming } from "./try_timing.ts";
import { beginTry, endTry, noteAnswer, traceFields } from "./try_trace.ts";
import { type Judged, verifiedResponse, withStatedCoding } from "./verify_content.ts";

/** An upstream's answer, its body not read yet. The caller reads or cancels the body, and calls `release`. */
export class UpstreamAnswer {
  readonly response: UpstreamResponse;
  readonly judgement: Judgement;
  /** Milliseconds since the Unix epoch at which the try began. */
  readonly requestTimeMs: number;
  readonly #purgePosition: number;
  /** The upstream that answered. */
  readonly upstream: Upstream;
  /** Called once, on release, with the failure of its body if there was one. */
  onRelease: ((failure?: UpstreamFailure) => void) | null = null;
  readonly #latencyMs: number;
  readonly #try: Try;
  /** As the upstream gave it. */
  readonly #received: UpstreamResponse;

  constructor(try_: Try, { response, judgement }: Judged, latencyMs: number) {
    this.response = response;
    this.judgement = judgement;
    this.requestTimeMs = try_.requestTimeMs;
    this.#purgePosition = try_.purgePosition;
    this.upstream = try_.record.upstream;
    this.#try = try_;
    this.#received = try_.received ?? response;
    this.#latencyMs = latencyMs;
  }

  /** When it was asked for and when it came, as they are stored with it. */
  get times(): Required<ResponseTimes> {
    const { requestTimeMs, response: { receivedAtMs } } = this;
    return { requestTimeMs, responseTimeMs: receivedAtMs, purgePosition: this.#purgePosition };
  }

  /** The same answer with a changed response: its body decoded, or partly read. To be released in place of this one. */
  with(response: UpstreamResponse): UpstreamAnswer {
    const { judgement } = this;
    const same: Try = { ...this.#try, received: this.#received };
    const other = new UpstreamAnswer(same, { response, judgement }, this.#latencyMs);
    other.onRelease = this.onRelease;
    return other;
  }

  /** Records the end of the try at its upstream, and frees the request's place; `failure` says that the body broke off. */
  release(failure?: UpstreamFailure): void {
    const report = failure === undefined
      ? answerReport(this.#received, this.judgement, this.#latencyMs)
      : failureReport(failure, this.#latencyMs);
    const { record, timing } = this.#try;
    const durationMs = this.#received.tunnel === undefined ? timing.latencyMs : null;
    if (!record.end(report, { firstByteMs: this.#latencyMs, durationMs })) return;
    if (record.span !== null) endTry(record.span, failure ?? null);
    this.onRelease?.(failure);
  }
}

/** Members of an `Accept` that are looked at; more is no browser's. */
const MAX_RANGES = 64;

/** When a try began, and where its end is recorded. */
interface Try {
  readonly requestTimeMs: number;
  readonly purgePosition: number;
  readonly timing: TryTiming;
  readonly record: TryRecord;
  /** As the upstream gave it, where it was changed since. */
  readonly received?: UpstreamResponse;
}

/** Records the end of a try exactly once: its latency is that of the field section, its outcome also counts the body. */
class TryRecord implements AnswerSource {
  readonly upstream: Upstream;
  /** `null` where nothing is traced. */
  readonly span: Span | null;
  readonly #exchange: Exchange;
  readonly #tried: ReadonlySet<Upstream> | undefined;
  #isOpen = true;

  constructor(exchange: Exchange, { upstream, tried, ask, isBeside = false }: AttemptOptions) {
    this.#exchange = exchange;
    this.upstream = upstream;
    this.#tried = tried;
    this.span = exchange.trace === null ? null : beginTry(exchange, { upstream, method: ask.method, isBeside });
  }

  get id(): string {
    return this.upstream.id;
  }

  mayAskOther(): boolean {
    const { tenant: { pool }, services } = this.#exchange;
    const nowMs = services.clock.now();
    return pool.pool.upstreams.some((other) =>
      other !== this.upstream && this.#tried?.has(other) !== true && other.weight > 0 && other.isIn(nowMs)
    );
  }

  asksFor(mediaType: string): boolean {
    const accept = this.#exchange.header("accept");
    if (accept === null || mediaType === "") return false;
    return splitList(accept, MAX_RANGES).map(parseWeighted).some(({ text, weight }) =>
      weight > 0 && (text === mediaType || text.startsWith(`${mediaType};`))
    );
  }

  /** Returns `false` where the end was recorded before. */
  end(report: Report, took: Pick<CountedTry, "firstByteMs" | "durationMs">): boolean {
    if (!this.#isOpen) return false;
    this.#isOpen = false;
    const { tenant: { pool }, services } = this.#exchange;
    this.upstream.end(report, services.clock.now());
    const { outcome } = report;
    // How long a client stayed says nothing of the upstream.
    const durationMs = outcome === "cancelled" ? null : took.durationMs;
    countTry(pool.endpoints.get(this.upstream.id)!.counts, { outcome, firstByteMs: took.firstByteMs, durationMs });
    pool.room.advance();
    return true;
  }
}

/** How one try ended: with an answer or a failure. */
export type Attempt =
  | { readonly kind: "answer"; readonly upstream: Upstream; readonly answer: UpstreamAnswer }
  | { readonly kind: "failure"; readonly upstream: Upstream; readonly failure: UpstreamFailure };

/** One try. */
export interface AttemptOptions {
  readonly ask: Ask;
  /** The request is counted there already (`begin`). */
  readonly upstream: Upstream;
  /** The changes that the type makes in the request, its credential included. */
  readonly outgoing: Outgoing;
  /** Upstreams that the request was sent to before. */
  readonly tried?: ReadonlySet<Upstream>;
  /** By `performance.now()`: no step goes on for longer. */
  readonly untilMs: number;
  readonly signal: AbortSignal | undefined;
  /** It goes on beside another one, whose stages are those of the request. */
  readonly isBeside?: boolean;
}

/** Asks one upstream once. Never throws: a failure is a result. */
export async function attempt(exchange: Exchange, options: AttemptOptions): Promise<Attempt> {
  const { upstream, ask, outgoing, isBeside = false } = options;
  const { tenant, services } = exchange;
  const endpoint = tenant.pool.endpoints.get(upstream.id)!;
  const requestTimeMs = services.clock.now();
  const purgePosition = services.store.purgePosition;
  exchange.tries++;
  if (!isBeside) exchange.enter("connect");
  const timing = new TryTiming(upstream, services.clock, ask.body, exchange.phases);
  const record = new TryRecord(exchange, options);
  const { secret } = outgoing;
  try {
    const sending = sendOptions(exchange, options, record, timing);
    const request = outgoingRequest(exchange, {
      ...{ endpoint, ask, outgoing },
      trace: traceFields(exchange, record.span),
    });
    const answered = await endpoint.transport.send({ ...request, body: timing.body }, sending);
    const { latencyMs } = timing;
    record.span?.event("response fields received");
    if (!isBeside) exchange.enter("body");
    const stated = tenant.pool.inspectsContent ? await withStatedCoding(exchange, ask, answered) : answered;
    const limitBytes = decodedLimitBytes(services.settings.maxEntryBytes);
    // An upstream of a general type chooses its coding itself; only a coding that it did not state is decoded.
    const received = secret !== undefined
      ? withoutSecret(stated, secret, limitBytes)
      : tenant.type.acceptEncoding === null
      ? (stated === answered ? stated : inAskedCoding(stated, null, limitBytes))
      : inAskedCoding(stated, fieldValue(request.fields, "accept-encoding"), limitBytes);
    const seen: Judged = { response: received, judgement: tenant.type.judge(received, outgoing.credential, record) };
    const judged = tenant.pool.inspectsContent ? await verifiedResponse(exchange, ask, seen) : seen;
    if (record.span !== null) noteAnswer(record.span, received, judged.judgement);
    if (judged.judgement !== "ok") logAttempt(exchange, upstream, String(received.status), `(${judged.judgement})`);
    else if (services.logger.in("upstream").enabled("debug")) {
      logAnswer(exchange, upstream, { status: received.status, latencyMs });
    }
    return {
      kind: "answer",
      upstream,
      answer: new UpstreamAnswer({ requestTimeMs, purgePosition, timing, record }, judged, latencyMs),
    };
  } catch (error) {
    const failure = asFailure(error);
    const durationMs = timing.latencyMs;
    record.end(failureReport(failure, durationMs), { firstByteMs: null, durationMs });
    if (record.span !== null) endTry(record.span, failure);
    logAttempt(exchange, upstream, `${failure.kind}:`, failure.message);
    return { kind: "failure", upstream, failure };
  } finally {
    timing.end();
  }
}

/** How one try is sent. */
function sendOptions(exchange: Exchange, options: AttemptOptions, record: TryRecord, timing: TryTiming): SendOptions {
  const { ask, upstream, signal, outgoing: { secret }, isBeside = false } = options;
  const { span } = record;
  return {
    deadlines: deadlines(exchange, options.untilMs - timing.startedAtMs),
    signal,
    // Some GETs change something; a user's own requests are treated as if all did.
    once: exchange.private !== null,
    upgrade: ask.upgrade,
    meter: exchange.tenant.pool.endpoints.get(upstream.id)!.counts,
    lane: exchange.tenant.name,
    // A stored response keeps no trailers.
    wantsTrailers: !ask.forCache && exchange.wantsTrailers,
    onConnection: isBeside && span === null ? undefined : () => {
      if (!isBeside) exchange.enter("head");
      span?.event("connected");
    },
    onInterim: (status, fields) =>
      exchange.passInterim(status, secret === undefined ? fields : fieldsWithoutSecret(fields, secret)),
  };
}

/** Gives up an answer. */
export function discard(answer: UpstreamAnswer): void {
  answer.response.body.cancel();
  answer.release();
}

/**
 * Gives up an answer that would keep its place at the upstream during a wait. The result tells its status, for the case that the wait
 * brings nothing.
 *
 * @param reason of the wait
 */
export function releaseBeforeWait({ answer, upstream }: Extract<Attempt, { kind: "answer" }>, reason: string): Attempt {
  const { status } = answer.response;
  discard(answer);
  const code = status === 429 ? "rate_limited" : "no_healthy_upstream";
  const cause = new GatewayError(code, `The upstream answered ${status}, and no other try could be made in time`);
  return { kind: "failure", upstream, failure: new UpstreamFailure("reset", reason, true, { cause }) };
}

/** The pause that an answer's `Retry-After` asks for, in milliseconds; 0 where it has none. */
export function askedPauseMs({ fields, receivedAtMs }: UpstreamResponse): number {
  return retryPauseMs(fieldValue(fields, "retry-after"), receivedAtMs);
}

function answerReport(response: UpstreamResponse, judgement: Judgement, latencyMs: number): Report {
  const pauseMs = askedPauseMs(response);
  // A refused credential does not count against the upstream while the credential is not known to be good.
  if (judgement === "ok" || judgement === "credential" || judgement === "disputed" || judgement === "unsuitable") {
    return { outcome: "ok", latencyMs, retryAfterMs: 0 };
  }
  if (judgement === "limited" || (response.status === 503 && pauseMs > 0)) {
    return { outcome: "limited", latencyMs, retryAfterMs: pauseMs };
  }
  return { outcome: "failed", latencyMs, retryAfterMs: pauseMs };
}

function failureReport(failure: UpstreamFailure, latencyMs: number): Report {
  return { outcome: outcomeOf(failure), latencyMs, retryAfterMs: 0 };
}

function outcomeOf({ kind }: UpstreamFailure): Outcome {
  // Neither a client that has left, nor a request that cannot be written, nor our own limit is the upstream's fault.
  if (kind === "aborted" || kind === "unsendable" || kind === "crowded") return "cancelled";
  if (kind === "content") return "failed";
  return kind === "too_large" ? "ok" : "unreachable";
}

function deadlines(exchange: Exchange, remainingMs: number) {
  const { connectMs, firstByteMs, idleMs } = exchange.tenant.pool;
  const left = Math.max(1, remainingMs);
  return { connectMs: Math.min(connectMs, left), firstByteMs: Math.min(firstByteMs, left), idleMs };
}

function logAnswer(
  exchange: Exchange,
  upstream: Upstream,
  { status, latencyMs }: { readonly status: number; readonly latencyMs: number },
): void {
  exchange.services.logger.in("upstream").debug("An upstream has answered", {
    id: exchange.requestId,
    listener: exchange.tenant.name,
    pool: exchange.tenant.pool.name,
    upstream: upstream.id,
    attempt: exchange.tries,
    status,
    first_byte_ms: Math.round(latencyMs * 10) / 10,
  });
}

function logAttempt(exchange: Exchange, upstream: Upstream, kind: string, detail: string): void {
  const pool = exchange.tenant.pool.name;
  exchange.services.repeats.warn("upstream", "Try at an upstream failed", `${pool} ${upstream.id} ${kind}`, {
    id: exchange.requestId,
    listener: exchange.tenant.name,
    pool,
    upstream: upstream.id,
    attempt: exchange.tries,
    problem: `${kind} ${detail}`,
  });
}
