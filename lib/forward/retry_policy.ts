import { GatewayError } from "../errors.ts";
import { gatewayError } from "../request/client_error.ts";
import type { Exchange } from "../request/exchange.ts";
import { retryable, type TryEnd } from "../upstream_client/retry.ts";
import { askedPauseMs, type Attempt, discard, type UpstreamAnswer } from "./attempt.ts";
import { mayGetRoom } from "./next_try.ts";
import type { Ask } from "./outgoing.ts";

/**
 * What is passed on when nothing better came: the last answer as it is, unless it is not what the pool carries.
 *
 * @throws {GatewayError} where there is no answer, or none to pass on
 */
export function settle(exchange: Exchange, last: Attempt | null): UpstreamAnswer {
  if (last === null && mayGetRoom(exchange)) {
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
  if (last.answer.judgement === "limited" && exchange.tenant.type.isReadable?.(last.answer.response) === false) {
    throw limited(last.answer);
  }
  const { judgement } = last.answer;
  if (judgement === "wrong_content" || judgement === "unsuitable") {
    discard(last.answer);
    throw new GatewayError(
      "upstream_wrong_content",
      "The upstream answered with content that this pool does not carry",
      {
        hint: judgement === "unsuitable"
          ? "The request's Accept asked for it; content_types of the pool says what is carried"
          : "A block page or a proxy's error page, most likely; see content_types of the pool",
      },
    );
  }
  if (last.answer.judgement === "refusing") {
    discard(last.answer);
    const { name } = exchange.tenant.pool;
    throw new GatewayError("no_healthy_upstream", `The upstream refuses API keys that others of pool "${name}" take`, {
      hint: "The upstreams that take them are out; see /status on the admin address",
    });
  }
  return exchange.tenant.type.mendsRetryAfter === true ? withRetryAfter(last.answer) : last.answer;
}

/** A 429 with the whole seconds that this gateway itself would wait: many clients read nothing else, and some wait not at all. */
function withRetryAfter(answer: UpstreamAnswer): UpstreamAnswer {
  const { response, judgement } = answer;
  if (response.status !== 429 && judgement !== "limited") return answer;
  const fields = response.fields.filter(([name]) => name !== "retry-after");
  fields.push(["retry-after", String(pauseSeconds(answer))]);
  return answer.with({ ...response, fields });
}

/** In place of an answer of a proxy or an edge on the way, which the type's clients could not read. */
function limited(answer: UpstreamAnswer): GatewayError {
  discard(answer);
  return new GatewayError("rate_limited", "The upstream is over its limit", {
    hint: "Wait as long as Retry-After says",
    retryAfterSeconds: pauseSeconds(answer),
  });
}

/** At least a second, at most five minutes, whatever the upstream says. */
function pauseSeconds({ response }: UpstreamAnswer): number {
  return Math.max(1, Math.ceil(askedPauseMs(response) / 1000));
}

/** Whether a try failed because of the credential that went with it, and another one is worth a try. */
export function isCredential(last: Attempt): boolean {
  return last.kind === "answer" && last.answer.judgement === "credential";
}

/** Whether a credential was refused that may be good, so that another upstream is worth a try with it. */
export function isDisputed(last: Attempt): boolean {
  return last.kind === "answer" && last.answer.judgement === "disputed";
}

/** Whether a request was refused for its credential, whoever is to blame: then it was not processed. */
export function isRefused(last: Attempt): boolean {
  return isCredential(last) || isDisputed(last) || (last.kind === "answer" && last.answer.judgement === "refusing");
}

/**
 * Whether another try may be made: safe requests that are no user's own may be sent again; others only if not one byte of them was
 * written (RFC 9110 §9.2.2).
 */
export function mayTryAgain(exchange: Exchange, ask: Ask, last: Attempt): boolean {
  const bodyTaken = ask.body !== null && (last.kind === "answer" || last.failure.requestSent);
  if (isRefused(last)) return !bodyTaken && exchange.private === null && ask.body === null;
  const end = endOf(last);
  if (exchange.private !== null && !("failure" in end && !end.requestSent)) return false;
  return retryable({ method: ask.method, bodyTaken }, end);
}

function endOf(last: Attempt): TryEnd {
  if (last.kind === "failure") return { failure: last.failure.kind, requestSent: last.failure.requestSent };
  const { judgement } = last.answer;
  if (judgement === "wrong_content") return { wrongContent: true };
  if (judgement === "unsuitable") return { status: 200 };
  return { status: judgement === "limited" ? 429 : last.answer.response.status };
}
