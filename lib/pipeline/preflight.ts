import type { Exchange } from "../request/exchange.ts";
import type { Fields } from "../http/fields.ts";

/** Whether a browser asks what it may do, of a listener that answers that itself (Fetch standard, CORS-preflight request). */
export function isPreflight(exchange: Exchange): boolean {
  return exchange.method === "OPTIONS" && exchange.tenant.cors !== null &&
    exchange.header("access-control-request-method") !== null;
}

/** Answers a preflight here: the upstream is not asked, and what it would say is dropped anyway. */
export function respondPreflight(exchange: Exchange): Response {
  const { responseFields, cors } = exchange.tenant;
  const header = (name: string) => exchange.header(name);
  const origin = cors!.originFor(header);
  const fields: Fields = [
    ...responseFields,
    ...cors!.preflightFields(header),
    ["vary", `${cors!.isByOrigin ? "Origin, " : ""}Access-Control-Request-Headers`],
    ["x-request-id", exchange.requestId],
  ];
  if (origin !== null) fields.push(["access-control-allow-origin", origin]);
  exchange.finish({ status: 204, bytes: 0, cache: "none", cacheStatus: "" });
  return new Response(null, { status: 204, headers: fields });
}
