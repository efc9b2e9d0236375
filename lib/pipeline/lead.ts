import { storable, validationFields } from "../cache/policy.ts";
import type { CacheRequest } from "../cache/policy_options.ts";
import type { Exchange } from "../request/exchange.ts";
import { decodedResponse } from "../forward/decode.ts";
import { type Answer, asFailure, askUpstreams, clientError, discard } from "../forward/forward.ts";
import { refuseOutage } from "../forward/offline.ts";
import type { Ask } from "../forward/outgoing.ts";
import type { UpstreamFailure } from "../upstream_client/transport.ts";
import type { Lead } from "./lead_task.ts";
import { renewStored } from "./renew_stored.ts";
import { respondAnew, respondUnstored } from "./respond_unstored.ts";
import { standIn, standInForStatus } from "./stand_in.ts";
import { storeBody, type Storing } from "./store_body.ts";

/**
 * Fetches for everyone who waits for a key: asks upstreams, stores what may be stored, and answers its own request.
 *
 * @throws {GatewayError} when no upstream answers and no stored response may stand in
 */
export async function lead(exchange: Exchange, task: Lead): Promise<Response> {
  try {
    if (task.stale !== null) refuseOutage(exchange);
    const isWanted = () => wanted(exchange, task);
    return await take(exchange, task, await askUpstreams(exchange, askFor(task), { isWanted }));
  } catch (error) {
    return standIn(exchange, task, clientError(error) as Error);
  }
}

/** Whether an answer is still of use: to the client, to others who wait, or to the cache. */
function wanted(exchange: Exchange, { flight }: Lead): boolean {
  return exchange.fillsToTheEnd || flight.isFollowed || !exchange.request.signal.aborted;
}

function askFor(task: Lead): Ask {
  return {
    method: "GET",
    forCache: true,
    conditions: task.stale === null ? [] : validationFields(task.stale),
    body: null,
  };
}

/** What to do with an answer. */
async function take(exchange: Exchange, task: Lead, answer: Answer): Promise<Response> {
  const { settings } = exchange.services;
  const { stale, flight, fwd } = task;
  const { status } = answer.response;
  if (status === 304 && stale !== null) {
    return await renewStored(exchange, task, { stale, answer }) ?? await withoutConditions(exchange, task);
  }
  const standing = standInForStatus(exchange, task, status);
  if (standing !== null) {
    discard(answer);
    return await standing;
  }
  const response = exchange.tenant.type.acceptEncoding === "gzip"
    ? decodedResponse(answer.response, settings.maxEntryBytes)
    : answer.response;
  const times = { requestTimeMs: answer.requestTimeMs, responseTimeMs: response.receivedAtMs };
  const decision = storable({ request: fetched(exchange), head: response, times, options: exchange.tenant.policy! });
  if (!decision.store) {
    return await respondUnstored(exchange, { flight, fwd, decision, answer: { ...answer, response } });
  }
  const storing: Storing = { flight, fwd, decision, answer: { ...answer, response } };
  try {
    return await storeBody(exchange, storing) ?? await respondAnew(exchange, fwd);
  } catch (error) {
    return await again(exchange, task, { answer, failure: asFailure(error) });
  }
}

/** The request that was sent: the whole is asked for also where the client wants its fields only. */
function fetched(exchange: Exchange): CacheRequest {
  if (exchange.method === "GET") return exchange;
  const { path, sharedAuthorization, private: reason, routeTtl } = exchange;
  return {
    method: "GET",
    path,
    sharedAuthorization,
    private: reason,
    routeTtl,
    header: (name) => exchange.header(name),
  };
}

/** Asks for the whole, after a 304 that was about another response. */
async function withoutConditions(exchange: Exchange, task: Lead): Promise<Response> {
  const unconditional = { ...task, stale: null };
  return await take(exchange, unconditional, await askUpstreams(exchange, askFor(unconditional)));
}

/** A body that broke off before any of it was passed on is fetched once more, from another upstream if there is one. */
async function again(
  exchange: Exchange,
  task: Lead,
  broken: { answer: Answer; failure: UpstreamFailure },
): Promise<Response> {
  const { answer, failure } = broken;
  const { logger } = exchange.services;
  logger.warn("A response broke off", {
    id: exchange.requestId,
    upstream: answer.upstream.id,
    problem: failure.message,
  });
  if (exchange.tries >= exchange.tenant.pool.attempts || failure.kind === "too_large") throw failure;
  return await take(exchange, task, await askUpstreams(exchange, askFor(task), { avoid: answer.upstream }));
}
