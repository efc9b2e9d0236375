import type { StoredResponse } from "../cache/stored_response.ts";
import type { CacheNote } from "./cache_note.ts";
import type { Exchange } from "./exchange.ts";
import { respondStored } from "./respond.ts";

/** Answers from a stored response, in the form that suits the client best. */
export function respondForm(exchange: Exchange, stored: StoredResponse, note: CacheNote): Response | Promise<Response> {
  return respondStored(exchange, stored, note);
}
