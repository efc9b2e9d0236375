import { allowsStaleIfError } from "../cache/policy.ts";
import type { StoredResponse } from "../cache/stored_response.ts";
import { forwardNote } from "../request/cache_note.ts";
import type { Exchange } from "../request/exchange.ts";
import { servesOffline } from "../forward/offline.ts";
import type { FwdReason } from "../http/cache_status.ts";
import { respondForm } from "../deliver/respond_form.ts";
import type { Lead } from "./lead_task.ts";
import { landWhole } from "./store_body.ts";

/** What a stored response would stand in for. */
export interface Standing {
  readonly fwd: FwdReason;
  /** `null` where nothing is stored. */
  readonly stale: StoredResponse | null;
}

/**
 * The stored response in place of what came of asking upstreams, a status or an error, if it may be served stale; else `null`.
 */
export function staleFor(
  exchange: Exchange,
  { fwd, stale }: Standing,
  cause: number | Error,
): Response | Promise<Response> | null {
  const detail = stale === null ? null : reasonFor(exchange, stale, cause);
  if (detail === null) return null;
  const fwdStatus = typeof cause === "number" ? cause : null;
  return respondForm(
    exchange,
    stale!,
    forwardNote(exchange, { fwd, fwdStatus, served: stale!, result: "stale", detail }),
  );
}

function reasonFor(
  exchange: Exchange,
  stale: StoredResponse,
  cause: number | Error,
): "stale-if-error" | "offline" | null {
  const failure = {
    options: exchange.tenant.policy!,
    nowMs: exchange.services.clock.now(),
    cause: typeof cause === "number" ? cause : "unreachable" as const,
  };
  if (allowsStaleIfError(exchange, stale, failure)) return "stale-if-error";
  return servesOffline(exchange, stale, cause) ? "offline" : null;
}

/** As {@linkcode staleFor}, for all who wait; `null` where the answer has to be passed on. */
export function standInForStatus(exchange: Exchange, task: Lead, status: number): Promise<Response> | Response | null {
  const response = staleFor(exchange, task, status);
  if (response !== null) shareStale(exchange, task);
  return response;
}

/** No upstream answered: the stored response where it may be served stale, else the error, to everyone who waits. */
export function standIn(exchange: Exchange, task: Lead, error: Error): Response | Promise<Response> {
  const response = staleFor(exchange, task, error);
  if (response !== null) {
    shareStale(exchange, task);
    return response;
  }
  task.flight.land({ kind: "failed", error });
  exchange.services.collapse.finish(task.flight, null);
  throw error;
}

function shareStale(exchange: Exchange, { flight, stale }: Lead): void {
  landWhole(flight, stale!);
  exchange.services.collapse.finish(flight, null);
}
