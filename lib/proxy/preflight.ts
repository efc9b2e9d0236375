import type { Fields } from "../http/fields.ts";
import type { Exchange } from "./exchange.ts";

/** Whether a browser asks what it may do, of a listener that speaks to every page (Fetch standard, CORS-preflight request). */
export function isPreflight(exchange: Exchange): boolean {
  return exchange.method === "OPTIONS" && exchange.header("access-control-request-method") !== null &&
    exchange.tenant.type.responseFields.some(([name]) => name === "access-control-allow-origin");
}

/** Field names, as a browser lists those that it wants to send. */
const FIELD_NAMES = /^[\w!#$%&'*+.^`|~-]+(?:\s*,\s*[\w!#$%&'*+.^`|~-]+)*$/;

/** Answers a preflight here: the upstream is not asked, and what it would say is dropped anyway. */
export function respondPreflight(exchange: Exchange): Response {
  const asked = exchange.header("access-control-request-headers") ?? "";
  const fields: Fields = [
    ...exchange.tenant.responseFields,
    ["access-control-allow-methods", "GET, HEAD, POST, PUT, PATCH, DELETE"],
    ["access-control-max-age", "86400"],
    ["vary", "Access-Control-Request-Headers"],
    ["x-request-id", exchange.requestId],
  ];
  // `*` would not cover Authorization, so the names are given back.
  if (asked.length <= 1_024 && FIELD_NAMES.test(asked)) fields.push(["access-control-allow-headers", asked]);
  exchange.finish({ status: 204, bytes: 0, cache: "none", cacheStatus: "" });
  return new Response(null, { status: 204, headers: fields });
}
