import { invalidates } from "../cache/policy/invalidation.ts";
import { headUpdate } from "../cache/policy/freshen.ts";
import { staleSince } from "../cache/purge/purge_rules.ts";
import type { StoredResponse } from "../cache/stored_response.ts";
import { GatewayError } from "../errors.ts";
import type { Exchange } from "../request/exchange.ts";
import { tenantKey } from "../request/tenant_key.ts";
import type { UpstreamAnswer } from "../forward/attempt.ts";
import { clientFields } from "../deliver/client_fields.ts";
import { sentCacheControl } from "../deliver/sent_cache_control.ts";
import { ruled } from "./arrive.ts";
import { partKey } from "./part.ts";

/** What the cache learns of an answer that it will not store. */
export function learn(exchange: Exchange, answer: UpstreamAnswer, held: StoredResponse | undefined): void {
  if (answer.response.status >= 200 && answer.response.status <= 299) learnWritten(exchange);
  if (exchange.tenant.policy === null) return;
  if (exchange.method === "HEAD" && held !== undefined) renew(exchange, answer, held);
  else if (exchange.method !== "GET" && exchange.method !== "HEAD") invalidate(exchange, answer);
}

/** A `HEAD` that was forwarded brings a stored response up to date, or shows that it has changed (RFC 9111 §4.3.5). */
function renew(exchange: Exchange, { requestTimeMs, response }: UpstreamAnswer, held: StoredResponse): void {
  const { store, clock } = exchange.services;
  const times = { requestTimeMs, responseTimeMs: response.receivedAtMs };
  const head = { status: response.status, fields: clientFields(exchange, response.fields) };
  const update = headUpdate(held, head, { request: exchange, times, options: exchange.tenant.policy! });
  if (update.kind === "none") return;
  if (update.kind === "changed") return store.put(staleSince(held, clock.now()));
  const { response: renewed, keep } = update.freshened;
  if (keep === "delete") store.delete(held.key);
  if (keep !== "replace") return;
  store.put(renewed.with({ fields: sentCacheControl(exchange.tenant, renewed.fields, renewed.freshness) }));
}

/** What a user has changed at an upstream is not served as it was before, on any listener of the type, under any target that shows it. */
function learnWritten(exchange: Exchange): void {
  const { services, tenant: { type } } = exchange;
  const tags = type.written?.(exchange) ?? [];
  if (tags.length === 0) return;
  const nowMs = services.clock.now();
  for (const tag of tags) services.invalidations.addTag(type.name, tag, nowMs);
  services.recordWrite(type.name, tags);
}

/** What an unsafe request changed is not served from the store any more (RFC 9111 §4.4). */
function invalidate(exchange: Exchange, answer: UpstreamAnswer): void {
  const { tenant, services, method } = exchange;
  const { authority, path, query } = exchange;
  const upstreamAuthority = tenant.pool.endpoints.get(answer.upstream.id)?.host ?? null;
  for (const target of invalidates(method, answer.response, { authority, path, query, upstreamAuthority })) {
    const request = { method: "GET", path: target.path, query: target.query, header: () => null };
    const key = tenantKey(tenant, request, target.authority === authority ? exchange.keyAuthority : target.authority);
    const keys = target.path === path && target.query === query ? [key, exchange.key, ...readKeys(exchange)] : [key];
    for (const changed of keys) forget(services, changed);
  }
}

/** The key under which its client reads what it has changed, where rules change a request for that in another way. */
function readKeys(exchange: Exchange): string[] {
  if (exchange.tenant.rules === null) return [];
  try {
    return [ruled(exchange.asSent.inBackground()).key];
  } catch (error) {
    // Rules make no request of it that could have been stored.
    if (error instanceof GatewayError) return [];
    throw error;
  }
}

function forget({ store, invalidations, collapse, clock }: Exchange["services"], key: string): void {
  invalidations.add(key, clock.now());
  collapse.detach(key);
  store.delete(key);
  store.delete(partKey(key));
}
