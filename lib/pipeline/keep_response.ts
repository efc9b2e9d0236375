import { variantKey } from "../cache/key.ts";
import type { Storable } from "../cache/policy/storable.ts";
import { StoredHead, type StoredResponse } from "../cache/stored_response.ts";
import { varyMarker } from "../cache/variants.ts";
import type { Exchange } from "../request/exchange.ts";
import type { UpstreamAnswer } from "../forward/attempt.ts";
import { clientFields } from "../deliver/client_fields.ts";
import { sentCacheControl } from "../deliver/sent_cache_control.ts";
import { withBodyTag, withSimpleTag } from "../deliver/simple_tag.ts";

/** An answer, and the form in which it may be stored. */
export interface Keepable {
  readonly answer: UpstreamAnswer;
  readonly decision: Storable;
}

/** Everything of the response that is to be stored but its body; `null` is a length that is not known yet. */
export function storedHead(
  exchange: Exchange,
  { answer, decision }: Keepable,
  lengthBytes: number | null,
): StoredHead {
  const given = clientFields(exchange, decision.fields);
  const { fields: own, originTag } = exchange.tenant.type.simpleTags
    ? withSimpleTag(given, answer.response.fields)
    : { fields: given, originTag: null };
  const { freshness, selectedBy, tiers } = decision;
  return StoredHead.of({
    key: selectedBy.length === 0 ? exchange.key : variantKey(exchange.key, selectedBy),
    status: answer.response.status,
    fields: sentCacheControl(exchange.tenant, own, freshness),
    lengthBytes,
    requestTimeMs: answer.requestTimeMs,
    responseTimeMs: answer.response.receivedAtMs,
    freshness,
    selectedBy,
    tags: allTags(decision.tags, exchange.tenant.type.tags(exchange)),
    tiers,
    originTag,
  });
}

/**
 * Puts a complete response into the store, with the marker that leads to it where it is one of several variants. What was asked for
 * before an unsafe request changed it is not kept (RFC 9111 §4.4).
 */
export function keep(exchange: Exchange, head: StoredHead, body: Uint8Array<ArrayBuffer>): StoredResponse {
  const { store } = exchange.services;
  const isToTag = exchange.tenant.type.simpleTags && head.status === 200;
  const tagged = isToTag ? withBodyTag(head.fields, body) : null;
  const stored = (tagged === null ? head : head.with(tagged)).withBody(body);
  if (exchange.isChanged(stored)) return stored;
  if (stored.selectedBy.length > 0) store.put(varyMarker(exchange.key, stored, exchange.variants?.sinceMs));
  store.put(stored);
  exchange.tenant.deriver?.kept?.(exchange, stored);
  return stored;
}

/** The response as the client gets it whose request brought it: with the fields that belong to that client alone. */
export function withOwnFields<T extends StoredHead>(
  exchange: Exchange,
  response: T,
  { ownFields }: Storable,
): T {
  const own = ownFields.filter(([name]) => !exchange.tenant.type.dropFields.has(name));
  return own.length === 0 ? response : response.with({ fields: [...response.fields, ...own] }) as T;
}

/** The origin's tags and the type's, sorted, each once. */
function allTags(given: readonly string[], derived: readonly string[]): readonly string[] {
  return derived.length === 0 ? given : [...new Set([...given, ...derived])].sort();
}
