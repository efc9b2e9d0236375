import { staleAnswer } from "./stale.ts";
import type { ForwardReason } from "../forward_reason.ts";
import type { StoredResponse } from "../cache/stored_response.ts";
import { discard, type UpstreamAnswer } from "../forward/attempt.ts";
import { askUpstreams } from "../forward/forward.ts";
import type { Ask } from "../forward/outgoing.ts";
import { peekedBody, requestBody } from "../forward/request_body.ts";
import type { Answer } from "../request/answer.ts";
import { forwardNote } from "../request/cache_note.ts";
import { clientError } from "../request/client_error.ts";
import type { Exchange } from "../request/exchange.ts";
import { learn } from "./invalidate.ts";
import { keepPart } from "./partial_response.ts";
import { isAskedInVain, streamAnswer, wholeDocument } from "./stream_answer.ts";
import { GatewayError } from "../errors.ts";
import type { UpstreamFailure } from "../upstream_client/transport.ts";

/** Why a request goes past the cache, and what the cache still learns of it. */
export interface Bypass {
  readonly fwd: ForwardReason;
  readonly detail: string | null;
  /** What the store holds for a `HEAD`: the answer may be news of it (RFC 9111 §4.3.5). */
  readonly held?: StoredResponse;
  /** What is held may be served stale where upstreams fail. */
  readonly standsIn?: boolean;
  /** The answer to a range request is worth keeping. */
  readonly keepsPart?: boolean;
  /** Protocol to switch to (RFC 9110 §7.8). */
  readonly upgrade?: string;
}

/**
 * Takes a request to an upstream and answers with what comes back, nothing kept but parts. The upstream's request ends when the client
 * leaves.
 *
 * @throws {GatewayError} when no upstream answers
 */
export async function passThrough(exchange: Exchange, bypass: Bypass): Promise<Answer> {
  const body = await peekedBody(exchange, requestBody(exchange));
  const ask: Ask = { method: exchange.method, forCache: false, conditions: [], body, upgrade: bypass.upgrade };
  let answer: UpstreamAnswer | null = null;
  try {
    answer = await askUpstreams(exchange, ask, { signal: exchange.signal });
    if (body === null && isAskedInVain(exchange, answer)) {
      discard(answer);
      exchange.leaveAsItIs();
      return await passThrough(exchange, bypass);
    }
    const stale = standIn(exchange, bypass, answer.response.status);
    if (stale !== null) {
      discard(answer);
      return stale;
    }
    learn(exchange, answer, bypass.held);
    // Whoever sees this response may ask another worker next.
    if (bypass.fwd === "method") await exchange.services.forgotten();
    return await passedAnswer(exchange, answer, bypass);
  } catch (error) {
    if (answer !== null) discard(answer);
    const failure = clientError(error) as Error;
    const stale = standIn(exchange, bypass, failure);
    if (stale === null) throw failure;
    return stale;
  }
}

function standIn(exchange: Exchange, { fwd, held, standsIn }: Bypass, cause: number | Error): Answer | null {
  if (standsIn !== true || held === undefined || exchange.hasLeft) return null;
  return staleAnswer(exchange, { fwd, stale: held }, cause);
}

function passedAnswer(exchange: Exchange, answer: UpstreamAnswer, bypass: Bypass): Answer | Promise<Answer> {
  const { fwd, detail, keepsPart } = bypass;
  const part = keepsPart === true ? keepPart(exchange, answer) : null;
  const result = fwd === "bypass" || fwd === "method" ? "bypass" : "miss";
  // Reasons are words; as a detail of `Cache-Status` they read better joined.
  const note = forwardNote(exchange, { fwd, detail: detail === null ? null : detail.replaceAll(" ", "-"), result });
  const askedMethod = exchange.method;
  if (part === null) return wholeDocument(exchange, streamAnswer(exchange, answer, { note, askedMethod }));
  return streamAnswer(exchange, answer, {
    note,
    askedMethod,
    read: part.read,
    onEnd: (failure) => part.onEnd(failure === undefined),
  });
}

/**
 * Takes a handshake to an upstream. It has a place among the pool's tunnels from now on, or as many at once as come while upstreams
 * think would all be let in.
 *
 * @throws {GatewayError} `overloaded` where there is no place; as {@linkcode passThrough}
 */
export async function passUpgrade(exchange: Exchange, bypass: Bypass): Promise<Answer> {
  const { name, tunnels, maxTunnels } = exchange.tenant.pool;
  if (tunnels.open >= maxTunnels) {
    throw new GatewayError("overloaded", `Pool "${name}" has as many tunnels open as it may`, {
      hint: "Try again later; the operator's limit is tunnels.max of the pool",
      retryAfterSeconds: 5,
    });
  }
  tunnels.open++;
  let isOpen = true;
  const leave = () => {
    if (isOpen) tunnels.open--;
    isOpen = false;
  };
  try {
    const answer = await passThrough(exchange, bypass);
    if (answer.kind === "streaming" && answer.tunnel !== undefined) {
      const onEnd = (failure?: UpstreamFailure) => {
        leave();
        answer.onEnd(failure);
      };
      const onLeave = () => {
        leave();
        answer.onLeave();
      };
      return { ...answer, onEnd, onLeave };
    }
    leave();
    return answer;
  } catch (error) {
    leave();
    throw error;
  }
}
