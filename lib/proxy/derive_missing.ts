import type { StoredResponse } from "../cache/stored_response.ts";
import { ttlMs } from "../cache/reuse.ts";
import { derivedNote } from "./cache_note.ts";
import type { Exchange } from "./exchange.ts";
import { judged } from "./follow.ts";
import { respondForm } from "./respond_form.ts";

/** A response that was made of another stored one. */
export interface Derived {
  /**
   * Whole, at the key of the exchange (`exchange.key`), with its own `etag` and no other validator, and with the times, the freshness
   * and the tags of what it was made of. The same object for the same source, as far as that can be: what it is compressed to and
   * its fields are remembered by it.
   */
  readonly response: StoredResponse;
  /** The tier that its source was found in. */
  readonly tier: "memory" | "disk";
  /** How it came about, for `Cache-Status`: a token. */
  readonly detail: string;
}

/**
 * Makes responses for a listener out of others that are stored: a smaller document out of a larger, a picture out of a bigger one.
 *
 * It is asked when no upstream has been asked yet and what is stored for the request, if anything, cannot serve it; for `GET` and `HEAD`
 * alike, and never for requests that are private or carry `If-Match` or `If-Unmodified-Since`. It has to see to it itself that its
 * source is valid (not invalidated, not stale, no marker) and the request's to use. Whatever it does must be bounded, in time too: the
 * client waits. What it throws is logged, and an upstream is asked as if it had answered `null`.
 */
export interface Deriver {
  /** A response for the request, or `null`: an upstream is asked then. Answers at once where it can. */
  derive(exchange: Exchange): Derived | null | Promise<Derived | null>;
  /** Told of each response of the listener that was put into the store, or renewed there. It must not throw. */
  kept?(exchange: Exchange, stored: StoredResponse): void;
}

/** Answers with a response derived from stored ones, as a hit, if that can be and it is fresh; else by `fetch`. */
export function deriveMissing(
  exchange: Exchange,
  deriver: Deriver,
  fetch: () => Response | Promise<Response>,
): Response | Promise<Response> {
  // The origin has to judge these (RFC 9111 §4.3.2), by the entity tag of its own response.
  if (exchange.header("if-match") !== null || exchange.header("if-unmodified-since") !== null) return fetch();
  const answer = (derived: Derived | null) =>
    derived !== null && isOfUse(exchange, derived) ? respondDerived(exchange, derived) : fetch();
  try {
    const derived = deriver.derive(exchange);
    return derived instanceof Promise
      ? derived.catch((error) => failed(exchange, error)).then(answer)
      : answer(derived);
  } catch (error) {
    return answer(failed(exchange, error));
  }
}

/** Whether it is fresh by its source's times, and as fresh as the request asks for. */
function isOfUse(exchange: Exchange, { response }: Derived): boolean {
  return judged(exchange, response).kind === "hit" && ttlMs(response, exchange.services.clock.now()) > 0;
}

function respondDerived(exchange: Exchange, { response, tier, detail }: Derived): Response | Promise<Response> {
  return respondForm(exchange, response, derivedNote(exchange, response, { tier, detail }));
}

function failed({ services, requestId, tenant }: Exchange, error: unknown): null {
  services.logger.warn("A response could not be derived from a stored one", {
    id: requestId,
    listener: tenant.name,
    problem: error instanceof Error ? error.message : String(error),
  });
  return null;
}
