import type { StoredResponse } from "../cache/stored_response.ts";
import { GatewayError } from "../errors.ts";
import { discard, type UpstreamAnswer } from "../forward/attempt.ts";
import type { Ask } from "../forward/outgoing.ts";
import { begunBody, requestBody } from "../forward/request_body.ts";
import type { ForwardReason } from "../forward_reason.ts";
import type { Answer } from "../request/answer.ts";
import { forwardNote } from "../request/cache_note.ts";
import { clientError } from "../request/client_error.ts";
import type { Exchange } from "../request/exchange.ts";
import type { UpstreamFailure } from "../upstream_client/transport.ts";
import { askSizes } from "./ask_sizes.ts";
import { updateStore } from "./invalidate.ts";
import { storePartial } from "./partial_response.ts";
import { staleAnswer } from "./stale.ts";
import { mustAskAgain, streamAnswer, wholeDocument } from "./stream_answer.ts";

/** How a request bypasses the cache, and what of its answer still concerns the store. */
export interface BypassOptions {
  readonly fwd: ForwardReason;
  readonly detail: string | null;
  /** The stored response for a `HEAD`: the answer may renew it (RFC 9111 §4.3.5). */
  readonly stored?: StoredResponse;
  /** The stored response may be served stale where upstreams fail. */
  readonly servesStale?: boolean;
  /** The answer to a range request is to be stored (RFC 9111 §3.3). */
  readonly storesPartial?: boolean;
  /** Protocol to switch to (RFC 9110 §7.8). */
  readonly upgrade?: string;
}

/**
 * Forwards a request and answers with the upstream's answer, which is not stored, except for partial responses. The upstream's request
 * ends when the client leaves.
 *
 * @throws {GatewayError} when no upstream answers
 */
export async function passThrough(exchange: Exchange, bypass: BypassOptions): Promise<Answer> {
  const body = await begunBody(exchange, requestBody(exchange));
  const ask: Ask = { method: exchange.method, forCache: false, conditions: [], body, upgrade: bypass.upgrade };
  let answer: UpstreamAnswer | null = null;
  try {
    answer = await askSizes(exchange, ask, { signal: exchange.signal });
    if (body === null && mustAskAgain(exchange, answer)) {
      discard(answer);
      exchange.leaveUnchanged();
      return await passThrough(exchange, bypass);
    }
    const stale = staleInstead(exchange, bypass, answer.response.status);
    if (stale !== null) {
      discard(answer);
      return stale;
    }
    updateStore(exchange, answer, bypass.stored);
    // The client's next request may go to another worker.
    if (bypass.fwd === "method") await exchange.services.forgotten();
    return await passedAnswer(exchange, answer, bypass);
  } catch (error) {
    if (answer !== null) discard(answer);
    body?.leave?.();
    const failure = clientError(error) as Error;
    const stale = staleInstead(exchange, bypass, failure);
    if (stale === null) throw failure;
    return stale;
  }
}

function staleInstead(
  exchange: Exchange,
  { fwd, stored, servesStale }: BypassOptions,
  cause: number | Error,
): Answer | null {
  if (servesStale !== true || stored === undefined || exchange.hasLeft) return null;
  return staleAnswer(exchange, { fwd, stale: stored }, cause);
}

function passedAnswer(exchange: Exchange, answer: UpstreamAnswer, bypass: BypassOptions): Answer | Promise<Answer> {
  const { fwd, detail, storesPartial } = bypass;
  const part = storesPartial === true ? storePartial(exchange, answer) : null;
  const result = fwd === "bypass" || fwd === "method" ? "bypass" : "miss";
  // Reasons are several words; `detail` of `Cache-Status` has them as one token.
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
 * Forwards a WebSocket handshake. It counts among the pool's tunnels from the start, so that handshakes that come while upstreams
 * answer others cannot exceed the limit together.
 *
 * @throws {GatewayError} `overloaded` where there is no place; as {@linkcode passThrough}
 */
export async function passUpgrade(exchange: Exchange, bypass: BypassOptions): Promise<Answer> {
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
