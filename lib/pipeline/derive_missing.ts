import { ttlMs } from "../cache/policy/reuse.ts";
import type { Answer } from "../request/answer.ts";
import { derivedNote } from "../request/cache_note.ts";
import type { Derived, Deriver } from "../request/deriver.ts";
import type { Exchange } from "../request/exchange.ts";
import { judged } from "./fetch_shared.ts";

/** Answers with a response derived from stored ones, as a hit, if that can be and it is fresh; else by `fetch`. */
export function deriveMissing(
  exchange: Exchange,
  deriver: Deriver,
  fetch: () => Answer | Promise<Answer>,
): Answer | Promise<Answer> {
  // The origin has to judge these (RFC 9111 §4.3.2), by the entity tag of its own response.
  if (exchange.header("if-match") !== null || exchange.header("if-unmodified-since") !== null) return fetch();
  const answer = (derived: Derived | null) =>
    derived !== null && isOfUse(exchange, derived) ? derivedAnswer(exchange, derived) : fetch();
  try {
    const derived = deriver.derive(exchange);
    return derived instanceof Promise
      ? derived.catch((error) => failed(exchange, error)).then(answer)
      : answer(derived);
  } catch (error) {
    return answer(failed(exchange, error));
  }
}

/** Whether it is fresh by its source's times, as fresh as the request asks for, and neither purged nor changed since at its own URL. */
function isOfUse(exchange: Exchange, { response }: Derived): boolean {
  const { store, clock } = exchange.services;
  return judged(exchange, response).kind === "hit" && ttlMs(response, clock.now()) > 0 &&
    !store.isPurged(response) && !exchange.isChanged(response);
}

function derivedAnswer(exchange: Exchange, { response, tier, detail }: Derived): Answer {
  return { kind: "stored", note: derivedNote(exchange, response, { tier, detail }), response };
}

function failed({ services, requestId, tenant }: Exchange, error: unknown): null {
  services.logger.warn("A response could not be derived from a stored one", {
    id: requestId,
    listener: tenant.name,
    problem: error instanceof Error ? error.message : String(error),
  });
  return null;
}
