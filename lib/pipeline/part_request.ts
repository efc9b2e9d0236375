import { GatewayError, messageOf } from "../errors.ts";
import { RequestFields } from "../http/request_fields.ts";
import type { StoredResponse } from "../cache/stored_response.ts";
import type { Fields } from "../http/fields.ts";
import { requestDirectives } from "../http/cache_control.ts";
import { Exchange } from "../request/exchange.ts";
import type { FillableRequest } from "../request/snapshot.ts";
import { ownArrival } from "../request/own_arrival.ts";
import { obtain } from "./obtain.ts";

/** Fields of a client's request that speak of its own response, or of its connection. */
const OF_RESPONSE: ReadonlySet<string> = new Set([
  ...["accept-encoding", "cache-control", "content-length", "content-type", "expect", "if-match", "if-modified-since"],
  ...["if-none-match", "if-range", "if-unmodified-since", "pragma", "range", "te", "transfer-encoding", "upgrade"],
  ...["x-request-id", "x-usher-attempt"],
]);

/**
 * A request for something else at the path of a client's request, which its response needs: with the same key, token and changes by
 * rules, at the same pool. It is not counted, and what it fetches is stored whether the client stays or not.
 */
export function partRequest(whole: FillableRequest, query: string, { storedOnly = false } = {}): Exchange {
  const { services, tenant, authority, path, ruling, keyPrefix, identity, arrival } = whole;
  const target = query === "" ? path : `${path}?${query}`;
  const isStoredOnly = storedOnly || requestDirectives(whole.header("cache-control")).onlyIfCached;
  const fields: Fields = whole.fields.filter(([name]) => !OF_RESPONSE.has(name));
  fields.push(["x-request-id", whole.requestId]);
  if (isStoredOnly) fields.push(["cache-control", "only-if-cached"]);
  const own = { ...ownArrival({ method: "GET", target, fields }), connection: arrival.connection };
  const change = ruling?.request ?? { fields: [], pool: null, upstream: null, key: "" };
  const part = new Exchange({
    ...{ services, tenant, keyPrefix, identity },
    arrival: own,
    fields: new RequestFields(own.fields),
    target: { authority, path, query },
    change: { ...change, path, query },
  });
  part.isBackground = true;
  part.trace = whole.trace;
  return part;
}

/** A response to a part's request, or a few words on why there is none. */
export type Part = StoredResponse | string;

/** The response to a part's request, from the store or an upstream, whole. Never rejects. */
export async function obtainPart(part: Exchange): Promise<Part> {
  try {
    const answer = await obtain(part);
    if (answer.kind === "filling") return answer.head.withBody(await answer.fill.whole());
    if (answer.kind === "stored") return answer.response;
    if (answer.kind === "streaming") answer.onLeave();
    return answer.status === 200 ? "not stored" : `status ${answer.status}`;
  } catch (error) {
    return error instanceof GatewayError ? error.code : messageOf(error);
  }
}
