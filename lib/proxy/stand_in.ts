import { allowsStaleIfError } from "../cache/policy.ts";
import type { StoredResponse } from "../cache/stored_response.ts";
import { forwardNote } from "../exchange/cache_note.ts";
import type { Exchange } from "../exchange/exchange.ts";
import type { Lead } from "./lead_task.ts";
import { servesOffline } from "../forward/offline.ts";
import { respondForm } from "../respond/respond_form.ts";
import { landWhole } from "./store_body.ts";

function mayStandIn(exchange: Exchange, stale: StoredResponse, cause: "unreachable" | number): boolean {
  const nowMs = exchange.services.clock.now();
  return allowsStaleIfError(exchange, stale, { options: exchange.tenant.policy!, nowMs, cause });
}

/** The stored response in place of an answer that says that the upstream failed; `null` where it has to be passed on. */
export function standInForStatus(exchange: Exchange, task: Lead, status: number): Promise<Response> | Response | null {
  const { stale } = task;
  if (stale === null) return null;
  if (mayStandIn(exchange, stale, status)) {
    return serveStale(exchange, task, { stale, fwdStatus: status, detail: "stale-if-error" });
  }
  if (!servesOffline(exchange, stale, status)) return null;
  return serveStale(exchange, task, { stale, fwdStatus: status, detail: "offline" });
}

/** No upstream answered: the stored response where it may be served stale, else the error, to everyone who waits. */
export function standIn(exchange: Exchange, task: Lead, error: Error): Response | Promise<Response> {
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
