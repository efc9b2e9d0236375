import { invalidates } from "../cache/policy/invalidation.ts";
import { headUpdate } from "../cache/policy/freshen.ts";
import { staleSince } from "../cache/purge/purge_rules.ts";
import type { StoredResponse } from "../cache/stored_response.ts";
import { changeTimeMs } from "../clock.ts";
import { clientFields, sentCacheControl } from "../deliver/client_fields.ts";
import { GatewayError } from "../errors.ts";
import type { UpstreamAnswer } from "../forward/attempt.ts";
import type { Exchange } from "../request/exchange.ts";
import { tenantKey } from "../request/request_key.ts";
import { ruled } from "./arrive.ts";
import { partialKey } from "./partial_response.ts";

/** Invalidates or renews stored responses by an answer that is not stored itself; `stored` is the response that a `HEAD` is about. */
export function updateStore(exchange: Exchange, answer: UpstreamAnswer, stored: StoredResponse | undefined): void {
  if (answer.response.status >= 200 && answer.response.status <= 299) invalidateWritten(exchange);
  if (exchange.tenant.policy === null) return;
  if (exchange.method === "HEAD" && stored !== undefined) renew(exchange, answer, stored);
  else if (exchange.method !== "GET" && exchange.method !== "HEAD") invalidate(exchange, answer);
}

/** Renews a stored response by the answer to a `HEAD`, or marks it stale where that shows that it has changed (RFC 9111 §4.3.5). */
function renew(exchange: Exchange, { times, response }: UpstreamAnswer, stored: StoredResponse): void {
  const { store, clock } = exchange.services;
  const head = { status: response.status, fields: clientFields(exchange, response.fields) };
  const update = headUpdate(stored, head, { request: exchange, times, options: exchange.tenant.policy! });
  if (update.kind === "none") return;
  if (update.kind === "changed") return store.put(staleSince(stored, clock.now()));
  const { response: renewed, keep } = update.freshened;
  if (keep === "delete") deleteStored(exchange, stored.key);
  if (keep !== "replace") return;
  store.put(renewed.with({ fields: sentCacheControl(exchange.tenant, renewed.fields, renewed.freshness) }));
}

/** Invalidates what a user's request has changed, by tags: on every listener of the type, under every target that shows it. */
function invalidateWritten(exchange: Exchange): void {
  const { services, tenant: { type } } = exchange;
  const tags = type.written?.(exchange) ?? [];
  if (tags.length === 0) return;
  const nowMs = changeTimeMs(services.clock);
  for (const tag of tags) services.invalidations.addTag(type.name, tag, nowMs);
  services.recordWrite(type.name, tags);
}

/** Invalidates the targets that an unsafe request has changed (RFC 9111 §4.4). */
function invalidate(exchange: Exchange, answer: UpstreamAnswer): void {
  const { tenant, method } = exchange;
  const { authority, path, query } = exchange;
  const upstreamAuthority = tenant.pool.endpoints.get(answer.upstream.id)?.host ?? null;
  for (const target of invalidates(method, answer.response, { authority, path, query, upstreamAuthority })) {
    const request = { method: "GET", path: target.path, query: target.query, header: () => null };
    const key = tenantKey(tenant, request, target.authority === authority ? exchange.keyAuthority : target.authority);
    const keys = target.path === path && target.query === query ? [key, exchange.key, ...readKeys(exchange)] : [key];
    for (const changed of keys) remove(exchange, changed);
  }
}

/** The key of a GET for the same target, where rules change that request otherwise than this one. */
function readKeys(exchange: Exchange): string[] {
  if (exchange.tenant.rules === null) return [];
  try {
    return [ruled(exchange.asSent.inBackground()).key];
  } catch (error) {
    // The rules refuse that request, so that nothing is stored for it.
    if (error instanceof GatewayError) return [];
    throw error;
  }
}

function remove(exchange: Exchange, key: string): void {
  const { store, invalidations, collapse, clock, tellChanged } = exchange.services;
  invalidations.add(key, changeTimeMs(clock));
  collapse.detach(key);
  deleteStored(exchange, key);
  store.delete(partialKey(key));
  tellChanged([key, partialKey(key)]);
}

/** Removes what a key holds, in this gateway and in the tier that gateways share. */
export function deleteStored({ services: { store, shared }, tenant: { sharing } }: Exchange, key: string): void {
  store.delete(key);
  if (shared !== null && sharing !== null) shared.delete(sharing, key, store.purgePosition);
}
