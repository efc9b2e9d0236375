import type { Flight } from "../cache/flight.ts";
import { allowsStaleIfError, freshen, storable, validationFields } from "../cache/policy.ts";
import type { StoredResponse } from "../cache/stored_response.ts";
import { GatewayError } from "../errors.ts";
import type { FwdReason } from "../http/cache_status.ts";
import { UpstreamFailure } from "../upstream_client/transport.ts";
import { forwardNote } from "./cache_note.ts";
import { decodedResponse } from "./decode.ts";
import type { Exchange } from "./exchange.ts";
import { type Answer, asFailure, askUpstreams, discard, gatewayError } from "./forward.ts";
import { isOffline, servesOffline } from "./offline.ts";
import type { Ask } from "./outgoing.ts";
import { respondDirect } from "./respond_direct.ts";
import { passThrough } from "./pass_through.ts";
import { clientFields } from "./respond.ts";
import { respondForm } from "./respond_form.ts";
import { sentCacheControl } from "./sent_cache_control.ts";
import { landWhole, storeBody, type Storing } from "./store_body.ts";

/** What a leader starts from. */
export interface Lead {
  readonly flight: Flight;
  readonly fwd: FwdReason;
  /** A stored response that can be validated, or served if no upstream answers. */
  readonly stale: StoredResponse | null;
}

/**
 * Fetches for everyone who waits for a key: asks upstreams, stores what may be stored, and answers its own request.
 *
 * @throws {GatewayError} when no upstream answers and no stored response may stand in
 */
export async function lead(exchange: Exchange, task: Lead): Promise<Response> {
  try {
    if (task.stale !== null && exchange.tenant.offline !== false && isOffline(exchange)) throw allOut(exchange);
    const isWanted = () => wanted(exchange, task);
    return await take(exchange, task, await askUpstreams(exchange, askFor(task), { isWanted }));
  } catch (error) {
    return standIn(exchange, task, error instanceof UpstreamFailure ? gatewayError(error) : error as Error);
  }
}

function allOut({ tenant }: Exchange): GatewayError {
  return new GatewayError("no_healthy_upstream", `Every upstream of pool "${tenant.pool.name}" is out`);
}

/** Whether an answer is still of use: to the client, to others who wait, or to the cache. */
function wanted(exchange: Exchange, { flight }: Lead): boolean {
  return exchange.services.settings.backgroundFill || flight.isFollowed || !exchange.request.signal.aborted;
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
  const { settings, collapse } = exchange.services;
  const { stale, flight, fwd } = task;
  const { status } = answer.response;
  if (status === 304 && stale !== null) return await revalidated(exchange, task, { stale, answer });
  if (stale !== null && mayStandIn(exchange, stale, status)) {
    discard(answer);
    return serveStale(exchange, task, { stale, fwdStatus: status, detail: "stale-if-error" });
  }
  if (stale !== null && servesOffline(exchange, stale, status)) {
    discard(answer);
    return serveStale(exchange, task, { stale, fwdStatus: status, detail: "offline" });
  }
  const response = exchange.tenant.type.acceptEncoding === "gzip"
    ? decodedResponse(answer.response, settings.maxEntryBytes)
    : answer.response;
  const times = { requestTimeMs: answer.requestTimeMs, responseTimeMs: response.receivedAtMs };
  const decision = storable({ request: exchange, head: response, times, options: exchange.tenant.policy! });
  if (!decision.store) {
    collapse.rememberSolo(exchange.key, decision.hitForMissMs);
    collapse.finish(flight, null);
    if (exchange.wantsPart) {
      discard(answer);
      return await passThrough(exchange, { fwd, detail: decision.reason });
    }
    return respondDirect(exchange, { ...answer, response }, {
      note: forwardNote(exchange, { fwd, detail: decision.reason }),
    });
  }
  const storing: Storing = { flight, fwd, decision, answer: { ...answer, response } };
  try {
    return await storeBody(exchange, storing) ?? await passThrough(exchange, { fwd, detail: "not-stored" });
  } catch (error) {
    return await again(exchange, task, { answer, failure: asFailure(error) });
  }
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

/** The stored response is still good: its fields are renewed (RFC 9111 §4.3.4). A 304 about another response is worth nothing. */
async function revalidated(
  exchange: Exchange,
  task: Lead,
  found: { stale: StoredResponse; answer: Answer },
): Promise<Response> {
  const { stale, answer } = found;
  const { store, collapse } = exchange.services;
  discard(answer);
  const times = { requestTimeMs: answer.requestTimeMs, responseTimeMs: answer.response.receivedAtMs };
  const head = { ...answer.response, fields: clientFields(exchange, answer.response.fields) };
  const freshened = freshen(stale, head, { request: exchange, times, options: exchange.tenant.policy! });
  if (freshened === null) {
    const unconditional = { ...task, stale: null };
    return await take(exchange, unconditional, await askUpstreams(exchange, askFor(unconditional)));
  }
  const { keep, ownFields } = freshened;
  const { fields, freshness } = freshened.response;
  const fresh = { ...freshened.response, fields: sentCacheControl(exchange.tenant, fields.slice(), freshness) };
  if (keep === "replace") store.put(fresh);
  if (keep === "delete") store.delete(stale.key);
  const shared = keep === "replace" ? fresh : null;
  if (shared !== null) landWhole(task.flight, shared);
  collapse.finish(task.flight, shared);
  const note = forwardNote(exchange, { fwd: task.fwd, fwdStatus: 304, stored: fresh, result: "revalidated" });
  const own = ownFields.length === 0 ? fresh : { ...fresh, fields: [...fresh.fields, ...ownFields] };
  return await respondForm(exchange, own, note);
}

function mayStandIn(exchange: Exchange, stale: StoredResponse, cause: "unreachable" | number): boolean {
  const nowMs = exchange.services.clock.now();
  return allowsStaleIfError(exchange, stale, { options: exchange.tenant.policy!, nowMs, cause });
}

/** No upstream answered: the stored response where it may be served stale, else the error, to everyone who waits. */
function standIn(exchange: Exchange, task: Lead, error: Error): Response | Promise<Response> {
  const { stale, flight } = task;
  if (stale !== null && mayStandIn(exchange, stale, "unreachable")) {
    return serveStale(exchange, task, { stale, fwdStatus: null, detail: "stale-if-error" });
  }
  if (stale !== null && servesOffline(exchange, stale, error)) {
    return serveStale(exchange, task, { stale, fwdStatus: null, detail: "offline" });
  }
  flight.land({ kind: "failed", error });
  exchange.services.collapse.finish(flight, null);
  throw error;
}

function serveStale(
  exchange: Exchange,
  task: Lead,
  found: { stale: StoredResponse; fwdStatus: number | null; detail: "stale-if-error" | "offline" },
): Response | Promise<Response> {
  const { stale, fwdStatus, detail } = found;
  landWhole(task.flight, stale);
  exchange.services.collapse.finish(task.flight, null);
  const note = forwardNote(exchange, {
    fwd: task.fwd,
    fwdStatus,
    served: stale,
    result: "stale",
    detail,
  });
  return respondForm(exchange, stale, note);
}
