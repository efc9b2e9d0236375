import { invalidates } from "../cache/invalidation.ts";
import { cacheKey } from "../cache/key.ts";
import type { FwdReason } from "../http/cache_status.ts";
import { UpstreamFailure } from "../upstream_client/transport.ts";
import { forwardNote } from "./cache_note.ts";
import type { Exchange } from "./exchange.ts";
import { type Answer, askUpstreams, gatewayError } from "./forward.ts";
import { requestBody } from "./request_body.ts";
import { respondDirect } from "./respond_direct.ts";

/**
 * Takes a request to an upstream and its response back, both streamed, nothing kept. The upstream's request ends when the client leaves.
 *
 * @throws {GatewayError} when no upstream answers
 */
export async function passThrough(exchange: Exchange, fwd: FwdReason, detail: string | null): Promise<Response> {
  exchange.outliveResponse();
  const body = requestBody(exchange);
  try {
    const ask = { method: exchange.method, forCache: false, conditions: [], body };
    const answer = await askUpstreams(exchange, ask, { signal: exchange.request.signal });
    invalidate(exchange, answer);
    const result = fwd === "bypass" || fwd === "method" ? "bypass" : "miss";
    return respondDirect(exchange, answer, { note: forwardNote(exchange, { fwd, detail: token(detail), result }) });
  } catch (error) {
    throw error instanceof UpstreamFailure ? gatewayError(error) : error;
  }
}

/** What an unsafe request changed is not served from the store any more (RFC 9111 §4.4). */
function invalidate(exchange: Exchange, answer: Answer): void {
  const { tenant, services, method } = exchange;
  if (tenant.policy === null || method === "GET" || method === "HEAD") return;
  const { authority, path, query } = exchange;
  const upstreamAuthority = tenant.pool.endpoints.get(answer.upstream.id)?.host ?? null;
  for (const target of invalidates(method, answer.response, { authority, path, query, upstreamAuthority })) {
    const host = tenant.hostInKey ? target.authority.toLowerCase() : "";
    const keyTarget = tenant.type.keyTarget({
      method: "GET",
      path: target.path,
      query: target.query,
      header: () => null,
    });
    services.store.delete(cacheKey({ listener: tenant.name, host, target: keyTarget }));
  }
}

/** Reasons are words; as a detail of `Cache-Status` they read better joined. */
function token(detail: string | null): string | null {
  return detail === null ? null : detail.replaceAll(" ", "-");
}
