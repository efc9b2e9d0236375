import type { Exchange } from "../request/exchange.ts";
import { retryable, type TryEnd } from "../upstream_client/retry.ts";
import type { UpstreamFailure } from "../upstream_client/transport.ts";
import type { Attempt } from "./attempt.ts";
import type { Ask } from "./outgoing.ts";

/** Whether a try failed because of the credential that went with it, so that another one is worth a try. */
export function isCredentialRefused(last: Attempt): boolean {
  return last.kind === "answer" && last.answer.judgement === "credential";
}

/** Whether a request was refused for its credential, be it the credential's fault or the upstream's: then it was not processed. */
export function isRefused(last: Attempt): boolean {
  return isCredentialRefused(last) || isDisputed(last) ||
    (last.kind === "answer" && last.answer.judgement === "refusing");
}

/** Whether a credential was refused that may be good, so that another upstream is worth a try with it. */
function isDisputed(last: Attempt): boolean {
  return last.kind === "answer" && last.answer.judgement === "disputed";
}

/** Whether a try ended well; `null` where that says nothing of its upstream. */
export function isGoodEnd(last: Attempt | null): boolean | null {
  if (last === null || isCredentialRefused(last) || isDisputed(last)) return null;
  if (last.kind === "failure") return isClientFailure(last.failure) ? null : false;
  return last.answer.judgement === "unsuitable" ? null : last.answer.judgement === "ok";
}

/** Whether a try failed by what the client sent or did, or by a limit of the gateway's own. */
export function isClientFailure({ kind }: UpstreamFailure): boolean {
  return kind === "aborted" || kind === "unsendable" || kind === "too_large" || kind === "crowded";
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
