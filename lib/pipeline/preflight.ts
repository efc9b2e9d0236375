import type { Fields } from "../http/fields.ts";
import type { Answer } from "../request/answer.ts";
import type { CacheNote } from "../request/cache_note.ts";
import type { Exchange } from "../request/exchange.ts";

/** Whether a browser asks what it may do, of a listener that answers that itself (Fetch standard, CORS-preflight request). */
export function isPreflight(exchange: Exchange): boolean {
  return exchange.method === "OPTIONS" && exchange.tenant.cors !== null &&
    exchange.asSent.header("access-control-request-method") !== null;
}

const NO_NOTE: CacheNote = { result: "none", status: "", ageSeconds: null };

/** Answers a preflight here: the upstream is not asked, and what it would say is dropped anyway. */
export function preflightAnswer(exchange: Exchange): Answer {
  const cors = exchange.tenant.cors!;
  const ownFields = cors.preflightFields((name) => exchange.asSent.header(name));
  const fields: Fields = [["vary", `${cors.isByOrigin ? "Origin, " : ""}Access-Control-Request-Headers`]];
  return { kind: "made", note: NO_NOTE, status: 204, fields, ownFields, body: null };
}
