import type { Verdict } from "../cache/policy.ts";
import type { Found } from "../cache/store.ts";
import { GatewayError } from "../errors.ts";
import { hitNote } from "../request/cache_note.ts";
import type { Exchange } from "../request/exchange.ts";
import type { FwdReason } from "../http/cache_status.ts";
import { respondPart } from "../deliver/respond.ts";
import { respondForm } from "../deliver/respond_form.ts";
import { fromPart, partKey } from "./part.ts";
import { passThrough } from "./pass_through.ts";
import { fetchShared, heldElsewhere, judged } from "./shared_fetch.ts";

/**
 * Answers a request that no stored response answers as it is: by an upstream, on its own or for everyone who asks the same.
 *
 * @throws {GatewayError} `only_if_cached`; else what the fetch throws
 */
export function fetchMissing(
  exchange: Exchange,
  found: Found | undefined,
  verdict: Verdict,
): Response | Promise<Response> {
  if (verdict.onlyIfCached) {
    throw new GatewayError("only_if_cached", "The request wants a stored response only, and none can be used");
  }
  const { detail } = verdict;
  const fwd = verdict.fwd ?? "miss";
  // What is changed in a document depends on the whole of it. Where there may be more than documents, HEAD is not worth that.
  if (exchange.rewrite !== null && (exchange.method === "GET" || exchange.tenant.type.wholeBodies)) {
    return shared(exchange, found, verdict);
  }
  // Nothing whole comes back that could be stored.
  if (exchange.method === "HEAD") {
    return passThrough(exchange, { fwd, detail, held: found?.response, standsIn: verdict.kind === "validate" });
  }
  if (exchange.header("if-match") !== null || exchange.header("if-unmodified-since") !== null) {
    return passThrough(exchange, { fwd, detail });
  }
  if (exchange.header("range") !== null && exchange.tenant.storing.range === "pass") {
    return missingRange(exchange, fwd, detail);
  }
  return shared(exchange, found, verdict);
}

function shared(exchange: Exchange, found: Found | undefined, { fwd, kind }: Verdict): Promise<Response> {
  return fetchShared(exchange, { fwd: fwd ?? "miss", stale: kind === "validate" ? found!.response : null });
}

/** A range of what is not stored: from a part that is, or from an upstream, whose answer becomes the part. */
function missingRange(exchange: Exchange, fwd: FwdReason, detail: string | null): Response | Promise<Response> {
  if (exchange.tenant.policy!.storePartial !== true) return passThrough(exchange, { fwd, detail });
  const answer = (found: Found | undefined): Response | Promise<Response> => {
    const part = found === undefined ? null : fromPart(exchange, found.response);
    if (part === null) return rangeElsewhere(exchange, fwd, detail);
    return respondPart(exchange, part, hitNote(exchange, part, found!.tier === "memory" ? "hit_memory" : "hit_disk"));
  };
  const found = exchange.services.store.get(partKey(exchange.key));
  return found instanceof Promise ? found.then(answer) : answer(found);
}

/** A range that another worker may hold, as the whole or a part, while the disk tier has it not yet; else from an upstream. */
async function rangeElsewhere(exchange: Exchange, fwd: FwdReason, detail: string | null): Promise<Response> {
  exchange.outliveResponse();
  const whole = await heldElsewhere(exchange, exchange.key);
  if (whole !== null && judged(exchange, whole).kind === "hit") {
    return await respondForm(exchange, whole, hitNote(exchange, whole, "hit_memory"));
  }
  const held = await heldElsewhere(exchange, partKey(exchange.key));
  const part = held === null ? null : fromPart(exchange, held);
  if (part !== null) return respondPart(exchange, part, hitNote(exchange, part, "hit_memory"));
  return await passThrough(exchange, { fwd, detail, keepsPart: true });
}
