import { freshen } from "../cache/policy.ts";
import type { StoredResponse } from "../cache/stored_response.ts";
import { forwardNote } from "../request/cache_note.ts";
import type { Exchange } from "../request/exchange.ts";
import { type Answer, discard } from "../forward/forward.ts";
import { clientFields } from "../deliver/respond.ts";
import { respondForm } from "../deliver/respond_form.ts";
import { sentCacheControl } from "../deliver/sent_cache_control.ts";
import type { Lead } from "./lead_task.ts";
import { landWhole } from "./store_body.ts";

/** A 304, and the stored response that was asked about. */
export interface NotModified {
  readonly stale: StoredResponse;
  readonly answer: Answer;
}

/**
 * The stored response is still good: its fields are renewed (RFC 9111 §4.3.4). A 304 about another response is worth nothing: the
 * answer is `null` then.
 */
export async function renewStored(exchange: Exchange, task: Lead, found: NotModified): Promise<Response | null> {
  const { stale, answer } = found;
  const { store, collapse } = exchange.services;
  discard(answer);
  const times = { requestTimeMs: answer.requestTimeMs, responseTimeMs: answer.response.receivedAtMs };
  const head = { ...answer.response, fields: clientFields(exchange, answer.response.fields) };
  const freshened = freshen(stale, head, { request: exchange, times, options: exchange.tenant.policy! });
  if (freshened === null) return null;
  const { keep, ownFields } = freshened;
  const { fields, freshness } = freshened.response;
  const fresh = { ...freshened.response, fields: sentCacheControl(exchange.tenant, fields.slice(), freshness) };
  if (keep === "replace") {
    store.put(fresh);
    exchange.tenant.deriver?.kept?.(exchange, fresh);
  }
  if (keep === "delete") store.delete(stale.key);
  const shared = keep === "replace" ? fresh : null;
  if (shared !== null) landWhole(task.flight, shared);
  collapse.finish(task.flight, shared);
  const note = forwardNote(exchange, { fwd: task.fwd, fwdStatus: 304, stored: fresh, result: "revalidated" });
  const own = ownFields.length === 0 ? fresh : { ...fresh, fields: [...fresh.fields, ...ownFields] };
  return await respondForm(exchange, own, note);
}
